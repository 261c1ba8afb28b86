"""How exposure is shown (contract.md 4.2 and 4.10), and what must be rotated."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from keyway_backend.platform.clock import iso

# A cell that begins with one of these is a formula to a spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
COLUMNS: Final = (
    "username", "userId", "repository", "environment", "key", "roleAtAccess", "firstAccess", "lastAccess",
    "accessCount", "firstRevision", "lastRevision", "status", "rotatedAt", "tickedAt", "mustRotate",
)  # fmt: skip


def moment(text: str) -> datetime | None:
    """A day or a moment as browsers write them; without a zone it is UTC. None for what is neither."""
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return found.astimezone(UTC) if 1900 <= found.year <= 9000 else None
    except (ValueError, OverflowError):
        return None


def identity(text: str) -> UUID | None:
    """An id; None for what is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def user(row: Mapping[str, Any]) -> dict[str, Any]:
    """A person. A workflow has no id."""
    return {
        "id": str(row["user_id"]) if row["user_id"] else None,
        "username": row["login"],
        "avatarUrl": row["avatar_url"],
    }


def listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A person in a list."""
    return {
        "user": user(row),
        "secretsAccessed": row["secrets"],
        "vaultsAccessed": row["vaults"],
        "lastAccess": iso(datetime.fromtimestamp(float(row["last_at"]), UTC)),
    }


def secret(row: Mapping[str, Any]) -> dict[str, Any]:
    """A secret that a person saw: when, at which revisions of its environment, and whether its value is newer now.

    Without revisions it was never read there: the person saw another value of its line, a copy or what it is a copy of.
    """
    ticked = row["ticked_at"] is not None and row["ticked_at"] >= row["last_at"]
    return {
        "secretId": str(row["secret_id"]),
        "key": row["key"],
        "environment": row["environment"],
        "roleAtAccess": row["role"],
        "firstAccess": iso(row["first_at"]),
        "lastAccess": iso(row["last_at"]),
        "accessCount": row["reads"],
        "firstRevision": row["first_revision"],
        "lastRevision": row["last_revision"],
        "status": row["status"],
        "rotatedAt": iso(row["rotated_at"]) if row["rotated_at"] else None,
        "tickedAt": iso(row["ticked_at"]) if ticked else None,
        "mustRotate": row["status"] == "current" and not ticked,
    }


def report(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What one person saw, by vault, with sums over all of it; None when that is nothing."""
    if not rows:
        return None
    vaults: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        found = vaults.get(row["vault_id"])
        if found is None:
            found = vaults[row["vault_id"]] = _vault(row)
        found["secrets"].append(secret(row))
    first = rows[0]
    summary = {
        "totalSecretsAccessed": first["all_secrets"],
        "totalVaultsAccessed": first["all_vaults"],
        "secretsToRotate": first["all_must_rotate"],
        "firstAccess": iso(first["all_first_at"]),
        "lastAccess": iso(first["all_last_at"]),
    }
    return {"user": user(first), "summary": summary, "vaults": list(vaults.values())}


def _vault(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "vaultId": str(row["vault_id"]),
        "repoFullName": row["repository"],
        "totalSecrets": row["vault_secrets"],
        "secretsToRotate": row["vault_must_rotate"],
        "secrets": [],
    }


def by_person(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """People with what they saw, in the order of the rows."""
    people: dict[int, dict[str, Any]] = {}
    for row in rows:
        people.setdefault(row["person"], {"user": user(row), "secrets": []})["secrets"].append(secret(row))
    return list(people.values())


def access(row: Mapping[str, Any]) -> dict[str, Any]:
    """A person in the history of one secret."""
    return {
        "user": user(row),
        "roleAtAccess": row["role"],
        "platform": row["platform"],
        "firstAccess": iso(row["first_at"]),
        "lastAccess": iso(row["last_at"]),
        "accessCount": row["reads"],
    }


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV, a line for each person and secret. No cell is a formula to the spreadsheet that opens it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        cells = secret(row) | {
            "username": row["login"],
            "userId": row["user_id"],
            "repository": row["repository"],
        }
        writer.writerow({name: _cell(cells[name]) for name in COLUMNS})
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
