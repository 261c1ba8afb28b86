"""The environments of a vault."""

from __future__ import annotations

from keyway_core.names import is_environment

from keyway_cli import vaults
from keyway_cli.actions.consent import agreed
from keyway_cli.actions.context import Context
from keyway_cli.actions.names import existing
from keyway_cli.errors import NotFound, UsageProblem


def list_environments(context: Context) -> None:
    """Prints their names and how much each is guarded."""
    repository = context.repository()
    found = [
        {"name": str(entry.get("name") or ""), "type": str(entry.get("type") or "")}
        for entry in vaults.environments(context.api(), repository)
    ]
    rows = [(entry["name"], entry["type"]) for entry in found]
    data = {"repository": repository, "environments": found}
    context.terminal.table(data, ("ENVIRONMENT", "TYPE"), rows, f"{repository} has no environments")


def create_environment(context: Context, *, name: str) -> None:
    """Makes an empty one."""
    repository = context.repository()
    made = vaults.create_environment(context.api(), repository, _checked(name))
    kind = str(made.get("type") or "")
    context.terminal.result(
        {"repository": repository, "created": name, "type": kind}, f"created {name} ({kind}) in {repository}"
    )


def rename_environment(context: Context, *, name: str, new_name: str) -> None:
    """Gives one another name. What it holds, and its history, stay."""
    place, api = context.place(name), context.api()
    try:
        vaults.rename_environment(api, place, _checked(new_name))
    except NotFound:
        existing(api, place.repository, name)
        raise
    context.terminal.result(
        {"repository": place.repository, "renamed": name, "name": new_name}, f"{name} is called {new_name} now"
    )


def delete_environment(context: Context, *, name: str) -> None:
    """Deletes one with everything in it, not by way of the trash."""
    place, api = context.place(name), context.api()
    existing(api, place.repository, name)
    there = [secret for secret in vaults.secrets(api, place.repository) if secret.get("environment") == name]
    what = f"{name} of {place.repository} and its {len(there)} secret{'' if len(there) == 1 else 's'}"
    if not agreed(context, f"Delete {what}? There is no way back.", f"this would delete {what}"):
        context.terminal.result({"deleted": None}, "nothing was deleted")
        return
    vaults.delete_environment(api, place)
    context.terminal.result({"repository": place.repository, "deleted": name}, f"deleted {name}")


def _checked(name: str) -> str:
    if not is_environment(name):
        raise UsageProblem("that is no name for an environment", "2 to 30 of a-z, 0-9, - and _, a letter first")
    return name
