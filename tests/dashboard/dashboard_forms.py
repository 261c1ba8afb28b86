"""Pages and forms of the dashboard without a browser: as somebody who is signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from dashboard_browser import Site
from stack import TLS

SESSION: Final = "__Host-keyway_app"


@dataclass
class Forms:
    """Requests of one person's session. Follows nothing."""

    site: Site
    client: httpx.Client
    cookie: str
    kept: list[str] = field(default_factory=list)

    def get(self, path: str, **params: Any) -> httpx.Response:
        """A page."""
        return self.client.get(path, params=params or None, headers={"Cookie": self.cookie})

    def post(self, path: str, filled: dict[str, Any] | None = None) -> httpx.Response:
        """A form of ours, sent."""
        data = {"_proof": self._proof(), **(filled or {})}
        return self.client.post(path, data=data, headers={"Cookie": self.cookie, "Origin": self.site.url})

    def said(self, answer: httpx.Response) -> str:
        """The page that a write leads to, with what it says."""
        assert answer.status_code == 303, (answer.status_code, answer.text[-2000:])
        cookies = [one.partition(";")[0] for one in answer.headers.get_list("set-cookie")]
        return self.client.get(answer.headers["location"], headers={"Cookie": "; ".join([self.cookie, *cookies])}).text

    def _proof(self) -> str:
        found = re.search(r'name="_proof" value="([^"]+)"', self.get("/settings").text)
        assert found
        return found[1]


@contextmanager
def forms_of(site: Site, login: str) -> Iterator[Forms]:
    """The session that the browser of this person has."""
    with site.window(login) as window:
        [kept] = [one["value"] for one in window.context.cookies(site.url) if one["name"] == SESSION]
    with httpx.Client(base_url=site.url, verify=TLS, timeout=20) as client:
        yield Forms(site, client, f"{SESSION}={kept}")
