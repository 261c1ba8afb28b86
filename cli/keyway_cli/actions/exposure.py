"""Who saw which values of a vault, and which of these were not changed since."""

from __future__ import annotations

from typing import Any

from keyway_cli import vaults
from keyway_cli.actions.context import Context
from keyway_cli.api import Json

_TOLD = ("key", "environment", "lastAccess", "accessCount", "status", "rotatedAt", "mustRotate")


def exposure(context: Context, *, username: str | None = None) -> None:
    """Prints people with what they saw: everybody for who manages the vault, else oneself."""
    repository = context.repository()
    people = [_person(entry) for entry in vaults.exposure(context.api(), repository)]
    shown = [person for person in people if username in {None, person["username"]}]
    rows = [
        (person["username"], seen["key"] or "", seen["environment"] or "", seen["status"] or "")
        for person in shown
        for seen in person["secrets"]
    ]
    columns = ("WHO", "KEY", "ENVIRONMENT", "STATUS")
    context.terminal.table({"repository": repository, "people": shown}, columns, rows, "nobody has seen anything")


def _person(entry: Json) -> dict[str, Any]:
    user, seen = entry.get("user"), entry.get("secrets")
    secrets = [secret for secret in seen if isinstance(secret, dict)] if isinstance(seen, list) else []
    return {
        "username": str(user.get("username") or "") if isinstance(user, dict) else "",
        "secrets": [{name: secret.get(name) for name in _TOLD} for secret in secrets],
    }
