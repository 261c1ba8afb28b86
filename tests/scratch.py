"""Where the suite keeps what it removes again: in memory where there is plenty, because databases under test wait for
the disk at every commit, as they must."""

from __future__ import annotations

import functools
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - each folder in it is made by mkdtemp
_PREFIX: Final = "keyway-test-"
# An installation takes about 0.1 GB; a worker has up to six, and there may be eight workers.
_ROOM_BYTES: Final = 8 << 30


def folder() -> Path:
    """A new folder of our own. Whoever asks for it removes it."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_place()))


@functools.cache
def _place() -> Path | None:
    """The memory's folder, or None for the usual one. What is left of runs that were killed is removed from it."""
    try:
        room = min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available)
    except OSError:
        return None
    if room < _ROOM_BYTES or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    for left in _MEMORY.glob(f"{_PREFIX}*"):
        if (made := re.match(rf"{_PREFIX}(\d+)-", left.name)) and not psutil.pid_exists(int(made[1])):
            shutil.rmtree(left, ignore_errors=True)
    return _MEMORY
