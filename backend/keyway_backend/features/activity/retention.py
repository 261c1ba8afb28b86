"""Forgets what is old: the audit and what is made of it after AUDIT_RETENTION_DAYS, short-lived rows when they ended.

A job calls it at night. It works in small transactions, so that it stands in nobody's way, and a worker that is killed
has done what it has done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from keyway_backend.db.engine import Database
from keyway_backend.features.activity import retention_store
from keyway_backend.platform import log

AT_ONCE: Final = 2_000

_log = log.logger("retention")


class AuditRetention:
    """Keeps the record as long as it is promised, and no longer."""

    def __init__(self, database: Database, *, days: int, at_once: int = AT_ONCE) -> None:
        self._database = database
        self._days = days
        self._at_once = at_once

    async def forget_old(self) -> None:
        """Everything that is old enough."""
        gone = {"audit_events": await self._all(retention_store.forget_audit)}
        for table in retention_store.TABLES:
            gone[table] = await self._all(partial(retention_store.forget, table=table, days=self._days))
        _log.info("forgotten", **gone)

    async def _all(self, forget: Callable[..., Awaitable[int]]) -> int:
        total, last = 0, self._at_once
        while last >= self._at_once:
            async with self._database.transaction() as connection:
                last = await forget(connection, most=self._at_once)
            total += last
        return total
