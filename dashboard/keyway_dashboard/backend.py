"""The dashboard's one way to the backend: HTTP, with a deadline."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self

import httpx

DEADLINE_SECONDS: Final = 2.0


class State(Enum):
    """What the backend said of itself, or that it said nothing."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    SILENT = "silent"


@dataclass(frozen=True)
class Answer:
    """One look at the backend. `version` is empty unless it told one."""

    state: State
    milliseconds: int
    version: str = ""


class Backend:
    """A pool of connections to the backend at `url`."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=5)
        self._client = httpx.AsyncClient(base_url=url, limits=limits, timeout=DEADLINE_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def health(self) -> Answer:
        """Asks `GET /health`; every kind of failure is an answer, none is raised. Takes at most 2 seconds in all."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                response = await self._client.get("/health")
        except (TimeoutError, httpx.HTTPError):
            return Answer(State.SILENT, _since(started))
        return _read(response, _since(started))


def _read(response: httpx.Response, milliseconds: int) -> Answer:
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return Answer(State.UNHEALTHY, milliseconds)
    healthy = response.status_code == httpx.codes.OK and said.get("status") == "healthy"
    return Answer(State.HEALTHY if healthy else State.UNHEALTHY, milliseconds, str(said.get("version") or "")[:40])


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
