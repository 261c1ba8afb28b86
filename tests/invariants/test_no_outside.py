"""With every optional service off nothing but GitHub is asked: a whole installation in a network of its own.

The network has a loopback and one wire that leads nowhere, with a route to everywhere. Whoever asks for an address
outside, or for a name at a server of names, is seen on that wire.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from invariants.alone import MARK, NAMES, OUTSIDE

TESTS: Final = Path(__file__).resolve().parents[1]
_SECONDS: Final = 120
NAMESPACE: Final = ["unshare", "--net", "--mount", "--propagation", "private"]


def missing() -> str:
    """Why no network of its own can be made here; empty where it can."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    made = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
    return "" if made.returncode == 0 else "this machine lets nobody make network namespaces"


def alone(what: str) -> dict[str, Any]:
    """What the script beside this file found in a network of its own."""
    command = [*NAMESPACE, sys.executable, str(Path(__file__).with_name("alone.py")), what]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        cwd=TESTS.parent,
        env=os.environ | {"PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def life() -> dict[str, Any]:
    """A day without any optional service, and what the control left on its wire afterwards."""
    return alone("life")


def test_nothing_leaves(life: dict[str, Any]) -> None:
    """Sign-in, push, pull, webhook, new devices, alerts, jobs, providers, an error, the end: no packet on the wire."""
    assert life["done"] == ["sign-in", "push", "pull", "webhook", "job", "alert", "providers", "error", "end"]
    assert life["packets"] == []


@pytest.mark.prove
def test_services_that_are_on_are_seen() -> None:
    """Control: the same life with them on looks for each of them by name."""
    packets = alone("all")["packets"]
    assert [bytes.fromhex(name) for name in NAMES if not any(name in one for one in packets)] == []


def test_what_leaves_is_seen(life: dict[str, Any]) -> None:
    """Control: a connection, a datagram and a question for a name each leave their mark, on the same wire."""
    marks = {way: socket.inet_aton(address).hex() for way, address in OUTSIDE.items()} | {"name": MARK}
    assert {way for way, mark in marks.items() if any(mark in one for one in life["left"][way])} == set(marks)
