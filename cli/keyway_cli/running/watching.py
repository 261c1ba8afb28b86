"""Starting a program again when the values that it has are no longer those of the server."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

from keyway_cli.errors import KeywayError

STOP_SECONDS: Final = 10.0


class Watcher:
    """Asks again and again whether there is something new, and wakes the main thread (SIGCONT) when there is.

    `look` answers whether there is. What goes wrong is told once, until it goes well again.
    """

    def __init__(self, look: Callable[[], bool], tell: Callable[[str], None], seconds: float) -> None:
        self._look = look
        self._tell = tell
        self._seconds = seconds
        self._over = threading.Event()
        self.changed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def begin(self) -> None:
        """Begins to ask."""
        self._thread.start()

    def end(self) -> None:
        """Stops asking. A question under way is not waited for."""
        self._over.set()

    def _watch(self) -> None:
        troubled = False
        while not self._over.wait(self._seconds):
            try:
                new = self._look()
            except KeywayError as error:
                if not troubled:
                    self._tell(f"cannot see whether values change: {error.message}; the program goes on")
                troubled = True
                continue
            troubled = False
            if new:
                self.changed.set()
                os.kill(os.getpid(), signal.SIGCONT)


class Stopper:
    """Stops a program: asks it to end, and ends it when it takes too long."""

    def __init__(self, send: Callable[[int], None], seconds: float = STOP_SECONDS) -> None:
        self._send = send
        self._seconds = seconds
        self._over = threading.Event()

    def begin(self) -> None:
        """SIGTERM now, SIGKILL after a while."""
        self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)
        threading.Thread(target=self._insist, daemon=True).start()

    def end(self) -> None:
        """It has ended."""
        self._over.set()

    def _insist(self) -> None:
        deadline = time.monotonic() + self._seconds
        if not self._over.wait(max(0.0, deadline - time.monotonic())):
            self._send(signal.SIGKILL)
