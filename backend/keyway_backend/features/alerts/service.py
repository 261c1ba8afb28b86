"""The security pages: one's alerts, those of a vault, an overview, and who read what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from keyway_backend.access.decide import Access
from keyway_backend.access.grants import PersonGrant, VaultGrant
from keyway_backend.access.rows import Rows, rows_of
from keyway_backend.db.engine import Database
from keyway_backend.features.alerts import store
from keyway_backend.features.alerts.store import Part
from keyway_backend.platform.clock import iso

_ACTIONS: Final = {
    "secrets_pulled": "pull",
    "secret_value_accessed": "view",
    "secret_version_value_accessed": "view_version",
}


@dataclass(frozen=True, slots=True)
class Exposed:
    """How many people saw how many secrets, and when last."""

    people: int
    secrets: int
    last_at: datetime | None


Summary = Callable[[Rows], Awaitable[Exposed]]
"""What exposure says of vaults; handed in, because neither feature knows the other."""


class Alerts:
    """What looked unlike what was before, and the log behind it."""

    def __init__(self, database: Database, access: Access, summary: Summary) -> None:
        self._database = database
        self._access = access
        self._summary = summary

    async def own(self, grant: PersonGrant, part: Part) -> list[dict[str, Any]]:
        """Alerts of the caller's own reads."""
        async with self._database.read() as connection:
            found = await store.own_alerts(connection, grant.actor, part)
        return [_alert(row) | {"vault": _vault(row)} for row in found]

    async def of_vault(self, grant: VaultGrant, part: Part) -> list[dict[str, Any]]:
        """Alerts of a vault: all of them for those who manage it, for others their own."""
        shown = rows_of(grant.actor, [grant], everybody=bool(grant.manage))
        async with self._database.read() as connection:
            found = await store.alerts_of(connection, shown, part)
        return [_alert(row) for row in found]

    async def log(self, grant: PersonGrant, vault_id: UUID | None, part: Part) -> dict[str, Any]:
        """Who read what in the vaults that the caller manages; of one of them, when it is named."""
        shown = await self._managed(grant)
        if vault_id is not None:
            shown = replace(shown, vaults=[one for one in shown.vaults if one == vault_id])
        async with self._database.read() as connection:
            found, total = await store.log(connection, shown, part)
        return {"events": [_read(row) for row in found], "total": total}

    async def overview(self, grant: PersonGrant) -> dict[str, Any]:
        """The vaults that the caller manages, in numbers."""
        shown = await self._access.managed_numbers(grant)
        # Side by side: the two look at different tables, each on a connection of its own.
        (alerts, pulls), exposed = await asyncio.gather(self._counts(shown), self._summary(shown))
        return {
            "alerts": {
                "total": alerts["total"],
                "critical": alerts["critical"],
                "warning": alerts["warning"],
                "last7Days": alerts["week"],
                "last30Days": alerts["month"],
            },
            "access": {
                "uniqueUsers": pulls["people"],
                "totalPulls": pulls["pulls"],
                "last7Days": pulls["week"],
                "topVaults": pulls["vaults"],
                "topUsers": pulls["top_people"],
                "pullsByDay": pulls["days"],
                "pullsBySource": pulls["sources"],
            },
            "exposure": {
                "usersWithAccess": exposed.people,
                "secretsAccessed": exposed.secrets,
                "lastAccessAt": iso(exposed.last_at) if exposed.last_at is not None else None,
            },
        }

    async def _counts(self, shown: Rows) -> tuple[dict[str, Any], dict[str, Any]]:
        async with self._database.read() as connection:
            return await store.counts(connection, list(shown.vaults))

    async def _managed(self, grant: PersonGrant) -> Rows:
        return rows_of(grant.actor, await self._access.managed(grant), everybody=True)


def _alert(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "type": row["type"],
        "message": row["message"],
        "createdAt": iso(row["created_at"]),
        "event": {
            "ip": row["ip"],
            "location": {"country": row["country"], "city": row["city"]},
            "deviceId": row["device_id"],
        },
    }


def _vault(row: Mapping[str, Any]) -> dict[str, Any] | None:
    return {"repoFullName": row["repository"]} if row["repository"] else None


def _read(row: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"environment": row["environment"], "platform": row["platform"]}
    if row["keys"] is not None and len(row["keys"]) == 1:
        metadata["secretKey"] = row["keys"][0]
    return {
        "id": str(row["id"]),
        "timestamp": iso(row["at"]),
        "action": _ACTIONS[row["action"]],
        "user": {"username": row["login"], "avatarUrl": row["avatar_url"]} if row["login"] else None,
        "vault": _vault(row),
        "ip": row["ip"],
        "location": {"country": row["country"], "city": row["city"]},
        "deviceId": row["device_id"] or "",
        "hasAlert": row["has_alert"],
        "source": row["source"],
        "metadata": metadata,
    }
