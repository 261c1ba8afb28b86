"""What the stand-in writes down of its world, and when."""

from __future__ import annotations

import asyncio
import time

import pytest
from keyway_standalone.github_standin import keeping
from keyway_standalone.github_standin.keeping import Keeper


class Slow:
    """What changes, and a place that takes its time."""

    def __init__(self) -> None:
        self.now = 0
        self.written: list[int] = []
        self.wrote = asyncio.Event()
        self.keeper = Keeper(self._write)

    def change(self) -> None:
        """Something is new."""
        self.now += 1
        self.keeper.changed()

    def _write(self) -> None:
        time.sleep(0.02)
        self.written.append(self.now)
        self.wrote.set()


def test_changes_in_a_row_are_written_at_once_and_the_last_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first now, the others when told to end: nothing that changed is missing then."""
    monkeypatch.setattr(keeping, "_SHARE", 10_000)  # minutes, however slow the machine is
    slow = Slow()

    async def work() -> None:
        for _ in range(5):
            slow.change()
        assert slow.written == [1]
        slow.keeper.end()

    asyncio.run(work())
    assert slow.written == [1, 5]


def test_changes_in_a_row_are_written_by_themselves() -> None:
    """Soon after, without another change and without an end."""
    slow = Slow()

    async def work() -> None:
        slow.change()
        slow.wrote.clear()
        slow.change()
        await asyncio.wait_for(slow.wrote.wait(), 60)

    asyncio.run(work())
    assert slow.written == [1, 2]
