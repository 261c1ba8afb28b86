"""Client of the stand-in's control endpoints: what a test does to GitHub's world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Control:
    """Speaks to `/_control/*` of the stand-in at `url`, with the token that it was started with."""

    url: str
    token: str

    def world(self) -> dict[str, Any]:
        """People, organisations, repositories and roles as they are now."""
        world: dict[str, Any] = self.do("world", method="GET")
        return world

    def do(self, action: str, *, method: str = "POST", **arguments: Any) -> Any:
        """One control action. Raises httpx.HTTPStatusError when the stand-in refuses it."""
        headers = {"X-Control-Token": self.token}
        body = None if method == "GET" else arguments
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as client:
            response = client.request(method, f"/_control/{action}", headers=headers, json=body)
        response.raise_for_status()
        return response.json()
