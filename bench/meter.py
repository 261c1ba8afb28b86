"""What one request costs: statements, crypto calls, calls to GitHub, and time."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import httpx
import psycopg
from keyway_standalone.processes import Stack

from bench.ground import Ground, Route
from bench.pull import NOBODYS, crypto_calls_of, said

# What follows the log of reads in the background, and where transactions begin and end.
_NOBODYS: Final = (
    f"{NOBODYS}|^(BEGIN|COMMIT|ROLLBACK)|ip_locations|alert_places|alert_sightings"
    "|AS n \\(vault_id, person, before\\)|credential_kind, ip, user_agent, device_id"
)


class Cost(NamedTuple):
    """Of one request."""

    statements: float
    crypto: float
    github: float


@dataclass(slots=True)
class Meter:
    """Counts what requests cost, and makes them cold.

    Counts are the smallest of a few: what a background job does meanwhile can only add to them.
    """

    stack: Stack
    database: psycopg.Connection[Any]
    control: httpx.Client
    alone: bool = False

    def forget(self) -> None:
        """Nobody's role is remembered."""
        self.database.execute("DELETE FROM role_cache")

    def delay(self, seconds: float) -> None:
        """From now on GitHub answers that late."""
        self.stack.control.clear_faults()
        if seconds:
            self.stack.control.fault("delay", times=0, seconds=seconds)

    def least(self, route: Route, ground: Ground, count: int, *, cold: bool = False) -> Cost:
        """What a request costs, by `count` of them."""
        return functools.reduce(smaller, (self._cost(route, ground, cold=cold) for _ in range(count)))

    def seconds(self, route: Route, ground: Ground, *, cold: bool = False) -> float:
        """How long one request takes."""
        with ExitStack() as kept:
            send = route.prepared(ground, kept)
            if cold:
                self.forget()
            started = time.perf_counter()
            send()
            return time.perf_counter() - started

    def statements(self, route: Route, ground: Ground) -> Counter[str]:
        """What one request asks of the database, and how often."""
        self._cost(route, ground, cold=False)
        return said(self.database, _NOBODYS)

    def said(self) -> int:
        """How many statements there were until now."""
        return sum(said(self.database, _NOBODYS).values())

    def _cost(self, route: Route, ground: Ground, *, cold: bool) -> Cost:
        with ExitStack() as kept:
            send = route.prepared(ground, kept)
            if cold:
                self.forget()
            return self._counted(send)

    def _counted(self, send: Callable[[], object]) -> Cost:
        if not self.alone:
            self._rest()
        before = self._crypto()
        self.control.post("/_control/reset-calls", json={}).raise_for_status()
        self.database.execute("SELECT statistics.pg_stat_statements_reset()")
        send()
        statements = sum(said(self.database, _NOBODYS).values())
        return Cost(statements, self._crypto() - before, self._github())

    def _crypto(self) -> int:
        return 0 if self.alone else crypto_calls_of(self.stack)

    def _rest(self) -> None:
        """Waits until no job is left of what was prepared, for a while."""
        waiting = "SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND scheduled_at IS NULL LIMIT 1"
        until = time.monotonic() + 2
        while self.database.execute(waiting).fetchone() is not None and time.monotonic() < until:
            time.sleep(0.02)

    def _github(self) -> int:
        made = self.control.get("/_control/calls").raise_for_status().json()
        return sum(call["path"] != "/app" for call in made)


@contextmanager
def metering(stack: Stack, *, alone: bool = False) -> Iterator[Meter]:
    """A meter of what this installation does. `alone`: nobody does its jobs, and its calls to crypto are not asked
    for, which takes longer than most requests."""
    control = stack.control
    headers = {"X-Control-Token": control.token}
    with (
        psycopg.connect(stack.superuser_database_url, autocommit=True) as database,
        httpx.Client(base_url=control.url, headers=headers, trust_env=False, timeout=30) as http,
    ):
        yield Meter(stack, database, http, alone)


def smaller(one: Cost, other: Cost) -> Cost:
    """The smaller one of each count."""
    return Cost(*(min(both) for both in zip(one, other, strict=True)))
