"""No route's statements grow with rows, repositories or secrets: every route, in a small world and in a larger one.

Nor do calls to GitHub. `python -m bench routes` prints the same for 200 repositories with
100 secrets each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import pytest
from keyway_standalone.processes import Stack
from stack import running_stack

from bench.catalogue import catalogue
from bench.ground import Ground, Outside, Route, survey
from bench.meter import Cost, Meter, metering, smaller
from bench.routes import connect
from bench.world import World, push
from tests.contracts.test_route_census import ROUTES
from tests.standins.providers import providers
from tests.standins.stripe import running_stripe

# Repositories, secrets of each, and rows of everything else.
SMALL: Final = (2, 3, 2)
LARGE: Final = (8, 24, 7)
# Where the two differ they are looked at again: who follows the log is counted too, and what only a first time costs.
AGAIN: Final = 5


@dataclass
class Scales:
    """The same person's life, once small and once larger, in one installation with everything on."""

    meter: Meter
    small: Ground
    large: Ground

    def costs(self, route: Route) -> tuple[Cost, Cost]:
        """What a request costs here and there. Much comes first: what only a process's first time costs could make
        up for growth if little had it."""
        grounds = (self.large, self.small)
        many, few = (self.meter.least(route, ground, 1) for ground in grounds)
        for _ in range(AGAIN):
            if few == many:
                break
            many, few = (
                smaller(cost, self.meter.least(route, ground, 1))
                for cost, ground in zip((many, few), grounds, strict=True)
            )
        return few, many

    def difference(self, route: Route) -> str:
        """What is asked there and not here, at another look."""
        few, many = (self.meter.statements(route, ground) for ground in (self.small, self.large))
        return "\n".join(f"{count} more: {query[:200]}" for query, count in (many - few).items())


@pytest.fixture(scope="module")
def scales() -> Iterator[Scales]:
    """Both, on a stack with billing and providers."""
    with ExitStack() as kept:
        outside = Outside(kept.enter_context(running_stripe()), kept.enter_context(providers()))
        # Jobs that nobody does count nowhere.
        alone = {"RATE_LIMIT_PER_CREDENTIAL": "1000000", "WORKER_IN_PROCESS": "false"}
        stack = kept.enter_context(running_stack(backend_env=outside.environment() | alone))
        few, many = (_ground(kept, stack, outside, *size) for size in (SMALL, LARGE))
        yield Scales(kept.enter_context(metering(stack, alone=True)), few, many)


def _ground(kept: ExitStack, stack: Stack, outside: Outside, repositories: int, secrets: int, rows: int) -> Ground:
    name = f"scale-{repositories}"
    world = World(stack, login=name, organization=f"{name}-org")
    world.sign_in()
    number = connect(world, outside)
    world.create_vaults(repositories)
    for place in world.places:
        push(world, place, secrets)
    http = kept.enter_context(world.client())
    ground = survey(world, http, size=secrets, rows=rows, outside=outside)
    ground.named["organization number"] = number
    return ground


def _names(template: str) -> str:
    return re.sub(r"\{\w+\}", "{}", template)


def test_every_route_is_measured() -> None:
    """The list of requests leaves none out."""
    assert {(one.method, _names(one.template)) for one in catalogue()} == {
        (method, _names(path)) for method, path in ROUTES
    }


@pytest.mark.parametrize("route", catalogue(), ids=lambda route: route.name)
def test_what_a_request_costs_does_not_grow(scales: Scales, route: Route) -> None:
    """As many statements and calls to GitHub for much as for little."""
    few, many = scales.costs(route)
    assert many == few, scales.difference(route)


def test_what_is_counted_is_what_was_asked(scales: Scales) -> None:
    """The measure itself: a list asks something, and health asks nothing."""
    assert scales.meter.statements(Route("GET", "/v1/vaults"), scales.large).total() > 0
    assert scales.meter.statements(Route("GET", "/v1/integrations"), scales.large).total() == 0
