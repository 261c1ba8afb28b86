"""Committing pull events in groups: one statement for all that are waiting, and each waits for its own commit.

While one group is being made durable the next one gathers, so that sixteen pulls at once cost one commit and not
sixteen. Nothing is lost by it: `record` returns after the commit that holds the event, or raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg

from keyway_backend.audit.events import Event
from keyway_backend.audit.record import insert, row_of
from keyway_backend.db.engine import Database
from keyway_backend.platform import errors

WAITING_MAX: Final = 5_000
GROUP_MAX: Final = 500

_Waiting = tuple[dict[str, Any], asyncio.Future[None]]


class GroupWriter:
    """Writes audit rows that belong to no other transaction. `stop` it before the database is closed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._ready = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self.told: Callable[[], None] = _nobody
        """Called after every group that was committed; it must not wait for anything."""

    def start(self) -> None:
        """Begins to write."""
        self._task = asyncio.create_task(self._run(), name="audit-writer")

    async def stop(self) -> None:
        """Takes no more, and returns when everything taken is committed or has failed."""
        self._stopping = True
        self._ready.set()
        if self._task is not None:
            await self._task

    async def record(self, event: Event) -> None:
        """Returns when the event is committed. Raises errors.Unavailable when it cannot be, or too many wait already.

        A caller that goes away leaves its event behind: it is written all the same.
        """
        if self._task is None or self._stopping or len(self._waiting) >= WAITING_MAX:
            raise errors.Unavailable("What happens here cannot be recorded right now, so nothing was done; try again.")
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row_of(event), committed))
        self._ready.set()
        await committed

    async def _run(self) -> None:
        while not (self._stopping and not self._waiting):
            await self._ready.wait()
            group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
            if not self._waiting and not self._stopping:
                self._ready.clear()
            if group:
                await self._write(group)

    async def _write(self, group: Sequence[_Waiting]) -> None:
        """One row that Postgres refuses must not take its neighbours along: such a group is written one by one."""
        try:
            async with self._database.read() as connection:
                await insert(connection, [row for row, _ in group])
        except psycopg.DataError as error:
            if len(group) == 1:
                _settle(group, error)
                return
            for one in group:
                await self._write([one])
        except Exception as error:  # noqa: BLE001  # house: broad-except those who wait must hear of it
            _settle(group, error)
        else:
            _settle(group, None)
            self.told()


def _nobody() -> None:
    """Nobody wants to know."""


def _settle(group: Sequence[_Waiting], error: Exception | None) -> None:
    for _, committed in group:
        if committed.done():
            continue
        if error is None:
            committed.set_result(None)
        else:
            committed.set_exception(error)
