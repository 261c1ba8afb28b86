"""What every route costs in statements, crypto calls, calls to GitHub and time, for a person in few and in many vaults.

`cold` is with nobody's role remembered, `warm` is the same request again. Counts are the smallest of a few: what a
background job does meanwhile can only add to them.
"""

from __future__ import annotations

import functools
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import psycopg

from bench.pull import crypto_calls, resident, statements_on
from bench.report import Section
from bench.route_calls import Ground, Route, good, reading, survey, writing
from bench.world import World, open_world, write_history

LARGE: Final = (200, 100)
SMALL: Final = (10, 10)
EVENTS: Final = 20_000
COUNTED: Final = 3
# Where the two worlds differ, both are looked at again: it may have been a job.
AGAIN: Final = 4
WARM, COLD, WRITES = 10, 2, 3
GITHUB_SECONDS: Final = 0.15
LISTING_PAGE: Final = 100
MOST_MEMORY: Final = 190


class Cost(NamedTuple):
    """Of one request."""

    statements: float
    crypto: float
    github: float


@dataclass(slots=True)
class Meter:
    """Counts what requests cost, and makes them cold."""

    world: World
    database: psycopg.Connection[Any]
    control: httpx.Client

    def forget(self) -> None:
        """Nobody's role is remembered."""
        self.database.execute("DELETE FROM role_cache")

    def cost(self, send: Callable[[], object]) -> Cost:
        """What one request costs."""
        before = crypto_calls(self.world)
        self.control.post("/_control/reset-calls", json={}).raise_for_status()
        self.database.execute("SELECT statistics.pg_stat_statements_reset()")
        send()
        return Cost(statements_on(self.database), crypto_calls(self.world) - before, self._github())

    def delay(self, seconds: float) -> None:
        """From now on GitHub answers that late."""
        self.world.stack.control.clear_faults()
        if seconds:
            self.world.stack.control.fault("delay", times=0, seconds=seconds)

    def _github(self) -> int:
        made = self.control.get("/_control/calls").raise_for_status().json()
        return sum(call["path"] != "/app" for call in made)


def measure(folder: Path) -> Section:
    """All routes, on a stack that is stopped afterwards."""
    with ExitStack() as stack:
        return _measure(stack, folder)


def _measure(stack: ExitStack, folder: Path) -> Section:
    repositories, secrets = LARGE
    title = f"Routes: {repositories} repositories with {secrets} secrets each, beside {SMALL[0]} with {SMALL[1]}"
    section = Section(title, "python -m bench routes")
    large = open_world(stack, folder / "routes", login="bench-many", organization="bench-many-org")
    small = World(large.stack, login="bench-few", organization="bench-few-org")
    small.sign_in()
    for world, (vaults, keys) in ((large, LARGE), (small, SMALL)):
        world.create_vaults(vaults)
        write_history(world, revisions=1, fillers=0, events=EVENTS if world is large else 100, keys=keys)
    grounds = [
        survey(world, stack.enter_context(world.client()), size[1]) for world, size in ((large, LARGE), (small, SMALL))
    ]
    database = stack.enter_context(psycopg.connect(large.stack.superuser_database_url, autocommit=True))
    control = large.stack.control
    headers = {"X-Control-Token": control.token}
    meter = Meter(
        large, database, stack.enter_context(httpx.Client(base_url=control.url, headers=headers, trust_env=False))
    )
    described = httpx.get(f"{large.stack.ops_url}/openapi.json", trust_env=False).raise_for_status().json()["paths"]
    section.add("each route", "warm/cold counts; ms: warm p50/p95, cold", "the counts of 10 x 10; GitHub: + pages")
    closed: Counter[str] = Counter()
    for route in [*reading(described), *writing()]:
        if (status := _open(route, grounds)) is not None:
            closed[f"{status}: {route.name}"] += 1
        else:
            _add(section, route, meter, grounds)
    if closed:
        section.add("not measured: no data here, or an option that is off", ", ".join(closed))
    memory = resident(large, "backend")
    section.add(
        "backend, resident, after all of it", f"{memory:.0f} MB", f"<= {MOST_MEMORY} MB", holds=memory <= MOST_MEMORY
    )
    return section


