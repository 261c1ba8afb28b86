"""What every route costs in statements, crypto calls, calls to GitHub and time, for a person in few and in many vaults.

`cold` is with nobody's role remembered, `warm` is the same request again. Two installations: one with every option off,
whose memory is measured in the end, and one with billing and providers, for the routes that need them.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.catalogue import catalogue
from bench.ground import Ground, Outside, Route, good, stripe_delivery, survey
from bench.meter import Cost, Meter, metering, smaller
from bench.pull import resident
from bench.report import Section
from bench.world import World, open_world, write_history
from tests.standins.providers import providers
from tests.standins.stripe import running_stripe


@dataclass(frozen=True, slots=True)
class Size:
    """Repositories, secrets of each, rows of everything else, and events in the log."""

    repositories: int
    secrets: int
    rows: int
    events: int


LARGE: Final = Size(200, 100, 20, 20_000)
SMALL: Final = Size(10, 10, 3, 100)
# With billing and providers on; a plan allows 50 private repositories.
LARGE_OUTSIDE: Final = Size(30, 100, 10, 100)
SMALL_OUTSIDE: Final = Size(3, 10, 2, 100)
COUNTED: Final = 2
# Where the two worlds differ, both are looked at again: it may have been a job.
AGAIN: Final = 6
WARM, COLD, WRITES = 20, 3, 8
GITHUB_SECONDS: Final = 0.15
LISTING_PAGE: Final = 100
MOST_MEMORY: Final = 190


@dataclass(frozen=True, slots=True)
class Pair:
    """The same life, large and small, in one installation."""

    meter: Meter
    many: Ground
    few: Ground

    @property
    def pages(self) -> int:
        """Of GitHub's listing of the larger world's repositories, those included that the routes themselves made."""
        owner, there = self.many.world.owner, self.many.world.stack.control.world()
        number = next(one["id"] for one in (*there["orgs"].values(), *there["users"].values()) if one["login"] == owner)
        return math.ceil(sum(one["owner_id"] == number for one in there["repos"].values()) / LISTING_PAGE)


def measure(folder: Path) -> Section:
    """All routes, on stacks that are stopped afterwards."""
    title = (
        f"Routes: {LARGE.repositories} repositories with {LARGE.secrets} secrets each,"
        f" beside {SMALL.repositories} with {SMALL.secrets}"
    )
    section = Section(title, "python -m bench routes")
    section.add("each route", "warm/cold counts; ms: warm p50/p95, cold p50", "the small one's counts; GitHub: + pages")
    with ExitStack() as kept:
        pair = _pair(kept, folder / "routes", LARGE, SMALL)
        for route in catalogue():
            if not route.outside:
                _add(section, route, pair)
        memory = resident(pair.many.world, "backend")
    with ExitStack() as kept:
        outside = Outside(kept.enter_context(running_stripe()), kept.enter_context(providers()))
        pair = _pair(kept, folder / "outside", LARGE_OUTSIDE, SMALL_OUTSIDE, outside)
        for route in catalogue():
            if route.outside:
                _add(section, route, pair)
    most = f"<= {MOST_MEMORY} MB"
    section.add(
        "backend, resident, every option off, after all of it", f"{memory:.0f} MB", most, holds=memory <= MOST_MEMORY
    )
    return section


def _pair(kept: ExitStack, folder: Path, large: Size, small: Size, outside: Outside | None = None) -> Pair:
    environment = outside.environment() if outside is not None else {}
    many = open_world(kept, folder, login="bench-many", organization="bench-many-org", backend_env=environment)
    few = World(many.stack, login="bench-few", organization="bench-few-org")
    few.sign_in()
    grounds = [_ground(kept, world, size, outside) for world, size in ((many, large), (few, small))]
    return Pair(kept.enter_context(metering(many.stack)), grounds[0], grounds[1])


def _ground(kept: ExitStack, world: World, size: Size, outside: Outside | None) -> Ground:
    number = connect(world, outside)
    world.create_vaults(size.repositories)
    write_history(world, revisions=1, fillers=0, events=size.events, keys=size.secrets)
    http = kept.enter_context(world.client())
    ground = survey(world, http, size=size.secrets, rows=size.rows, outside=outside)
    ground.named["organization number"] = number
    return ground


def connect(world: World, outside: Outside | None) -> str:
    """The number of the world's organisation, connected; it has a plan where plans are sold."""
    with world.client() as http:
        good(http.post("/v1/orgs/connect", json={"orgLogin": world.organization}))
        found = good(http.get("/v1/orgs")).json()["data"]
        number = str(next(one["forgeOrgId"] for one in found if one["login"] == world.organization))
        if outside is not None:
            paid = stripe_delivery(outside.stripe, {"keyway_org_id": number}, "business")
            good(http.post("/v1/billing/webhook", content=paid.content, headers=paid.headers))
    return number


def _add(section: Section, route: Route, pair: Pair) -> None:
    """One route's figures."""
    for ground in (pair.many, pair.few):
        route.send(ground)
    many, few = _costs(route, pair, COUNTED)
    for _ in range(AGAIN):
        if many == few:
            break
        again = _costs(route, pair, 1)
        many, few = (list(map(smaller, *both)) for both in zip((many, few), again, strict=True))
    times = [_times(route, pair)]
    if any(cost.github for cost in many):
        pair.meter.delay(GITHUB_SECONDS)
        times.append(_times(route, pair))
        pair.meter.delay(0)
    value = f"{_shown(many)}; {'; at 150 ms '.join(times)}"
    section.add(route.name, value, _shown(few), holds=_holds(route, pair.pages, many, few))


def _costs(route: Route, pair: Pair, count: int) -> tuple[list[Cost], list[Cost]]:
    """Warm and cold, of the large world and of the small one."""
    many, few = (
        [pair.meter.least(route, ground, count, cold=cold) for cold in (False, True)]
        for ground in (pair.many, pair.few)
    )
    return many, few


def _holds(route: Route, pages: int, many: list[Cost], few: list[Cost]) -> bool:
    """Nothing grows, except that GitHub's own listings have more pages."""
    if route.name == "GET /v1/vaults" and (many[0].github > 0 or many[1].github > 2 + pages):
        return False
    return all(
        large.statements <= small.statements
        and large.crypto <= small.crypto
        and large.github <= (small.github + pages - 1 if small.github else 0)
        for large, small in zip(many, few, strict=True)
    )


def _shown(pair: list[Cost]) -> str:
    warm, cold = pair
    statements, crypto = f"{warm.statements:g}/{cold.statements:g}", f"{warm.crypto:g}/{cold.crypto:g}"
    return f"{statements} sql, {crypto} crypto, {warm.github:g}/{cold.github:g} GitHub"


def _times(route: Route, pair: Pair) -> str:
    """p50 and p95 of warm requests, and p50 of cold ones, in ms."""
    count = WARM if route.method in {"GET", "HEAD"} else WRITES
    warm = sorted(pair.meter.seconds(route, pair.many) for _ in range(count))
    cold = sorted(pair.meter.seconds(route, pair.many, cold=True) for _ in range(COLD))
    shown = (warm[len(warm) // 2], warm[int(len(warm) * 0.95)], cold[len(cold) // 2])
    return "{:.0f}/{:.0f}, cold {:.0f}".format(*(1000 * one for one in shown))
