"""The keyboard of our terminal, for a program with a terminal of its own: every key is passed on as it is."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any


class Keyboard:
    """Raw while it is taken, which it is in the foreground only; at every other time as it was."""

    def __init__(self) -> None:
        self._there = os.isatty(0)
        self._saved: list[Any] | None = None
        self._lock = threading.Lock()

    @property
    def taken(self) -> bool:
        """Whether keys are passed on."""
        return self._saved is not None

    @property
    def wanted(self) -> bool:
        """Whether it is there, and not taken."""
        return self._there and not self.taken

    def take(self) -> bool:
        """Whether it is taken now: not in the background, where the system would stop us."""
        import termios
        import tty

        with self._lock, contextlib.suppress(termios.error):
            if self._there and _in_foreground():
                self._saved = self._saved or termios.tcgetattr(0)
                tty.setraw(0, termios.TCSANOW)
        return self.taken

    def ours(self) -> bool:
        """Whether we may read it. Sent to the background by others, it is no longer taken."""
        if not _in_foreground():
            self._saved = None
        return self.taken

    def lose(self) -> None:
        """Nothing more comes from it."""
        self.give_back()
        self._there = False

    def give_back(self) -> None:
        """Our terminal as it was."""
        import termios

        with self._lock, contextlib.suppress(termios.error):
            saved, self._saved = self._saved, None
            if saved is not None and _in_foreground():
                termios.tcsetattr(0, termios.TCSADRAIN, saved)


def _in_foreground() -> bool:
    """Also where a terminal is not the one of our session: nobody else has its keyboard."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return True
