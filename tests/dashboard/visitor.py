"""Somebody who is signed in to the dashboard, without a browser: pages as text, forms sent as a browser sends them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie

import httpx
from browser import consented
from dashboard_browser import Site
from stack import TLS


@dataclass
class Visitor:
    """One session. Nothing is followed. Cookies are kept by hand: they are for https, which the tests do without."""

    origin: str
    client: httpx.Client
    jar: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> httpx.Response:
        """A page."""
        return self._kept(self.client.get(path, headers=self._cookies))

    def post(self, path: str, **fields: str) -> httpx.Response:
        """A form of ours, with the proof of this session: what somebody sends who makes the request by hand."""
        found = re.search(r'name="_proof" value="([^"]+)"', self.client.get("/settings", headers=self._cookies).text)
        assert found
        headers = self._cookies | {"Origin": self.origin}
        return self._kept(self.client.post(path, data={"_proof": found[1], **fields}, headers=headers))

    @property
    def _cookies(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())}

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        self.client.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.jar[name] = morsel.value
        return answer


@contextmanager
def visitor(site: Site, login: str) -> Iterator[Visitor]:
    """A new session of this person."""
    with httpx.Client(base_url=site.url, verify=TLS, timeout=20) as client:
        made = Visitor(site.url, client)
        at_api = httpx.get(made.get("/sign-in/start").headers["location"], verify=TLS)
        back = consented(site.stack, at_api.headers["location"], login)
        nonce = {"Cookie": at_api.headers["set-cookie"].partition(";")[0]}
        answer = made.get(httpx.get(back, headers=nonce, verify=TLS).headers["location"])
        assert answer.status_code == 303, answer.text
        yield made
