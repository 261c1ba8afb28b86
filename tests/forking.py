"""Processes without the time that Python takes to load them: one that has loaded everything forks for each.

Most of what a start costs are imports. A fork is a process of its own like any other, with its own variables, folder,
user, streams and end; what it does not show is the start itself. `KEYWAY_TESTS_COLD=1` starts everything afresh, as
`scripts/prove` does for the tests of the command line and of assistants.

The process that forks is a script that loads its modules and calls `serve`, which returns in each child.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

COLD: Final = bool(os.environ.get("KEYWAY_TESTS_COLD"))
_PIECE: Final = 65_536


# --- the side of the tests


class Fork:
    """A process forked for us: what `subprocess.Popen` is of one that was started."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """How it ended (negative for a signal), or None."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; subprocess.TimeoutExpired after so many seconds."""
        if (code := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """To the process, unless it ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and self._told(seconds):
            with self._lock:
                if self.returncode is None:
                    with self._connection:
                        self.returncode = int.from_bytes(_exactly(self._connection, 4), "big", signed=True)
        return self.returncode

    def _told(self, seconds: float | None) -> bool:
        try:
            return bool(select.select([self._connection], [], [], seconds)[0])
        except (ValueError, OSError):
            if self.returncode is None:
                raise
            return False  # another thread was told meanwhile, and closed it


class Forker:
    """The process that forks, ours alone. It ends with us."""

    def __init__(
        self, command: Sequence[str | Path], environment: Mapping[str, str], descriptors: Sequence[int]
    ) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="keyway-warm-")) / "s"
        process = subprocess.Popen(
            [*command, self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            pass_fds=descriptors,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        atexit.register(process.communicate)

    def fork(self, streams: Sequence[int], **asked: Any) -> Fork:
        """A child with these streams (read, write, errors). `asked` is what `serve` returns in it."""
        return ask(self.path, streams, **asked)


def ask(path: Path, streams: Sequence[int], **asked: Any) -> Fork:
    """The same from a process that knows where it listens. It must not end before the child."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    text = json.dumps(asked).encode()
    connection.sendall(len(text).to_bytes(4, "big"))
    socket.send_fds(connection, [b"f"], streams)
    connection.sendall(text)
    return Fork(int.from_bytes(_exactly(connection, 4), "big"), connection)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, "the process that forks is gone"
        data += piece
    return data


# --- the side of the process that forks


class Asked(NamedTuple):
    """What a child is to become."""

    what: dict[str, Any]
    streams: list[int]


def serve(path: Path) -> dict[str, Any]:
    """Forks for whoever asks. Returns in each child, and never in this process: it ends with its standard input."""
    children: dict[int, socket.socket] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests; they still need us to tell how theirs ended
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
                if (pid := os.fork()) == 0:
                    for number in (woken, wake, *(one.detach() for one in (connection, *children.values()))):
                        os.close(number)
                    break
                children[pid] = connection
                for number in asked.streams:
                    os.close(number)
                connection.sendall(pid.to_bytes(4, "big"))
    return _become(asked)


def _read(connection: socket.socket) -> Asked:
    size = int.from_bytes(_exactly(connection, 4), "big")
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    return Asked(json.loads(_exactly(connection, size)), streams)


def _bury(children: dict[int, socket.socket]) -> None:
    """Tells how those ended that have."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with children.pop(pid) as connection, contextlib.suppress(OSError):
            connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _become(asked: Asked) -> dict[str, Any]:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(asked.streams):
        os.dup2(stream, number)
        os.close(stream)
    return asked.what


def end(program: Callable[[], int | None]) -> None:
    """Runs it, and ends as Python does, but for taking apart what was loaded: that would copy all of its memory."""
    try:
        code: object = program() or 0
    except SystemExit as error:
        code = error.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else 1)
