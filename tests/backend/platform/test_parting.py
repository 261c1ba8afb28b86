"""How a process parts from who counts and who hears of errors: from all at once, and from none for long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from keyway_backend.compose import outside
from structlog.testing import capture_logs

Parting = Callable[[], Awaitable[None]]


def part(*partings: Parting) -> list[dict[str, object]]:
    """Parts from all of them; the lines of the log that it leaves."""

    async def go() -> None:
        async with asyncio.timeout(60):
            await outside._part(partings)

    with capture_logs() as lines:
        asyncio.run(go())
    return [dict(line) for line in lines]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is given up because the machine is slow."""
    monkeypatch.setattr(outside, "_PARTING_SECONDS", 20.0)


def test_they_part_at_the_same_time() -> None:
    """The first comes to its end by what the second does."""
    done: list[str] = []
    second_began = asyncio.Event()

    async def first() -> None:
        await second_began.wait()
        done.append("first")

    async def second() -> None:
        second_began.set()
        done.append("second")

    assert part(first, second) == []
    assert sorted(done) == ["first", "second"]


def test_one_that_fails_takes_nothing_from_the_others() -> None:
    """The log tells of which kind its error was, and not what the error says."""
    done: list[str] = []

    async def failing() -> None:
        raise LookupError("quotes something")

    async def longer() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        done.append("longer")

    lines = part(failing, longer)
    assert done == ["longer"]
    assert [(line["log_level"], line["event"], line["kind"]) for line in lines] == [
        ("warning", "parting_failed", "LookupError")
    ]
    assert "quotes" not in str(lines)


def test_one_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is no news."""
    monkeypatch.setattr(outside, "_PARTING_SECONDS", 0.05)
    given_up: list[str] = []

    async def hanging() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.append("hanging")

    assert part(hanging) == []
    assert given_up == ["hanging"]
