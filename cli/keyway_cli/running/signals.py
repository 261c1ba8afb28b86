"""Signals of a process that keeps a program: which to pass on, and which the program had already.

At a terminal Ctrl-C goes to every process of the foreground group, so passing it on would interrupt the program twice.
Linux tells who sent a signal; elsewhere a signal of the keyboard is taken to come from the terminal if there is one.
"""

from __future__ import annotations

import os
import signal
import sys
from types import TracebackType
from typing import Any, Final, NamedTuple

_SI_KERNEL: Final = 0x80
_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGWINCH", "SIGCONT")
_OTHERWISE_IGNORED: Final = ("SIGCHLD", "SIGWINCH", "SIGCONT")  # some systems drop what nobody handles, held or not
_KEYBOARD: Final = ("SIGINT", "SIGQUIT")


class Arrived(NamedTuple):
    """A signal, and whether the terminal sent it."""

    number: int
    by_terminal: bool


class Signals:
    """Takes the place of the default actions while the block runs. `old` is what a child has to set again."""

    def __init__(self) -> None:
        self._wanted = {int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name)}
        self._keyboard = {int(getattr(signal, name)) for name in _KEYBOARD if hasattr(signal, name)}
        self.old: set[Any] = set()

    def __enter__(self) -> Signals:
        self.old = signal.pthread_sigmask(signal.SIG_BLOCK, self._wanted)
        for name in _OTHERWISE_IGNORED:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), _nothing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.old)

    def restore(self) -> None:
        """For the child, before it becomes the program."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self.old)

    def wait(self) -> Arrived:
        """The next signal."""
        if sys.platform == "linux":
            info = signal.sigwaitinfo(self._wanted)
            return Arrived(info.si_signo, info.si_code == _SI_KERNEL)
        number = int(signal.sigwait(self._wanted))
        return Arrived(number, number in self._keyboard and in_foreground())


def _nothing(number: int, frame: object) -> None:
    """A handler, so that the signal counts as handled."""


def in_foreground() -> bool:
    """Whether we are what the keyboard of a terminal speaks to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
