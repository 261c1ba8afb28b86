"""What was deleted in the last 30 days."""

from __future__ import annotations

from keyway_cli import vaults
from keyway_cli.actions.consent import agreed
from keyway_cli.actions.context import Context
from keyway_cli.actions.names import checked_key
from keyway_cli.api import Api, Json
from keyway_cli.errors import NotFound, UsageProblem
from keyway_cli.terminal import minute


def list_trash(context: Context) -> None:
    """Prints what could be restored, and for how long."""
    repository, wanted = context.repository(), context.chosen.environment
    found = [
        {
            "key": str(entry.get("key") or ""),
            "environment": str(entry.get("environment") or ""),
            "deletedAt": str(entry.get("deletedAt") or ""),
            "daysRemaining": entry.get("daysRemaining"),
            "id": str(entry.get("id") or ""),
        }
        for entry in vaults.trash(context.api(), repository)
        if wanted in {None, entry.get("environment")}
    ]
    rows = [
        (str(e["key"]), str(e["environment"]), minute(str(e["deletedAt"])), f"{e['daysRemaining']} days") for e in found
    ]
    data = {"repository": repository, "trash": found}
    context.terminal.table(data, ("KEY", "ENVIRONMENT", "DELETED (UTC)", "LEFT"), rows, "the trash is empty")


def restore(context: Context, *, key: str) -> None:
    """Brings a key back with its versions. Raises Conflict when there is one of that name again."""
    repository, api = context.repository(), context.api()
    entry = _one(context, api, repository, checked_key(key))
    vaults.restore(api, repository, str(entry.get("id")))
    _report(context, repository, key, entry, "restored")


def purge(context: Context, *, key: str) -> None:
    """Forgets a key in the trash for good, with its versions."""
    repository, api = context.repository(), context.api()
    entry = _one(context, api, repository, checked_key(key))
    where = f"{key} of {entry.get('environment')}"
    if not agreed(context, f"Forget {where} for good?", f"this would forget {where} for good"):
        context.terminal.result({"purged": None}, "nothing was forgotten")
        return
    vaults.purge(api, repository, str(entry.get("id")))
    _report(context, repository, key, entry, "purged")


def empty(context: Context) -> None:
    """Forgets all of it for good."""
    repository = context.repository()
    everything = f"everything in the trash of {repository}"
    if not agreed(context, f"Forget {everything} for good?", f"this would forget {everything} for good"):
        context.terminal.result({"purged": 0}, "nothing was forgotten")
        return
    count = vaults.empty_trash(context.api(), repository)
    context.terminal.result({"repository": repository, "purged": count}, f"the trash is empty ({count} forgotten)")


def _one(context: Context, api: Api, repository: str, key: str) -> Json:
    """The newest entry of a key; a key of several environments needs -e."""
    wanted = context.chosen.environment
    found = [
        entry
        for entry in vaults.trash(api, repository)
        if entry.get("key") == key and wanted in {None, entry.get("environment")}
    ]
    if not found:
        where = f"of {wanted} " if wanted else ""
        raise NotFound(
            f"there is no {key} {where}in the trash of {repository}", "keyway trash list shows what there is"
        )
    environments = sorted({str(entry.get("environment")) for entry in found})
    if len(environments) > 1:
        raise UsageProblem(f"{key} was deleted in {' and '.join(environments)}", "name one with -e")
    return max(found, key=lambda entry: str(entry.get("deletedAt")))


def _report(context: Context, repository: str, key: str, entry: Json, what: str) -> None:
    environment = str(entry.get("environment"))
    data = {"repository": repository, what: key, "environment": environment}
    context.terminal.result(data, f"{what} {key} in {environment} of {repository}")
