"""Pages of the log, as far as the caller may see it (policy.yaml `roles.rows`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from keyway_core.roles import Verb

from keyway_backend.access.grants import PersonGrant, VaultGrant
from keyway_backend.access.narrow import narrow
from keyway_backend.access.rows import rows_of
from keyway_backend.db.engine import Database
from keyway_backend.features.activity import rules, store
from keyway_backend.features.activity.store import Filters, Part
from keyway_backend.platform.clock import iso
from keyway_backend.platform.errors import NotFound

Page = tuple[list[dict[str, Any]], int]


class Activity:
    """What happened."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def own(self, grant: PersonGrant, filters: Filters, part: Part) -> Page:
        """What the caller did, newest first; also where access was lost since."""
        async with self._database.read() as connection:
            found, total = await store.own(connection, grant.actor, filters, part)
        return [_item(row) for row in found], total

    async def of_vault(self, grant: VaultGrant, filters: Filters, environment: str | None, part: Part) -> Page:
        """What happened in a vault: everybody's actions for those who manage it, for others their own.

        Raises NotFound and Forbidden for the environment that is asked for.
        """
        if environment is not None:
            there = narrow(grant, environment, Verb.READ, missing=NotFound("Environment not found")).environment
            filters = replace(filters, environment_id=there.id if there is not None else None)
        shown = rows_of(grant.actor, [grant], everybody=bool(grant.manage))
        async with self._database.read() as connection:
            found, total = await store.of_vault(connection, shown, filters, part)
        return [_item(row) | _where(row) for row in found], total


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "action": row["action"],
        "vaultId": str(row["vault_id"]) if row["vault_id"] else None,
        "repoFullName": row["repository"],
        "actor": {
            "id": str(row["actor_user_id"]) if row["actor_user_id"] else None,
            "username": row["login"] or row["actor_login"] or "",
            "avatarUrl": row["avatar_url"],
        },
        "platform": row["platform"],
        "metadata": rules.metadata(row),
        "timestamp": iso(row["at"]),
    }


def _where(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": row["source"],
        "environment": row["environment"],
        "ip": row["ip"],
        "deviceId": row["device_id"],
    }
