"""Commands forked instead of started, see `forking`: most of a command's time is loading it.

What this does not show is the start itself: tests/cli/test_cli_start.py does, and for each command that it works at a
terminal (tests/cli/test_cli_every_command.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import os
import pkgutil
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import forking

KEYWAY: Final = str(Path(sys.executable).with_name("keyway"))
_TESTS: Final = Path(__file__).resolve().parents[1]
# By these variables Python becomes another one at its start, so only one set of them can be forked.
_SHAPING: Final = ("PYTHON", "LANG", "LC_")
_LOCALE: Final = {"LANG": "C.UTF-8"}
ALONE: Final = ("unshare", "--net")
_NEW_NETWORK: Final = 0x40000000  # unshare(2): CLONE_NEWNET
_SECONDS: Final = 60.0
_PIECE: Final = 65_536


# --- the side of the tests


def run(
    arguments: list[str], folder: Path, variables: dict[str, str], stdin: bytes, *, out: str = "", alone: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """One command without a terminal, to its end."""
    return Piped(arguments, folder, variables, stdin, out=out, alone=alone).end()


class Piped:
    """A command without a terminal. `out` is a file for what it prints; `alone` has no network."""

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        variables: dict[str, str],
        stdin: bytes,
        *,
        out: str = "",
        alone: bool = False,
    ) -> None:
        (theirs_in, self._into), (ours_out, theirs_out), (ours_err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
        sent = [theirs_in, theirs_out, theirs_err]
        if out:
            os.close(theirs_out)
            sent[1] = os.open(out, os.O_WRONLY)
        self._arguments, self._outs = arguments, [ours_out, ours_err]
        self.process = start(arguments, folder, variables, sent, alone=alone)
        for number in sent:
            os.close(number)
        os.set_blocking(self._into, False)
        self._left = stdin
        if stdin:
            with contextlib.suppress(BrokenPipeError):
                self._left = stdin[os.write(self._into, stdin) :]

    def end(self) -> subprocess.CompletedProcess[bytes]:
        """How it ended, and what it said until then."""
        told = _talk(self.process.pid, self._left, self._into, self._outs)
        return subprocess.CompletedProcess(self._arguments, self.process.wait(_SECONDS), *told)


def start(
    arguments: list[str],
    folder: Path,
    variables: dict[str, str],
    streams: Sequence[int],
    *,
    alone: bool = False,
    cold: bool = False,
) -> subprocess.Popen[bytes] | forking.Fork:
    """One command with these streams, forked where that is the same as started."""
    shaping = {name: value for name, value in variables.items() if name.startswith(_SHAPING)}
    if not (cold or forking.COLD) and shaping == _LOCALE:
        asked = {"arguments": arguments, "folder": str(folder), "variables": variables, "alone": alone}
        return _forker().fork(streams, **asked)
    taken, given, told = streams
    command = [*(ALONE if alone else ()), KEYWAY, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=variables, stdin=taken, stdout=given, stderr=told, start_new_session=True
    )


def _talk(pid: int, stdin: bytes, into: int, outs: list[int]) -> list[bytes]:
    """Writes what is to be read, and reads both streams to their ends."""
    said = {number: bytearray() for number in outs}
    left, deadline = memoryview(stdin), time.monotonic() + _SECONDS
    writing = [into]
    if not left:
        os.close(writing.pop())
    reading = list(outs)
    while reading:
        ready, writable, _ = select.select(reading, writing, [], max(deadline - time.monotonic(), 0))
        if not ready and not writable and time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired("keyway", _SECONDS)
        if writable:
            try:
                left = left[os.write(into, left) :]
            except BrokenPipeError:
                left = left[:0]
            if not left:
                os.close(writing.pop())
        for number in ready:
            if not (piece := os.read(number, _PIECE)):
                reading.remove(number)
                os.close(number)
            said[number] += piece
    for number in writing:
        os.close(number)
    return [bytes(said[number]) for number in outs]


@functools.cache
def _forker() -> forking.Forker:
    """One for each worker of the suite."""
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_TESTS), **_LOCALE}
    return forking.Forker([sys.executable, __file__], known, ())


# --- the side of the process that forks


def _load() -> None:
    """Every module of the command line, and what some of them load later; not the assistants' and the Action's."""
    paths = importlib.import_module("keyway_cli").__path__
    for found in pkgutil.walk_packages(paths, "keyway_cli."):
        if not found.name.startswith(("keyway_cli.mcp", "keyway_cli.ci")) and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name in ("cryptography.hazmat.primitives.ciphers.aead", "keyway_cli.__main__", "email.parser", "tomllib"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _become(arguments: list[str], folder: str, variables: dict[str, str], *, alone: bool) -> None:
    """Makes this process what the installed command is when it starts."""
    os.setsid()
    if alone and ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "no network of its own")
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [KEYWAY, *arguments]


if __name__ == "__main__":
    # The installed command has neither this folder nor that of the tests.
    sys.path[:] = [entry for entry in sys.path if Path(entry) not in {Path(__file__).parent, _TESTS}]
    _load()
    _become(**forking.serve(Path(sys.argv[1])))
    forking.end(importlib.import_module("keyway_cli.__main__").main)
