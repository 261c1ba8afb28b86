"""What a process does as soon as a signal tells it to end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Final

import pytest
from keyway_backend.__main__ import _stop_when_told
from keyway_backend.health import Health
from keyway_backend.platform.servers import server
from starlette.applications import Starlette

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def survived() -> Iterator[None]:
    """Signals that nobody waits for end nothing."""
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", _SIGNALS)
@pytest.mark.usefixtures("survived")
def test_servers_and_jobs_are_told_side_by_side(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's jobs wait until the servers have answered everybody: here they never end. Before that, it is not ready
    any more.
    """
    monkeypatch.setattr("keyway_backend.__main__._NOTICE_SECONDS", 0.0)
    told: list[str] = []

    async def go() -> None:
        health, servers = Health({}), (server(Starlette()), server(Starlette()))

        def retire() -> None:
            told.append("draining" if health.draining else "ready")

        async with asyncio.timeout(60):
            stopping = asyncio.create_task(_stop_when_told(health, servers, [retire, retire]))
            await asyncio.sleep(0)  # it waits for a signal now
            assert not told
            os.kill(os.getpid(), number)
            await stopping
        assert [one.should_exit for one in servers] == [True, True]

    asyncio.run(go())
    assert told == ["draining", "draining"]
