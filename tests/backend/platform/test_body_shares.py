"""Bodies under way: what some senders hold, and how long, is nobody else's refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

import pytest
from keyway_backend.platform.errors import TooLarge, Unavailable
from keyway_backend.platform.http import _Bodies
from keyway_core.limits import REQUEST_BODY_BYTES

SMALL: Final = 65_536


def sends(*sizes: int) -> Callable[[], Any]:
    """A body that comes in pieces of these sizes and is never said to end."""
    pieces = iter(sizes)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * next(pieces), "more_body": True}

    return receive


def test_large_deliveries_of_strangers_shut_nobody_out() -> None:
    """As many unsigned ones as there is memory for, none of which ends: pushes and small bodies go on."""

    async def flood() -> None:
        bodies = _Bodies()
        with ExitStack() as stack:
            refused = 0
            for _ in range(9):
                received = stack.enter_context(bodies.of(sends(REQUEST_BODY_BYTES - 1), REQUEST_BODY_BYTES, "signed"))
                try:
                    await received()
                except Unavailable:
                    refused += 1
            assert refused > 0
            for share, size in (("known", REQUEST_BODY_BYTES), ("known", 1), ("signed", SMALL)):
                received = stack.enter_context(bodies.of(sends(size), REQUEST_BODY_BYTES, share))
                assert len((await received())["body"]) == size

    asyncio.run(flood())


def test_what_is_over_is_given_back() -> None:
    """Whatever became of a body, its memory counts no longer; one that is too large is 413."""

    async def again_and_again() -> None:
        bodies = _Bodies()
        for _ in range(20):
            with bodies.of(sends(REQUEST_BODY_BYTES, 1), REQUEST_BODY_BYTES, "signed") as received:
                await received()
                with pytest.raises(TooLarge):
                    await received()
        assert set(bodies._held.values()) == {0}

    asyncio.run(again_and_again())


def test_a_body_that_does_not_end_is_refused() -> None:
    """Its memory is not held for as long as somebody likes; after its end nothing is hurried."""

    async def never() -> None:
        await asyncio.Event().wait()

    async def stalled() -> None:
        bodies = _Bodies(seconds=0.0).of(never, SMALL, "known")  # type: ignore[arg-type]
        with bodies as received, pytest.raises(Unavailable):
            await received()

    asyncio.run(stalled())
