"""Which secrets there are, by name."""

from __future__ import annotations

from typing import Any

from keyway_core.names import is_key

from keyway_cli import vaults
from keyway_cli.actions.context import Context
from keyway_cli.api import Api, Json
from keyway_cli.errors import NotFound, UsageProblem
from keyway_cli.terminal import minute


def checked_key(key: str) -> str:
    """A key as it was typed. Raises UsageProblem for what no key can be called."""
    if not is_key(key):
        raise UsageProblem("that is no name for a key", "letters, digits and _, no digit first, at most 256 characters")
    return key


def list_secrets(context: Context) -> None:
    """Prints the names of every environment that we may read, or of the one that was named."""
    repository, wanted = context.repository(), context.chosen.environment
    if wanted is not None:
        context.place(wanted)
    api = context.api()
    found = [_entry(secret) for secret in vaults.secrets(api, repository)]
    shown = sorted(
        (entry for entry in found if wanted in {None, entry["environment"]}),
        key=lambda entry: (entry["key"], entry["environment"]),
    )
    if wanted is not None and not shown:
        existing(api, repository, wanted)
    rows = [
        (entry["key"], entry["environment"], minute(entry["updatedAt"]), entry["updatedBy"] or "") for entry in shown
    ]
    context.terminal.table(
        {"repository": repository, "environment": wanted, "secrets": shown},
        ("KEY", "ENVIRONMENT", "CHANGED (UTC)", "BY"),
        rows,
        f"there is nothing in {f'{wanted} of ' if wanted else ''}{repository} that you may read",
    )


def existing(api: Api, repository: str, name: str) -> None:
    """Raises NotFound, listing what there is, when a vault has no environment of a name."""
    names = [str(environment.get("name")) for environment in vaults.environments(api, repository)]
    if name not in names:
        raise NotFound(f"{repository} has no environment {name}", f"it has {', '.join(names)}")


def _entry(secret: Json) -> dict[str, Any]:
    author = secret.get("lastModifiedBy")
    return {
        "key": str(secret.get("key") or ""),
        "environment": str(secret.get("environment") or ""),
        "updatedAt": str(secret.get("updatedAt") or ""),
        "updatedBy": str(author.get("username") or "") if isinstance(author, dict) else None,
    }
