"""`python -m bench [section ...]`; without any, all: pull, push, shape, flat, routes, exposure, dashboard, cli, scan,
memory."""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from bench import cli, dashboard, exposure, pull, push, routes
from bench import scan as scanning
from bench.report import Section, show
from bench.world import KEYS, World, open_world, write_history
from bench.world import push as push_values

SECTIONS = ("pull", "push", "shape", "flat", "routes", "exposure", "dashboard", "cli", "scan", "memory")
_WIDTH = 220


def main() -> int:
    """Prints every figure beside its target; 1 when one misses."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--minutes", type=float, default=10, help="of load in `memory` (10)")
    parser.add_argument("--json", action="store_true", help="figures as JSON on stdout")
    chosen = parser.parse_args()
    if unknown := set(chosen.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    console = Console(stderr=chosen.json, width=None if sys.stdout.isatty() else _WIDTH)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    console.print(f"{machine}, all processes on it")
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        sections = _run(stack, Path(folder), chosen.sections or SECTIONS, chosen.minutes, console)
    if chosen.json:
        print(json.dumps([section.as_json() for section in sections]))
    return 1 if any(figure.holds is False for section in sections for figure in section.figures) else 0


def _run(stack: ExitStack, folder: Path, wanted: tuple[str, ...], minutes: float, console: Console) -> list[Section]:
    folder.chmod(0o755)

    @functools.cache
    def world() -> World:
        console.print("starting a stack: 100 vaults")
        made = open_world(stack, folder / "small")
        made.create_vaults(100)
        for place in made.places:
            push_values(made, place, KEYS)
        return made

    def flat() -> Section:
        small = world()
        console.print("starting a second one: 10,000 vaults, 500 revisions, a million events; this takes minutes")
        large = open_world(stack, folder / "large")
        large.create_vaults(100)
        write_history(large, revisions=500, fillers=9_900, events=1_000_000)
        try:
            return pull.flat(small, large)
        finally:
            large.stack.stop()

    run: dict[str, Callable[[], Section]] = {
        "pull": lambda: pull.beside_the_floor(world()),
        "cli": lambda: cli.measure(world(), folder),
        "flat": flat,
        "shape": lambda: pull.shape(world()),
        "push": lambda: push.measure(world()),
        "routes": lambda: routes.measure(folder),
        "exposure": lambda: exposure.measure(folder),
        "dashboard": lambda: dashboard.measure(folder),
        "scan": lambda: scanning.scan(folder),
        "memory": lambda: pull.memory(world(), minutes),
    }
    sections = []
    for name, measure in run.items():
        if name in wanted:
            sections.append(measure())
            show(console, sections[-1])
    return sections


if __name__ == "__main__":
    sys.exit(main())
