"""Bodies under way: what some senders hold, and how long, is nobody else's refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import pytest
from keyway_backend.platform.arrivals import SMALL_BYTES, Arrivals, Share
from keyway_backend.platform.errors import TooLarge, Unavailable
from keyway_core.limits import REQUEST_BODY_BYTES

LARGE: Final = REQUEST_BODY_BYTES


def from_address(number: int) -> dict[str, Any]:
    """A request of the client with this number."""
    host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    return {"type": "http", "client": (host, 1), "headers": []}


def sends(*sizes: int, ends: bool = False) -> Callable[[], Any]:
    """A body that comes in pieces of these sizes; after them it ends, or nothing comes any more."""
    left = list(sizes)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"x" * left.pop(0), "more_body": bool(left) or not ends}

    return receive


@dataclass
class Crowd:
    """Senders who do not end, and others who do."""

    arrivals: Arrivals = field(default_factory=Arrivals)
    under_way: list[asyncio.Task[Any]] = field(default_factory=list)

    async def _read(self, number: int, receive: Callable[[], Any], share: Share) -> int:
        with self.arrivals.of(from_address(number), receive, LARGE, share) as read:
            return len((await read())["body"])

    async def floods(self, number: int, size: int, share: Share) -> None:
        """Somebody begins a body that never ends."""
        self.under_way.append(asyncio.create_task(self._read(number, sends(size), share)))
        for _ in range(3):
            await asyncio.sleep(0)

    async def sends(self, number: int, size: int, share: Share) -> int:
        """Somebody sends a body, in two pieces; how much of it arrived."""
        return await self._read(number, sends(size - size // 2, size // 2, ends=True), share)

    def pushed_out(self) -> list[int]:
        """The places of those who were refused so far."""
        return [place for place, task in enumerate(self.under_way) if task.done()]


@asynccontextmanager
async def crowd() -> AsyncIterator[Crowd]:
    """A crowd, sent home in the end; nothing is held for anybody then."""
    made = Crowd()
    try:
        yield made
    finally:
        for task in made.under_way:
            task.cancel()
        told = await asyncio.gather(*made.under_way, return_exceptions=True)
        assert {type(one) for one in told} <= {Unavailable, asyncio.CancelledError}
        assert made.arrivals.held == 0


@pytest.mark.parametrize("addresses", [1, 1000])
@pytest.mark.parametrize(
    ("share", "size", "bodies"), [("signed", LARGE - 1, 4), ("known", LARGE - 1, 8), ("signed", SMALL_BYTES, 500)]
)
def test_bodies_that_do_not_end_shut_nobody_out(share: Share, size: int, bodies: int, addresses: int) -> None:
    """More than what there is memory for, from one address or from many: whoever ends a body is served."""

    async def flood() -> None:
        async with crowd() as there:
            for number in range(bodies):
                await there.floods(number % addresses, size, share)
            assert there.arrivals.held <= 10 * LARGE
            assert there.pushed_out()
            for other, sent in enumerate((1, SMALL_BYTES, 500_000, LARGE), start=5000):
                assert await there.sends(other, sent, "known") == sent
                assert await there.sends(other, sent, "signed") == sent

    asyncio.run(flood())


def test_whoever_holds_most_gives_back_first() -> None:
    """One body of a quiet sender is older than all of the flood, and stays."""

    async def quiet() -> None:
        async with crowd() as there:
            await there.floods(1, LARGE // 2, "signed")
            for _ in range(5):
                await there.floods(2, LARGE // 2, "signed")
            assert there.pushed_out() == [1, 2]

    asyncio.run(quiet())


def test_what_is_complete_is_not_taken_back() -> None:
    """A body that arrived is somebody's request under way: then the newcomer is refused."""

    async def full() -> None:
        arrivals, numbers = Arrivals(), count()
        with ExitStack() as stack:
            for _ in range(2):
                read = stack.enter_context(
                    arrivals.of(from_address(next(numbers)), sends(LARGE, ends=True), LARGE, "signed")
                )
                assert len((await read())["body"]) == LARGE
            with (
                arrivals.of(from_address(9), sends(LARGE, ends=True), LARGE, "signed") as read,
                pytest.raises(Unavailable),
            ):
                await read()
        assert arrivals.held == 0

    asyncio.run(full())


def test_what_is_over_is_given_back() -> None:
    """Whatever became of a body, its memory counts no longer; one that is too large is 413."""

    async def again_and_again() -> None:
        arrivals = Arrivals()
        for _ in range(20):
            with arrivals.of(from_address(1), sends(LARGE, 1), LARGE, "signed") as read:
                with pytest.raises(TooLarge):
                    await read()
                assert arrivals.held > 0
        assert arrivals.held == 0

    asyncio.run(again_and_again())


def test_a_body_that_does_not_end_is_refused() -> None:
    """Its memory is not held for as long as somebody likes; after its end nothing is hurried."""

    def within(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run(asyncio.wait_for(work, 60))

    async def stalled() -> None:
        with (
            Arrivals(seconds=0.0).of(from_address(1), sends(), LARGE, "known") as read,
            pytest.raises(Unavailable, match="in time"),
        ):
            await read()

    async def complete() -> None:
        with Arrivals(seconds=0.05).of(from_address(1), sends(7, 1, ends=True), LARGE, "known") as read:
            assert await read() == {"type": "http.request", "body": b"x" * 8, "more_body": False}
            later = asyncio.ensure_future(read())
            await asyncio.sleep(0.1)
            assert not later.done()
            later.cancel()

    within(stalled())
    within(complete())
