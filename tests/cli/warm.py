"""Commands without the time that Python takes to load them: a process that has loaded them all forks for each.

Most of a command's time is imports. A fork is a process of its own like any other, with its own variables, folder,
streams and end; what it does not show is the start itself, which tests/cli/test_cli_start.py and whatever is driven at
a terminal show. `KEYWAY_TESTS_COLD=1` starts everything afresh, as `scripts/prove` does.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

KEYWAY: Final = str(Path(sys.executable).with_name("keyway"))
_COLD: Final = bool(os.environ.get("KEYWAY_TESTS_COLD"))
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
    if _COLD or {name: value for name, value in variables.items() if name.startswith(_SHAPING)} != _LOCALE:
        return subprocess.run(
            [KEYWAY, *arguments], cwd=folder, env=variables, input=stdin, capture_output=True, timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    return _fork(arguments, folder, variables, stdin)


def _fork(
    arguments: list[str], folder: Path, variables: dict[str, str], stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    with contextlib.ExitStack() as stack:
        (theirs_in, ours_in), (out, theirs_out), (err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.connect(str(_started()))
        asked = json.dumps([arguments, str(folder), variables]).encode()
        connection.sendall(len(asked).to_bytes(4, "big"))
        sent = (theirs_in, theirs_out, theirs_err)
        socket.send_fds(connection, [b"f"], sent)
        connection.sendall(asked)
        for number in sent:
            os.close(number)
        pid = int.from_bytes(_exactly(connection, 4), "big")
        told = _talk(pid, stdin, ours_in, [out, err])
        code = int.from_bytes(_exactly(connection, 4), "big", signed=True)
    return subprocess.CompletedProcess(arguments, code, *told)


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
def _started() -> Path:
    """The process that forks, one for each worker of the suite; where it listens. It ends with its standard input."""
    path = Path(tempfile.mkdtemp(prefix="keyway-warm-")) / "s"
    process = subprocess.Popen(
        [sys.executable, __file__, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **_LOCALE},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    atexit.register(process.communicate)
    return path


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, "the process that forks is gone"
        data += piece
    return data


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


class Asked(NamedTuple):
    """One command."""

    arguments: list[str]
    folder: str
    variables: dict[str, str]
    streams: list[int]


def _read(connection: socket.socket) -> Asked:
    size = int.from_bytes(_exactly(connection, 4), "big")
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    return Asked(*json.loads(_exactly(connection, size)), streams)


def _serve(path: Path) -> Asked:
    """Forks for whoever asks. Returns in each child, and never in this process: it ends with its standard input."""
    children: dict[int, socket.socket] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([0, woken, listener], [], [])
            if 0 in ready:
                path.unlink()
                path.parent.rmdir()
                os._exit(0)
            if woken in ready:
                os.read(woken, _PIECE)
                _bury(children)
            if listener in ready:
                connection, _ = listener.accept()
                asked = _read(connection)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    for number in (woken, wake, *(one.detach() for one in (connection, *children.values()))):
                        os.close(number)
                    return asked
                children[pid] = connection
                for number in asked.streams:
                    os.close(number)
                connection.sendall(pid.to_bytes(4, "big"))


def _bury(children: dict[int, socket.socket]) -> None:
    """Tells how those ended that have."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with children.pop(pid) as connection, contextlib.suppress(OSError):
            connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _become(asked: Asked) -> None:
    """Makes this process what the installed command is when it starts."""
    for number, stream in enumerate(asked.streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(asked.folder)
    os.environ.clear()
    os.environ.update(asked.variables)
    sys.argv = [KEYWAY, *asked.arguments]


def _end(code: int) -> None:
    """What Python does at its end, but for taking apart what was loaded: that would copy all of its memory."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: the installed command does not have it
    _load()
    _become(_serve(Path(sys.argv[1])))
    _end(importlib.import_module("keyway_cli.__main__").main())
