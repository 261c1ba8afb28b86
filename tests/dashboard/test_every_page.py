"""What holds for every page of the dashboard, those to come included: one walk along the list of `pages.py`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from dashboard_browser import AXE, Site, Window
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
        found = {who: kept.enter_context(site.window(login, reduced_motion="reduce")) for who, login in logins.items()}
        for window in found.values():
            window.page.add_init_script(AXE)
        yield found


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
    window.complaints.clear()
    address = window.site.url + shown.path(world)
    answer = window.page.goto(address)
    until = time.monotonic() + 90
    # What is summed up by a job is there after a while.
    while answer is not None and answer.status == 404 != shown.status and time.monotonic() < until:
        window.page.wait_for_timeout(500)
        window.complaints.clear()
        answer = window.page.goto(address)
    assert answer is not None
    assert answer.status == shown.status
    # A browser complains of a page that is not there.
    window.complaints[:] = [said for said in window.complaints if shown.status == 200 or "Failed to load" not in said]
    if shown.then is not None:
        shown.then(window.page)
    return window


# Half of a desk's 1440 is what 200 % zoom leaves; 320 is 400 % of 1280, and a phone that is narrower than any. Between
# them the page changes its shape once, so that what fits into 320 fits into a phone's 390.
WIDTHS = (720, 320)
# Every rule in the light; what moves without an end although less motion is asked for; in the dark the rule about
# colours, which alone depends on them. Dark by one's choice looks as dark by the system's (`test_list_pages.py`).
BOTH = """
  const light = await looked({});
  if (light === null) return null;
  const moving = document.getAnimations().filter((one) => one.effect.getComputedTiming().activeDuration > 20).length;
  document.documentElement.classList.add("dark");
  const dark = await looked({runOnly: ["color-contrast"]});
  document.documentElement.classList.remove("dark");
  return {light, moving, dark};
"""
# What Tab has reached: whether it can be seen there, how it is named, and whether it shows that it has the focus.
REACHED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect(), looks = getComputedStyle(one);
  const label = one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent || one.title || "";
  const place = [...document.querySelectorAll("*")].indexOf(one);
  return {name: label.trim().slice(0, 60), tag: one.tagName.toLowerCase(), place,
    seen: box.width > 0 && box.height > 0 && looks.visibility !== "hidden",
    marked: [one, one.parentElement, one.closest("li") ?? one].some((each) => {
      const look = getComputedStyle(each);
      return look.outlineStyle !== "none" || look.boxShadow !== "none";
    })};
}"""


@pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.name)
def test_axe_finds_nothing_light_or_dark(windows: dict[str | None, Window], world: World, shown: Shown) -> None:
    """No rule is broken, in either theme; no complaint. Nothing goes on moving for who asked for less motion, and
    nothing is wider than the window at 200 % zoom, on a phone, or at 400 %."""
    window = visit(windows, world, shown)
    assert window.looked(BOTH) == {"light": [], "moving": 0, "dark": []}
    assert window.complaints == []
    assert wide(window) == []


# How long, in milliseconds, what moves at most when the sidebar of a phone comes, then a dialog, then a skeleton.
COMES = """() => {
  const find = (selector) => document.querySelector(selector);
  const after = (act) => {
    act();
    getComputedStyle(find("#side")).translate;
    return Math.max(0, ...document.getAnimations().map((one) => one.effect.getComputedTiming().activeDuration));
  };
  return [after(() => find("[data-nav-toggle]").click()), after(() => find('[data-opens="shortcuts"]').click()),
    after(() => find("main").append(Object.assign(document.createElement("p"), {className: "bone"})))];
}"""


def test_nothing_moves_for_who_asked_for_less(windows: dict[str | None, Window], world: World) -> None:
    """What comes with a movement for others is there at once."""
    window = visit(windows, world, next(one for one in PAGES if one.name == "vaults"))
    before = window.page.viewport_size
    window.page.set_viewport_size({"width": 390, "height": 700})
    moving: dict[str, list[float]] = {}
    for asked in ("no-preference", "reduce"):
        window.page.emulate_media(reduced_motion=asked)  # type: ignore[arg-type]
        window.page.reload()
        moving[asked] = window.page.evaluate(COMES)
    assert before is not None
    window.page.set_viewport_size(before)
    assert min(moving["no-preference"]) > 100
    assert max(moving["reduce"]) < 1


def wide(window: Window) -> list[int]:
    """The widths at which the page has to be scrolled sideways."""
    found = []
    before = window.page.viewport_size
    # Names and times are longer on another day.
    window.page.evaluate(
        "() => { for (const one of document.querySelectorAll('main option')) one.append(' and more') }"
    )
    for width in WIDTHS:
        # Low, because what is seen is drawn.
        window.page.set_viewport_size({"width": width, "height": 100})
        found += [width] if window.page.evaluate("document.documentElement.scrollWidth > innerWidth") else []
    assert before is not None
    window.page.set_viewport_size(before)
    return found


def walked(window: Window, most: int) -> list[dict[str, Any]]:
    """What Tab reaches, in its order, until it leaves the page."""
    found: list[dict[str, Any]] = []
    for _ in range(most):
        window.page.keyboard.press("Tab")
        reached = window.page.evaluate(REACHED)
        if reached is None or (found and reached["place"] == found[0]["place"]):
            break
        found.append(reached)
    return found


def in_order(window: Window, most: int) -> None:
    """Begins with the way past the navigation; goes on as the page is read; all of it is seen, named and marked."""
    found = walked(window, most)
    assert found[0]["name"] == "Skip to content"
    assert [one for one in found if not (one["seen"] and one["name"] and one["marked"])] == []
    places = [one["place"] for one in found]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["vaults", "vault", "secret-add"])
def test_tab_goes_as_the_page_is_read(windows: dict[str | None, Window], world: World, name: str) -> None:
    """The first forty steps."""
    in_order(visit(windows, world, next(one for one in PAGES if one.name == name)), 40)


@pytest.mark.prove
@pytest.mark.parametrize("shown", [one for one in PAGES if one.then is None], ids=lambda shown: shown.name)
def test_tab_goes_through_every_page(windows: dict[str | None, Window], world: World, shown: Shown) -> None:
    """All the way, to the end of the page."""
    in_order(visit(windows, world, shown), 400)


@pytest.mark.prove
@pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.name)
def test_axe_finds_nothing_in_the_dark(windows: dict[str | None, Window], world: World, shown: Shown) -> None:
    """Every rule there too, on a phone as on a desk."""
    window = visit(windows, world, shown)
    window.page.emulate_media(color_scheme="dark")
    found = window.violations()
    window.page.set_viewport_size({"width": 390, "height": 844})
    found += window.violations()
    window.page.emulate_media(color_scheme="light")
    window.page.set_viewport_size({"width": 1280, "height": 720})
    assert found == []
