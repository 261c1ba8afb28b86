"""A program whose output is read by us: bounded in time and in what is kept, and gone with everything that it started.

It gets no terminal, no input and no descriptor of ours. What it prints is kept as bytes; nothing is shown here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Final, NamedTuple

from keyway_cli.running.starting import not_started

KEPT_BYTES: Final = 128 * 1024
_CHUNK: Final = 65_536
_AFTER_END_SECONDS: Final = 2.0
_STARTED: Final[set[subprocess.Popen[bytes]]] = set()


class Printed(NamedTuple):
    """The end of one stream, and how much there was."""

    kept: bytes
    total: int


class Ended(NamedTuple):
    """How a program ended: its exit code (128+n for a signal), and what it printed."""

    code: int
    timed_out: bool
    output: Printed
    errors: Printed


class _Tail:
    """Reads a stream to its end and keeps the last part."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._total = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def printed(self, seconds: float) -> Printed:
        """What came, after waiting so long for the end."""
        self._thread.join(seconds)
        with self._lock:
            return Printed(bytes(self._kept), self._total)

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self._stream.fileno(), _CHUNK):
                with self._lock:
                    self._total += len(data)
                    self._kept += data
                    del self._kept[:-KEPT_BYTES]


def capture(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> Ended:
    """Runs a program without a shell. Raises CommandNotFound, NotExecutable, KeywayError."""
    try:
        program = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=os.name != "nt",
        )
    except OSError as error:
        raise not_started(command[0], error, environment) from None
    _STARTED.add(program)
    assert program.stdout is not None  # noqa: S101 - for the type checker: both are pipes
    assert program.stderr is not None  # noqa: S101
    tails = (_Tail(program.stdout), _Tail(program.stderr))
    timed_out = False
    try:
        program.wait(seconds)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        _end(program)
        _STARTED.discard(program)
    output, errors = (tail.printed(_AFTER_END_SECONDS) for tail in tails)
    code = program.returncode
    return Ended(128 - code if code < 0 else code, timed_out, output, errors)


def end_all() -> None:
    """Ends what still runs, because we end."""
    for program in list(_STARTED):
        _end(program)


def _end(program: subprocess.Popen[bytes]) -> None:
    """The program and what it left behind in its group."""
    with contextlib.suppress(OSError):
        if os.name == "nt":
            program.kill()
        else:
            os.killpg(program.pid, signal.SIGKILL)
    program.wait()
