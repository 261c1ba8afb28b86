"""What holds for every page of the dashboard, those to come included: one walk along the list of `pages.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from dashboard_browser import Site, Window
from keyway_dashboard.features import ROUTES
from pages import NO_PAGES, PAGES, Places, Shown
from stack import TLS
from starlette.routing import Match
from worlds import World, small

READS = [route for route in ROUTES if "GET" in (route.methods or ())]


@pytest.fixture(scope="module")
def world(site: Site) -> World:
    """What the pages show."""
    return small(site.stack)


@pytest.fixture(scope="module")
def windows(site: Site, world: World) -> Iterator[dict[str | None, Window]]:
    """A browser for everybody who looks at a page."""
    with ExitStack() as kept:
        logins = {who: world.people[who] if who else None for who in dict.fromkeys(shown.who for shown in PAGES)}
        yield {who: kept.enter_context(site.window(login, reduced_motion="reduce")) for who, login in logins.items()}


def route_of(path: str) -> str:
    """The route that serves an address."""
    scope = {"type": "http", "method": "GET", "path": path.partition("?")[0]}
    return next((route.path for route in READS if route.matches(scope)[0] == Match.FULL), "")


class TestCensus:
    """The list is whole."""

    def test_every_route_that_answers_with_a_page_has_its_line(self, world: World) -> None:
        """A route stands in PAGES or, with what it is instead, in NO_PAGES; no line is there for nothing."""
        listed = {route_of(shown.path(world)) for shown in PAGES}
        assert {route.path for route in READS} - listed - set(NO_PAGES) == set(), "tests/dashboard/pages.py lacks them"
        assert set(NO_PAGES) <= {route.path for route in READS} - listed
        names = [shown.name for shown in PAGES]
        assert sorted(names) == sorted(set(names))

    def test_what_is_said_to_be_no_page_is_none(self, site: Site, world: World, windows: dict[str, Window]) -> None:
        """No whole document comes from there."""
        owner, name = world.vault.split("/")
        cookies = {one["name"]: one["value"] for one in windows["admin"].context.cookies()}
        with httpx.Client(base_url=site.url, verify=TLS, cookies=cookies) as client:
            for path in NO_PAGES:
                answer = client.get(path.format_map(Places(owner=owner, name=name)))
                assert answer.status_code != 200 or "<html" not in answer.text, path


def visit(windows: dict[str | None, Window], world: World, shown: Shown) -> Window:
    """The page as it is meant, looked at by whom it is meant for."""
    window = windows[shown.who]
    answer = window.page.goto(window.site.url + shown.path(world))
    assert answer is not None
    assert answer.status == shown.status
    # A browser complains of a page that is not there.
    window.complaints[:] = [said for said in window.complaints if shown.status == 200 or "Failed to load" not in said]
    if shown.then is not None:
        shown.then(window.page)
    return window


@pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.name)
def test_axe_finds_nothing_light_or_dark(windows: dict[str | None, Window], world: World, shown: Shown) -> None:
    """Every rule in the light; in the dark those about colours, which alone depend on them; no complaint."""
    window = visit(windows, world, shown)
    found = window.violations()
    window.page.emulate_media(color_scheme="dark")
    found += window.violations("color-contrast")
    window.page.emulate_media(color_scheme="light")
    assert found == []
    assert window.complaints == []
