"""Named checks of what this process needs, made at most once a second however often it is asked (assurance O-01).

While it starts, ten times a second: who waits for it should not wait a second more than it needs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import grpc
import httpx
import psycopg
from psycopg_pool import PoolTimeout

from keyway_backend.clients.github.errors import GitHubError
from keyway_backend.db.engine import Database, one
from keyway_backend.platform import metrics
from keyway_backend.platform.errors import Problem

Check = Callable[[], Awaitable[None]]

CHECK_SECONDS: Final = 2.5
_CACHE_SECONDS: Final = 1.0
_STARTING_SECONDS: Final = 0.1
_NEEDED: Final = frozenset({"database", "crypto", "migrations"})
_FAILURES: Final = (
    Problem,
    GitHubError,
    psycopg.Error,
    PoolTimeout,
    grpc.RpcError,
    httpx.HTTPError,
    TimeoutError,
    OSError,
)


class CheckFailed(Exception):
    """A check found something wrong; the text says what, for the operator."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks said: None for each that passed, else what is wrong."""

    checks: Mapping[str, str | None]

    @property
    def ready(self) -> bool:
        """Whether everything passed."""
        return not any(self.checks.values())

    @property
    def healthy(self) -> bool:
        """Whether what no request can do without passed. GitHub's absence is not ours to be restarted for."""
        return not any(self.checks.get(name) for name in _NEEDED)


class Health:
    """Runs the checks side by side and remembers the outcome for a second, so that nobody uses them as an amplifier."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._lock = asyncio.Lock()
        self._report = Report({})
        self._asked = float("-inf")
        self._was_ready = False
        self.draining = False

    def watch(self, name: str, check: Check) -> None:
        """Adds a check: some of what a process does begins after its health is there."""
        self._checks[name] = check

    async def report(self) -> Report:
        """The outcome, at most a second old."""
        async with self._lock:
            if time.monotonic() - self._asked > (_CACHE_SECONDS if self._was_ready else _STARTING_SECONDS):
                outcomes = await asyncio.gather(*(self._outcome(check) for check in self._checks.values()))
                self._report = Report(dict(zip(self._checks, outcomes, strict=True)))
                self._asked = time.monotonic()
                self._was_ready |= self._report.ready
                for name, wrong in self._report.checks.items():
                    metrics.READY.labels(name).set(0 if wrong else 1)
        return self._report

    @staticmethod
    async def _outcome(check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except CheckFailed as error:
            return str(error)
        except _FAILURES as error:
            return type(error).__name__
        return None


def database_check(database: Database) -> Check:
    """The database answers and takes writes."""

    async def check() -> None:
        async with database.read() as connection:
            row = await one(connection, "SELECT pg_is_in_recovery() AS standby")
        if row is None or row["standby"]:
            raise CheckFailed("the database does not take writes")

    return check


def migrations_check(database: Database, wanted: str) -> Check:
    """The schema is the one that this code was written for."""

    async def check() -> None:
        async with database.read() as connection:
            row = await one(connection, "SELECT version_num FROM alembic_version")
        if row is None or row["version_num"] != wanted:
            raise CheckFailed(f"the schema is not at revision {wanted}")

    return check


def clock_check(database: Database) -> Check:
    """Our clock and the database's differ by less than 30 seconds."""

    async def check() -> None:
        async with database.read() as connection:
            row = await one(connection, "SELECT extract(epoch FROM clock_timestamp())::float8 AS seconds")
        if row is None or abs(row["seconds"] - time.time()) > 30:
            raise CheckFailed("the clocks of backend and database differ by more than 30 seconds")

    return check
