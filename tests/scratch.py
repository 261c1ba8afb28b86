"""Where the suite keeps what it removes again: in memory where there is plenty, because databases under test wait for
the disk at every commit, as they must."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - each folder in it is made by mkdtemp
_PREFIX: Final = "keyway-test-"
_ALIVE: Final = "alive"
# An installation takes about 0.1 GB; a worker has up to six, and there may be eight workers.
_ROOM_BYTES: Final = 8 << 30
_GROUP: Final = Path("/sys/fs/cgroup")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of our own, removed in the end; what a killed run left is removed by the next one.

    A lock tells that we live, because a container that shares the memory has numbers of processes of its own.
    """
    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_place()))
    draft = made / "draft"
    lock = os.open(draft, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    draft.rename(made / _ALIVE)
    try:
        yield made
    finally:
        shutil.rmtree(made)
        os.close(lock)


@functools.cache
def _place() -> Path | None:
    """The memory's folder, or None for the usual one."""
    if not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    for left in _MEMORY.glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    room = min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available, _allowed())
    return _MEMORY if room >= _ROOM_BYTES else None


def _remove_if_left(left: Path) -> None:
    with suppress(OSError):  # another account's, alive, or just being made or removed
        lock = os.open(left / _ALIVE, os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(lock)


def _allowed() -> float:
    """What a container may take still."""
    try:
        most, taken = ((_GROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return float("inf") if most == "max" else int(most) - int(taken)
    except OSError:
        return float("inf")
