"""ipinfo's service for tests: says where the addresses are that it was told about, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.standins.web import Asked, Standin, serving

TOKEN = "ipinfo-token-of-a-test"


@dataclass
class World:
    """Where addresses are; `broken` makes it misbehave."""

    places: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: bool = False

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """GET /<address>/json."""
        if {name.lower(): value for name, value in asked.headers.items()}.get("authorization") != f"Bearer {TOKEN}":
            return 403, {"error": {"title": "Unknown token"}}
        if self.broken:
            return 500, {"error": {"title": "broken"}}
        address = asked.path.strip("/").partition("/")[0]
        return 200, {"ip": address} | self.places.get(address, {"bogon": True})


@contextmanager
def running(world: World) -> Iterator[Standin]:
    """Serves until the block ends."""
    with serving(world.answer) as standin:
        yield standin
