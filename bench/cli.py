"""The CLI from the outside: whole processes, best of fifteen, in turn with bare Python."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.report import Section
from bench.world import World, push

RUNS = 15


def best(commands: Mapping[str, Sequence[str]], *, env: Mapping[str, str], cwd: Path) -> dict[str, float]:
    """Seconds of the fastest of fifteen runs of each command, the commands taking turns."""
    fastest = dict.fromkeys(commands, float("inf"))
    for _ in range(RUNS):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, env=env, cwd=cwd, check=True, capture_output=True, timeout=60)
            fastest[name] = min(fastest[name], time.perf_counter() - started)
    return fastest


def measure(world: World, folder: Path) -> Section:
    """`keyway --version` and `keyway run -- true`, as multiples of `python -c pass`."""
    section = Section("CLI, best of 15, file token", "python -m bench cli")
    keyway = str(Path(sys.executable).with_name("keyway"))
    env = world.cli_environment(folder)
    work = world.work_tree(folder)
    large = world.places[1]
    push(world, large, 1_000)
    subprocess.run([keyway, "run", "--cache-max-age", "1h", "--", "true"], env=env, cwd=work, check=True)
    times = best(
        {
            "python": [sys.executable, "-c", "pass"],
            "version": [keyway, "--version"],
            "run": [keyway, "run", "--", "true"],
            "cached": [keyway, "run", "--offline", "--", "true"],
            "pull": [keyway, "pull", "--yes"],
            "large": [keyway, "pull", "--yes", "-r", large.full_name, "-f", ".env.large"],
        },
        env=env,
        cwd=work,
    )
    floor = times["python"]
    section.add("python -c pass", f"{floor * 1000:.1f} ms")
    for name, label, most in (
        ("version", "keyway --version", 3),
        ("run", "keyway run -- true, online", 12),
        ("cached", "keyway run --offline -- true, from the cache", 8),
        ("large", "keyway pull, 1,000 secrets", 15),
    ):
        ratio = times[name] / floor
        section.add(label, f"{times[name] * 1000:.1f} ms = {ratio:.1f} x", f"<= {most} x", holds=ratio <= most)
    section.add("keyway pull, 100 secrets", f"{times['pull'] * 1000:.1f} ms = {times['pull'] / floor:.1f} x")
    section.add("import keyring, paid only by a login kept in the keyring", f"{_keyring_cost(env) * 1000:.0f} ms")
    return section


def _keyring_cost(env: Mapping[str, str]) -> float:
    code = "import time; t = time.perf_counter(); import keyring; keyring.get_keyring(); print(time.perf_counter() - t)"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, check=True
        )
        for _ in range(5)
    ]
    return min(float(run.stdout) for run in runs)
