"""A pseudo-terminal with something in its foreground, which sees keys and a window, and what it shows."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator

from person import Person

SECONDS = 60
TERMINAL_MODES = 3  # where tcgetattr(3) has echo, signals and lines


class Screen:
    """A terminal with something in its foreground: keys go in, what is shown comes out."""

    def __init__(self, master: int, pid: int) -> None:
        self.master = master
        self._pid = pid
        self.seen = ""

    def type(self, keys: str) -> None:
        """Keys."""
        os.write(self.master, keys.encode())

    def until(self, pattern: str) -> re.Match[str]:
        """Waits for something that was not waited for before, and forgets what came until there."""
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} never came, only {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 65_536).decode(errors="replace")
        self.seen = self.seen[found.end() :]
        return found

    def end(self) -> int:
        """Waits until what is there has ended; its exit code."""
        with contextlib.suppress(OSError):  # the other side of a terminal is closed
            while data := os.read(self.master, 65_536):
                self.seen += data.decode(errors="replace")
        ended = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def resize(self, columns: int, lines: int) -> None:
        """Gives the window another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def modes(self) -> list[object]:
        """What the terminal does with keys."""
        return list(termios.tcgetattr(self.master)[: TERMINAL_MODES + 1])


@contextlib.contextmanager
def terminal(person: Person, *command: str) -> Iterator[Screen]:
    """A command as the first process of a terminal of its own. Whatever it started is gone afterwards."""
    person.variables |= {"TERM": "xterm", "PS1": "shell> ", "HISTFILE": "", "KEYWAY_WATCH_SECONDS": "3600"}
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(person.clone)
        os.execvpe(command[0], list(command), person.variables)  # noqa: S606
    screen = Screen(master, pid)
    screen.resize(77, 33)
    try:
        yield screen
    finally:
        os.close(master)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
