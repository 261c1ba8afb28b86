"""When the stand-in writes down what it must still know at its next start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

# Writing takes as long as the world is large, and many tests make it large: one part in so many of the time at most.
_SHARE: Final = 20


class Keeper:
    """Writes soon after a change, and at the latest when told to end; several changes may be written at once.

    Killed, it may lose what changed within twenty times as long as writing takes.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._next = 0.0
        self._waiting: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Writes now, or when the last time is long enough ago."""
        if self._waiting is not None:
            return
        wait = self._next - time.monotonic()
        if wait > 0:
            self._waiting = asyncio.get_running_loop().call_later(wait, self.write)
        else:
            self.write()

    def write(self) -> None:
        """Writes now."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        began = time.monotonic()
        self._write()
        ended = time.monotonic()
        self._next = ended + _SHARE * (ended - began)

    def end(self) -> None:
        """Writes what is not written yet."""
        if self._waiting is not None:
            self.write()
