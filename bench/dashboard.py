"""Pages of the dashboard for a person with 12 vaults and with 500: time on the server, what they cost there, bytes,
requests, and what Chromium itself says of the first paint, blocked time and shifted layout.

Time says little on a machine that does something else meanwhile. What a page costs says it there too: calls to the
backend, statements, and the CPU of dashboard, backend and database.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from bench.expense import expense
from bench.exposure import summed
from bench.meter import Meter, metering
from bench.report import Section
from bench.world import ENVIRONMENT, World, open_world, write_history

_TESTS: Final = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(_TESTS), str(_TESTS / "dashboard")]

from dashboard_browser import Site, Window, running_browser  # noqa: E402 - its folder is named above

SIZES: Final = (12, 500)
SECRETS, REVISIONS, EVENTS = 100, 2, 5_000
WARM, COLD = 20, 3
MOST_MS, MOST_CPU_MS, MOST_KB, MOST_REQUESTS = 100, 60, 150, 12
GITHUB_SECONDS: Final = 0.15
# What the browser measured of the page that it shows, once it rested.
_TOLD: Final = """async () => {
  const seen = (type) => new Promise((done) => {
    const found = [];
    new PerformanceObserver((list) => found.push(...list.getEntries())).observe({type, buffered: true});
    setTimeout(() => done(found), 100);
  });
  const [shifts, tasks] = await Promise.all([seen("layout-shift"), seen("longtask")]);
  const loaded = [performance.getEntriesByType("navigation")[0], ...performance.getEntriesByType("resource")];
  return {
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
    blocked: tasks.reduce((sum, one) => sum + Math.max(0, one.duration - 50), 0),
    shift: shifts.reduce((sum, one) => sum + one.value, 0),
    requests: loaded.length, bytes: loaded.reduce((sum, one) => sum + one.transferSize, 0),
  };
}"""


def measure(folder: Path) -> Section:
    """Both sizes, on stacks that are stopped afterwards."""
    title = f"Dashboard: {SIZES[0]} vaults and {SIZES[1]}, of {SECRETS} secrets each"
    section = Section(title, "python -m bench dashboard")
    for size in SIZES:
        with ExitStack() as kept:
            world = open_world(kept, folder / f"dashboard-{size}", organization="bench-org", with_dashboard=True)
            world.create_vaults(size)
            write_history(world, revisions=REVISIONS, fillers=0, events=EVENTS, keys=SECRETS)
            section.add(f"{size}: summed up by the job of every minute", f"{summed(world):.0f} s")
            site = Site(world.stack, kept.enter_context(running_browser()))
            _pages(section, world, site, kept.enter_context(metering(world.stack)))
    return section


def paths(world: World) -> dict[str, str]:
    """The pages that are measured."""
    vault = f"/vaults/{world.places[0].full_name}"
    return {
        "vaults": "/", "new vault": "/vaults/new", "palette": "/parts/places?as=palette", "vault": vault,
        "new secret": f"{vault}/secrets/new", "import": f"{vault}/import", "history": f"{vault}/history",
        "revision": f"{vault}/history/{ENVIRONMENT}/{REVISIONS}", "environments": f"{vault}/environments",
        "access": f"{vault}/access", "syncs": f"{vault}/syncs", "CI": f"{vault}/ci", "trash": f"{vault}/trash",
        "activity": "/activity", "activity of a vault": f"/activity?vault={world.places[0].full_name}",
        "security": "/security", "alerts": "/security/alerts", "access log": "/security/access-log",
        "exposure": "/security/exposure", "report": "/security/exposure/person-1", "API keys": "/api-keys",
        "new API key": "/api-keys/new", "organisations": "/organizations", "assistants": "/assistants",
        "profile": "/settings", "sessions": "/settings/sessions", "usage": "/settings/usage",
    }  # fmt: skip


def _pages(section: Section, world: World, site: Site, meter: Meter) -> None:
    with site.window(world.login) as window:
        kept = {one["name"]: one["value"] for one in window.context.cookies(site.url)}
    size = len(world.places)
    with httpx.Client(base_url=site.url, cookies=kept, timeout=60, trust_env=False) as http:
        for name, path in paths(world).items():
            _milliseconds(http, path)
            warm: list[float] = []
            spent = expense(world.stack, meter, partial(_timed, http, path, warm), WARM)
            slow = sorted(warm)[int(WARM * 0.95) - 1]
            told = f"{sorted(warm)[WARM // 2]:.0f}/{slow:.0f} ms, cold {_cold(http, path, meter):.0f} ms"
            _add(section, f"{size}: {name}, server", told, f"p95 <= {MOST_MS} ms", holds=slow <= MOST_MS)
            fits = spent.cpu <= MOST_CPU_MS
            _add(section, f"{size}: {name}, cost", str(spent), f"<= {MOST_CPU_MS} ms of CPU", holds=fits)
    for name, path in paths(world).items():
        if not path.startswith("/parts/"):
            with site.window(world.login) as window:
                _seen(section, f"{size}: {name}, browser", window, path)


def _timed(http: httpx.Client, path: str, times: list[float]) -> None:
    times.append(_milliseconds(http, path))


def _milliseconds(http: httpx.Client, path: str) -> float:
    started = time.perf_counter()
    answer = http.get(path)
    if answer.status_code != httpx.codes.OK:
        raise SystemExit(f"{path}: {answer.status_code}")
    return (time.perf_counter() - started) * 1000


def _cold(http: httpx.Client, path: str, meter: Meter) -> float:
    """The middle one of a few, with nobody's role remembered and GitHub that slow."""
    meter.delay(GITHUB_SECONDS)
    times = []
    for _ in range(COLD):
        meter.forget()
        times.append(_milliseconds(http, path))
    meter.delay(0)
    http.get(path)
    return sorted(times)[COLD // 2]


def _seen(section: Section, name: str, window: Window, path: str) -> None:
    """The first view of a browser that has nothing of ours yet."""
    window.go(path).wait_for_load_state("networkidle")
    told: dict[str, Any] = window.page.evaluate(_TOLD)
    kilobytes, requests, shift = told["bytes"] / 1000, told["requests"], told["shift"]
    text = (
        f"{kilobytes:.0f} kB, {requests} requests, paint {told['paint']:.0f} ms, blocked {told['blocked']:.0f} ms, "
        f"shift {shift:.3f}"
    )
    holds = kilobytes <= MOST_KB and requests <= MOST_REQUESTS and shift == 0
    _add(section, name, text, f"<= {MOST_KB} kB, <= {MOST_REQUESTS} requests, shift 0", holds=holds)


def _add(section: Section, name: str, text: str, target: str, *, holds: bool) -> None:
    """A figure, told at once: all of them take minutes."""
    sys.stderr.write(f"{name}: {text}\n")
    section.add(name, text, target, holds=holds)
