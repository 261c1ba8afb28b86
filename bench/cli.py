"""The CLI from the outside: whole processes, best of fifteen, in turn with bare Python."""

from __future__ import annotations

import json
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
            fastest[name] = min(fastest[name], _seconds(command, env, cwd))
    return fastest


def measure(world: World, folder: Path) -> Section:
    """`keyway --version` and `keyway run -- true`, as multiples of `python -c pass`."""
    section = Section("CLI, best of 15, file token", "python -m bench cli")
    keyway = str(Path(sys.executable).with_name("keyway"))
    env = _signed_in(keyway, world, folder)
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
    for name, seconds in _keyring_cost(keyway, env, folder).items():
        section.add(name, f"{seconds * 1000:.1f} ms = {seconds / floor:.1f} x")
    return section


def _signed_in(keyway: str, world: World, folder: Path) -> dict[str, str]:
    """A login kept in a file, as most people have one; no token among the variables."""
    env = world.cli_environment(folder)
    token = env.pop("KEYWAY_TOKEN")
    env["KEYWAY_TOKEN_STORE"] = "file"  # noqa: S105 - where it is kept
    _login(keyway, env, token, folder)
    return env


def _login(keyway: str, env: Mapping[str, str], token: str, folder: Path) -> None:
    subprocess.run(
        [keyway, "login", "--token"], input=token.encode(), env=env, cwd=folder, check=True, capture_output=True
    )


# A keyring of one file: what it costs to load the library that speaks to one, without any daemon behind it.
_RING = """
import os
from keyring.backend import KeyringBackend

class Ring(KeyringBackend):
    priority = 1
    def get_password(self, service, username):
        with open(os.environ["RING"]) as file:
            return file.read() or None
    def set_password(self, service, username, password):
        with open(os.environ["RING"], "w") as file:
            file.write(password)
    def delete_password(self, service, username):
        open(os.environ["RING"], "w").close()
"""


def _keyring_cost(keyway: str, env: Mapping[str, str], folder: Path) -> dict[str, float]:
    """`keyway whoami` that asks the keyring, and the ones after it, which find the file of the session."""
    place = folder / "ring"
    for part in ("home", "runtime"):
        (place / part).mkdir(parents=True)
    (place / "ring.py").write_text(_RING)
    there = dict(env) | {
        "HOME": str(place / "home"),
        "XDG_RUNTIME_DIR": str(place / "runtime"),
        "KEYWAY_TOKEN_STORE": "keyring",
        "PYTHON_KEYRING_BACKEND": "ring.Ring",
        "PYTHONPATH": str(place),
        "RING": str(place / "kept"),
    }
    (kept,) = (folder / "home" / ".config" / "keyway" / "logins").glob("*.json")
    _login(keyway, there, str(json.loads(kept.read_text())["token"]), folder)
    asking, after = float("inf"), float("inf")
    for _ in range(RUNS):
        for session in (place / "runtime").rglob("*.json"):
            session.unlink()
        asking = min(asking, _seconds([keyway, "whoami"], there, folder))
        after = min(after, _seconds([keyway, "whoami"], there, folder))
    return {"keyway whoami, asking the keyring once": asking, "keyway whoami, from the file of the session": after}


def _seconds(command: Sequence[str], env: Mapping[str, str], cwd: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=env, cwd=cwd, check=True, capture_output=True, timeout=60)
    return time.perf_counter() - started
