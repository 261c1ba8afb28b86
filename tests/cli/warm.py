"""Commands forked instead of started, see `forking`: most of a command's time is loading it.

What this does not show is the start itself: tests/cli/test_cli_start.py and whatever is driven at a terminal do.
"""

from __future__ import annotations

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
from pathlib import Path
from typing import Final

import forking

KEYWAY: Final = str(Path(sys.executable).with_name("keyway"))
_TESTS: Final = Path(__file__).resolve().parents[1]
# By these variables Python becomes another one at its start, so only one set of them can be forked.
_SHAPING: Final = ("PYTHON", "LANG", "LC_")
_LOCALE: Final = {"LANG": "C.UTF-8"}
_SECONDS: Final = 60.0
_PIECE: Final = 65_536


# --- the side of the tests


def run(
    arguments: list[str], folder: Path, variables: dict[str, str], stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    """One command without a terminal, forked where that is the same as started."""
    if forking.COLD or {name: value for name, value in variables.items() if name.startswith(_SHAPING)} != _LOCALE:
        return subprocess.run(
            [KEYWAY, *arguments], cwd=folder, env=variables, input=stdin, capture_output=True, timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    return _fork(arguments, folder, variables, stdin)


def _fork(
    arguments: list[str], folder: Path, variables: dict[str, str], stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    (theirs_in, ours_in), (out, theirs_out), (err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
    sent = (theirs_in, theirs_out, theirs_err)
    child = _forker().fork(sent, arguments=arguments, folder=str(folder), variables=variables)
    for number in sent:
        os.close(number)
    told = _talk(child.pid, stdin, ours_in, [out, err])
    return subprocess.CompletedProcess(arguments, child.wait(_SECONDS), *told)


def _talk(pid: int, stdin: bytes, into: int, outs: list[int]) -> list[bytes]:
    """Writes what is to be read, and reads both streams to their ends."""
    said = {number: bytearray() for number in outs}
    left, deadline = memoryview(stdin), time.monotonic() + _SECONDS
    writing = [into]
    os.set_blocking(into, False)
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


def _become(arguments: list[str], folder: str, variables: dict[str, str]) -> None:
    """Makes this process what the installed command is when it starts."""
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
