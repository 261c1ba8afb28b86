"""Follows the log of reads and raises alerts: after the commit, beside the requests, and never in their way.

What waits to be judged is the log itself, so nothing is lost when this task, its process or GeoIP fails: the next look
takes up where the last one ended. Any number of processes may watch; each batch is judged once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.alerts import rules, watch_store
from keyway_backend.features.alerts.rules import Finding, Place
from keyway_backend.platform import log, metrics
from keyway_backend.platform.clock import now

BATCH: Final = 500
_LOOK_SECONDS: Final = 15.0
_GATHER_SECONDS: Final = 0.3
_AFTER_ERROR_SECONDS: Final = 5.0
# Watching must not compete with serving: it took an eighth of all pulls when every flood was judged at once. What is
# more waits in the log and is judged when it is calmer.
_READS_PER_SECOND: Final = 100
_OLD: Final = timedelta(days=1)

_log = log.logger("alerts")

Locate = Callable[[str], Awaitable[Place | None]]
"""Where an address is; None when that cannot be found out now, or ever."""


class Tell(Protocol):
    """Tells the person of the alerts of one read, in the transaction that raises them."""

    async def __call__(self, connection: Connection, findings: Sequence[Finding]) -> None:
        """Makes a job; sends nothing by itself."""


class Watch:
    """The task that judges reads. `nudge` it when something was read."""

    def __init__(self, database: Database, locate: Locate, tell: Tell | None = None) -> None:
        self._database = database
        self._locate = locate
        self._tell = tell
        self._nudged = asyncio.Event()
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to watch."""
        self._task = asyncio.create_task(self._run(), name="alerts")

    async def stop(self) -> None:
        """Ends after the batch that is under way; what is left is judged at the next start."""
        self._ended.set()
        self._nudged.set()
        if self._task is not None:
            await self._task

    def nudge(self) -> None:
        """Something was read. Costs nothing and waits for nothing."""
        self._nudged.set()

    async def _run(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), _LOOK_SECONDS)
            await self._pause(_GATHER_SECONDS)
            self._nudged.clear()
            try:
                await self.look()
            except (psycopg.Error, PoolTimeout, OSError) as error:
                _log.warning("watch_interrupted", kind=type(error).__name__)
                await self._pause(_AFTER_ERROR_SECONDS)
            except Exception as error:  # noqa: BLE001  # house: broad-except it must go on watching
                _log.error("watch_failed", exc_info=error)
                await self._pause(_AFTER_ERROR_SECONDS)

    async def look(self) -> None:
        """Judges everything that was committed."""
        full = True
        while full and not self._ended.is_set():
            judged, full = await self._judge()
            await self._pause(judged / _READS_PER_SECOND)

    async def _pause(self, seconds: float) -> None:
        """Sleeps, unless the end comes first."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    async def _judge(self) -> tuple[int, bool]:
        """One batch. How many reads it had, and whether there may be more."""
        async with self._database.read() as connection:
            batch = await watch_store.next_batch(connection, BATCH)
        if not batch.worth_noting:
            return 0, False
        places = await self._places({read.ip for read in batch.reads})
        async with self._database.transaction() as connection:
            if not await watch_store.move(connection, batch):
                return 0, batch.full
            if batch.reads:
                history = await watch_store.history(connection, batch, places)
                findings = rules.judge(batch.reads, places, history, since=now() - _OLD)
                await watch_store.learn(connection, history)
                await self._raise(connection, findings)
        return len(batch.reads), batch.full

    async def _raise(self, connection: Connection, findings: list[Finding]) -> None:
        by_read: dict[UUID, list[Finding]] = {}
        for finding in await watch_store.raise_alerts(connection, findings):
            metrics.ALERTS.labels(finding.type.value).inc()
            by_read.setdefault(finding.read.id, []).append(finding)
        if self._tell is not None:
            for found in by_read.values():
                await self._tell(connection, found)

    async def _places(self, addresses: Iterable[str]) -> dict[str, Place]:
        """Where addresses are: as remembered, or asked while no connection is held."""
        wanted = list(addresses)
        async with self._database.read() as connection:
            known = await watch_store.located(connection, wanted, now() - watch_store.LOCATED_FOR)
        missing = [address for address in wanted if address not in known]
        answers = await asyncio.gather(*(self._locate(address) for address in missing))
        fresh = {address: place for address, place in zip(missing, answers, strict=True) if place is not None}
        if fresh:
            async with self._database.transaction() as connection:
                await watch_store.locate(connection, fresh)
        return known | fresh
