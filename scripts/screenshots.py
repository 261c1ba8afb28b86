"""Pictures of the dashboard's pages: `make screenshots` writes them to out/screenshots, light and dark, phone and desk.

Every line of tests/dashboard/pages.py in a seeded world (tests/dashboard/seeded.py). A page that is wider than its
window, complains in the console or shifts while it loads is told, and makes the command fail. --docs makes the
selection that docs/dashboard.md shows; --only takes the pages whose name has one of these words in it, with commas
between them, and --how one of the four views alone, as in phone-dark.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "dashboard")]

from dashboard_browser import Site, Window, running_browser  # noqa: E402 - its folder is named above
from keyway_standalone.processes import Stack  # noqa: E402
from pages import PAGES, Shown  # noqa: E402
from seeded import EVENTS, seeded  # noqa: E402
from stack import running_stack  # noqa: E402
from standins.providers import providers  # noqa: E402
from worlds import World, linked  # noqa: E402

VIEWS: Final = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
LIMITS: Final = {"RATE_LIMIT_PER_CREDENTIAL": "100000", "RATE_LIMIT_PER_ADDRESS": "100000"}
# What still moves is no picture of a page.
RESTED: Final = """() => Promise.all(document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().iterations !== Infinity)
  .map((one) => one.finished.catch(() => null)))"""
DOCS: Final = ROOT / "docs" / "pictures"
# What docs/dashboard.md and the README show: page, view, colours.
SELECTION: Final = (
    ("vaults", "desk", "light"), ("vault", "desk", "dark"), ("security", "desk", "light"), ("vault", "phone", "dark"),
    ("exposure-report", "phone", "light"), ("sync-preview", "desk", "light"), ("organization-settings", "desk", "dark"),
    ("assistants", "phone", "light"), ("usage", "desk", "light"),
)  # fmt: skip


class Camera:
    """Takes pictures, and keeps what was seen wrong."""

    def __init__(self, site: Site, world: World, folder: Path) -> None:
        self._site, self._world, self._folder = site, world, folder
        # What is committed shows what a window shows; what is looked at shows the page to its end.
        self._whole = folder != DOCS
        self.wrong: list[str] = []
        self.taken = 0

    def take(self, shown: Sequence[Shown], view: str, theme: str) -> None:
        """These pages in one view."""
        for who in dict.fromkeys(one.who for one in shown):
            options = {"viewport": VIEWS[view], "color_scheme": theme, "reduced_motion": "reduce"}
            with self._site.window(self._world.people[who] if who else None, **options) as window:
                for one in shown:
                    if one.who == who:
                        self._take(window, one, view, theme)

    def _take(self, window: Window, shown: Shown, view: str, theme: str) -> None:
        name = f"{shown.name}-{view}-{theme}"
        try:
            window.go(shown.path(self._world)).wait_for_load_state("networkidle")
            if shown.then is not None:
                shown.then(window.page)
                window.page.wait_for_load_state("networkidle")
        except Exception as error:  # noqa: BLE001 - the other pictures are taken all the same
            self.wrong.append(f"{name}: {str(error).splitlines()[0]}")
        window.page.evaluate(RESTED)
        window.page.screenshot(path=self._folder / f"{name}.png", full_page=self._whole)
        self.taken += 1
        if window.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.wrong.append(f"{name}: wider than the window")


def album(camera: Camera, chosen: Sequence[tuple[Shown, str, str]]) -> None:
    """All pictures, with their progress."""
    started = time.monotonic()
    for view, theme in dict.fromkeys((view, theme) for _, view, theme in chosen):
        camera.take([shown for shown, *how in chosen if how == [view, theme]], view, theme)
        sys.stderr.write(f"{time.monotonic() - started:6.1f} s  {camera.taken} pictures ({view}, {theme})\n")


def wanted(only: str, how: str, *, docs: bool) -> list[tuple[Shown, str, str]]:
    """Which pages in which views."""
    if docs:
        named = {shown.name: shown for shown in PAGES}
        return [(named[name], view, theme) for name, view, theme in SELECTION]
    words = only.split(",")
    pages = [shown for shown in PAGES if any(word in shown.name for word in words)]
    views = [(view, theme) for view in VIEWS for theme in ("light", "dark") if how in {"", f"{view}-{theme}"}]
    return [(shown, *chosen) for chosen in views for shown in pages]


def photographed(stack: Stack, options: argparse.Namespace) -> Camera:
    """The world made, and its pictures taken."""
    world = seeded(stack, options.events)
    linked(world.full)
    with running_browser() as browser:
        camera = Camera(Site(stack, browser), world, options.folder)
        album(camera, wanted(options.only, options.how, docs=options.docs))
    return camera


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--only", default="")
    parser.add_argument("--how", default="")
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    options.folder = options.folder or (DOCS if options.docs else ROOT / "out" / "screenshots")
    options.folder.mkdir(parents=True, exist_ok=True)
    with (
        providers() as there,
        running_stack(with_dashboard=True, backend_env=LIMITS | there.environment()) as stack,
    ):
        camera = photographed(stack, options)
    sys.stdout.write("".join(f"{told}\n" for told in camera.wrong))
    sys.stdout.write(f"{options.folder}: {camera.taken} pictures, {len(camera.wrong)} with something wrong\n")
    return 1 if camera.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
