"""What is forgotten by itself: old versions, and what lay in the trash for 30 days (policy.yaml `limits.history`).

A job calls `purge_old`. It walks over the secrets in the order of their ids, some at a time, each time in a transaction
of its own; killed in between it has done what it has done. Time is the database's, so that no clock of ours that jumps
ahead forgets anything too early.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from keyway_backend import audit
from keyway_backend.audit import Action, Subject
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.secrets.single import store
from keyway_backend.platform import log

AT_ONCE: Final = 2_000
_SOURCE: Final = "retention"

_log = log.logger("retention")


class Retention:
    """Keeps history as long as it is promised, and no longer."""

    def __init__(self, database: Database, *, at_once: int = AT_ONCE) -> None:
        self._database = database
        self._at_once = at_once

    async def purge_old(self) -> None:
        """Forgets versions that are neither among the last 10 nor younger than 90 days, and trash after 30 days."""
        cursor, versions, trashed = UUID(int=0), 0, 0
        while True:
            async with self._database.transaction() as connection:
                secrets = await store.secrets_after(connection, cursor, self._at_once)
                if not secrets:
                    break
                old = await store.purge_old_versions(connection, secrets)
                versions += await _tell(connection, Action.SECRET_VERSION_PURGED, old)
                old = await store.purge_old_trash(connection, secrets)
                trashed += await _tell(connection, Action.SECRET_PERMANENTLY_DELETED, old)
            cursor = secrets[-1]
        _log.info("purged", versions=versions, trashed=trashed)


async def _tell(connection: Connection, action: Action, old: Sequence[Mapping[str, Any]]) -> int:
    """Records what is forgotten, with it: a row for each environment, and nobody who did it. How many values."""
    for row in old:
        subject = Subject(row["vault_id"], row["repository"], row["environment_id"], row["environment"])
        details = {"values": row["count"]}
        await audit.record_told(
            connection, action, source=_SOURCE, request_id=_SOURCE, subject=subject, details=details
        )
    return sum(row["count"] for row in old)