def _open(route: Route, grounds: Sequence[Ground]) -> int | None:
    """None, or the status that says that this route is not in use here."""
    for ground in grounds:
        status = ground.http.send(route.request(ground)).status_code
        if status >= 300 and (route.method != "GET" or status in {401, 429, 500}):
            raise SystemExit(f"{route.name} was answered with {status}")
        if status >= 300:
            return status
    return None


def _add(section: Section, route: Route, meter: Meter, grounds: Sequence[Ground]) -> None:
    """One route's figures."""
    many, few = _pair(route, grounds[0], meter), _pair(route, grounds[1], meter)
    if many != few:
        many, few = (
            [_smaller(*both) for both in zip(pair, _pair(route, ground, meter, AGAIN), strict=True)]
            for pair, ground in zip((many, few), grounds, strict=True)
        )
    times = [_times(route, grounds[0], meter)]
    if any(cost.github for cost in many):
        meter.delay(GITHUB_SECONDS)
        times.append(_times(route, grounds[0], meter))
        meter.delay(0)
    value = f"{_shown(many)}; {'; at 150 ms '.join(times)}"
    section.add(route.name, value, _shown(few), holds=_holds(route, many, few))


def _holds(route: Route, many: Sequence[Cost], few: Sequence[Cost]) -> bool:
    """Nothing grows, except that GitHub's own listings have more pages."""
    pages = math.ceil(LARGE[0] / LISTING_PAGE)
    if route.name == "GET /v1/vaults" and (many[0].github > 0 or many[1].github > 2 + pages):
        return False
    return all(
        large.statements <= small.statements
        and large.crypto <= small.crypto
        and large.github <= (small.github + pages - 1 if small.github else 0)
        for large, small in zip(many, few, strict=True)
    )


def _shown(pair: Sequence[Cost]) -> str:
    warm, cold = pair
    statements, crypto = f"{warm.statements:g}/{cold.statements:g}", f"{warm.crypto:g}/{cold.crypto:g}"
    return f"{statements} sql, {crypto} crypto, {warm.github:g}/{cold.github:g} GitHub"


def _pair(route: Route, ground: Ground, meter: Meter, count: int = COUNTED) -> list[Cost]:
    """Warm and cold."""
    return [_least(route, ground, meter, count, cold=cold) for cold in (False, True)]


def _least(route: Route, ground: Ground, meter: Meter, count: int, *, cold: bool) -> Cost:
    costs = []
    for _ in range(count):
        request = route.request(ground)
        if cold:
            meter.forget()
        costs.append(meter.cost(lambda request=request: good(ground.http.send(request))))  # type: ignore[misc]
    return functools.reduce(_smaller, costs)


def _smaller(one: Cost, other: Cost) -> Cost:
    return Cost(*(min(both) for both in zip(one, other, strict=True)))


def _times(route: Route, ground: Ground, meter: Meter) -> str:
    """p50 and p95 of warm requests, and the better one of cold ones, in ms."""
    good(ground.http.send(route.request(ground)))
    warm = sorted(_timed(route, ground) for _ in range(WARM if route.method == "GET" else WRITES))
    cold = sorted(_timed(route, ground, meter) for _ in range(COLD))
    return f"{warm[len(warm) // 2]:.0f}/{warm[int(len(warm) * 0.95)]:.0f}, cold {cold[0]:.0f}"


def _timed(route: Route, ground: Ground, meter: Meter | None = None) -> float:
    request = route.request(ground)
    if meter is not None:
        meter.forget()
    started = time.perf_counter()
    good(ground.http.send(request))
    return (time.perf_counter() - started) * 1000
