"""A command that was forked (warm.py) is no other than one that was started: the suite stands on that."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import warm
from peer import listening, pulled
from person import Dialogue, Person

# Whatever a process has from the one that made it, but for its number and its parent's.
_TELLS = """
import os, re, signal, sys
status = open("/proc/self/status").read()
print(sorted(os.environ.items()), os.getcwd(), sorted(map(int, os.listdir("/proc/self/fd")))[:-1], os.umask(0))
print(re.findall("Sig(?:Blk|Ign|Cgt):.*", status), os.getpgrp() == os.getsid(0), sys.stdin.read(), os.isatty(0))
print(os.getpriority(os.PRIO_PROCESS, 0), __import__("resource").getrlimit(7))
raise SystemExit(7)
"""
RUN = ("run", "--", sys.executable, "-I", "-S", "-c", _TELLS)


def _started(
    arguments: list[str], folder: Path, variables: dict[str, str], stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    command = [warm.KEYWAY, *arguments]
    return subprocess.run(
        command, cwd=folder, env=variables, input=stdin, capture_output=True, check=False, start_new_session=True
    )


Way = Callable[[list[str], Path, dict[str, str], bytes], subprocess.CompletedProcess[bytes]]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    "command", [RUN, ("pull", "--json"), ("diff",), ("frobnicate",), ("set", "A"), ("completion",)]
)
def test_it_does_the_same(alice: Person, command: tuple[str, ...]) -> None:
    """The same ends, the same words on the same streams, and the same world for what it starts."""
    with listening(lambda _: pulled({"A": "größer\n"})) as server:
        alice.at(server.url)

        def seen(way: Way) -> tuple[int, bytes, bytes]:
            done = way(list(command), alice.clone, alice.variables, "größer\n".encode())
            (alice.clone / ".env").unlink(missing_ok=True)
            return done.returncode, done.stdout, done.stderr

        started = seen(_started)
        assert seen(warm.run) == started
        assert started[0] == (7 if command == RUN else started[0])


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_it_does_the_same_at_a_terminal(alice: Person) -> None:
    """For the program too that it becomes."""
    with listening(lambda _: pulled({"A": "1"})) as server:
        variables = alice.at(server.url).variables | {"TERM": "xterm"}
        ends = [
            Dialogue(list(RUN), alice.clone, variables, cold=cold).type("word\n\x04").end() for cold in (True, False)
        ]
    assert ends[0] == ends[1]
    assert (ends[0].code, "word\n True" in ends[0].out) == (7, True)


def test_what_shapes_python_is_started(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that Python reads at its start is not lost in a fork: such a command is started."""
    monkeypatch.setattr(warm, "_forker", pytest.fail)
    assert alice.keyway("--version", PYTHONPATH="").code == 0
    assert alice.keyway("--version", LC_ALL="C").code == 0
