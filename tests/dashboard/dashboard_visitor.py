"""Somebody who is signed in to the dashboard without a browser: for what no script is involved in."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import httpx
from browser import consented
from dashboard_browser import Site
from stack import TLS

_SECONDS = 30.0


@dataclass(frozen=True)
class Visitor:
    """A client with somebody's session."""

    site: Site
    http: httpx.Client

    def get(self, path: str) -> httpx.Response:
        """A page; redirects are not followed."""
        return self.http.get(path)

    def text(self, path: str) -> str:
        """A page that must be there, as it is read."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return html.unescape(answer.text)

    @cached_property
    def proof(self) -> str:
        """What the forms of this session carry."""
        found = re.search(r'name="_proof" value="([^"]+)"', self.get("/settings").text)
        assert found
        return found[1]

    def post(self, path: str, /, *, file: bytes | None = None, **fields: str | list[str]) -> httpx.Response:
        """A form with the proof of this session, and with a file."""
        files = {"file": ("some.env", file)} if file is not None else None
        return self.http.post(path, data={"_proof": self.proof, **fields}, files=files)

    def until_status(self, path: str, status: int) -> None:
        """Waits until a page answers so, as long as caches of roles may say otherwise."""
        until = time.monotonic() + _SECONDS
        while (told := self.get(path).status_code) != status:
            assert time.monotonic() < until, (path, told)
            time.sleep(0.1)


@contextmanager
def visitor(site: Site, login: str) -> Iterator[Visitor]:
    """The whole sign-in over HTTP."""
    with httpx.Client(base_url=site.url, verify=TLS, timeout=20) as client:
        started = client.get("/sign-in/start")
        at_api = httpx.get(started.headers["location"], verify=TLS)
        back = consented(site.stack, at_api.headers["location"], login)
        nonce = {"Cookie": at_api.headers["set-cookie"].partition(";")[0]}
        link = httpx.get(back, headers=nonce, verify=TLS).headers["location"]
        own = {"Cookie": started.headers["set-cookie"].partition(";")[0]}
        client.cookies.clear()
        signed = client.get(link, headers=own)
        client.cookies.clear()
        client.headers["Cookie"] = signed.headers["set-cookie"].partition(";")[0]
        client.headers["Origin"] = site.url
        yield Visitor(site, client)
