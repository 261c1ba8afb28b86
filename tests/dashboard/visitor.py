"""Somebody who is signed in to the dashboard, without a browser: pages as text, forms sent as a browser sends them.

For what no script is involved in. `Site.visitor` makes one.
"""

from __future__ import annotations

import html
import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from http.cookies import SimpleCookie
from typing import Any, Final

import httpx
from browser import consented
from keyway_dashboard.sessions import SESSION
from keyway_standalone.processes import Stack
from oracle.wire import address
from stack import TLS

# The backend tells browsers from programs by it.
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
_SECONDS: Final = 90.0


def client_of(stack: Stack) -> httpx.Client:
    """A client of the dashboard that follows nothing, at an address of its own: of one address few sign in at once."""
    transport = httpx.HTTPTransport(local_address=address(), verify=TLS)
    return httpx.Client(base_url=stack.dashboard_url, headers={"User-Agent": AGENT}, transport=transport, timeout=20)


@dataclass
class Visitor:
    """One session. Nothing is followed. Cookies are kept by hand: they are for https, which the tests do without."""

    origin: str
    client: httpx.Client
    jar: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, *, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        """A page."""
        return self.ask("GET", path, headers=headers, params=params or None)

    def text(self, path: str, **params: Any) -> str:
        """A page that must be there, as it is read."""
        answer = self.get(path, **params)
        assert answer.status_code == 200, (path, answer.status_code)
        return html.unescape(answer.text)

    def post(self, path: str, /, *, file: bytes | None = None, **fields: str | list[str]) -> httpx.Response:
        """A form of ours with the proof of this session, and with a file; whether or not a page shows it."""
        files = {"file": ("some.env", file)} if file is not None else None
        headers = {"Origin": self.origin}
        return self.ask("POST", path, headers=headers, data={"_proof": self.proof, **fields}, files=files)

    def said(self, answer: httpx.Response) -> str:
        """The page that a write leads to, with what it says."""
        assert answer.status_code == 303, (answer.status_code, answer.text[-2000:])
        return self.get(answer.headers["location"]).text

    def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, at: str | None = None, **more: Any
    ) -> httpx.Response:
        """Any request of this session; `at` is the loopback address that it comes from, unless it is the usual one."""
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items()), **(headers or {})}
        if at is None:
            answer = self._kept(self.client.request(method, path, headers=sent, **more))
            # Of what somebody sees who is signed in no cache keeps anything. The badge holds nothing of anybody.
            assert path.startswith("/badge.svg") or answer.headers["cache-control"] == "no-store", path
            return answer
        transport = httpx.HTTPTransport(local_address=at, verify=TLS)
        with httpx.Client(base_url=self.origin, transport=transport, timeout=20) as client:
            return client.request(method, path, headers=sent, **more)

    @cached_property
    def proof(self) -> str:
        """What the forms of this session carry."""
        found = re.search(r'name="_proof" value="([^"]+)"', self.get("/settings").text)
        assert found
        return found[1]

    def until_status(self, path: str, status: int) -> None:
        """Waits until a page answers so, as long as caches of roles may say otherwise."""
        until = time.monotonic() + _SECONDS
        while (told := self.get(path).status_code) != status:
            assert time.monotonic() < until, (path, told)
            time.sleep(0.1)

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        self.client.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.jar.pop(name, None)
                else:
                    self.jar[name] = morsel.value
        return answer


def came_back(stack: Stack, client: httpx.Client, login: str, wanted: str = "/") -> tuple[dict[str, str], str]:
    """A sign-in that stands at its last step: the cookie of the browser that began it, and the link with the code."""
    started = client.get("/sign-in/start", params={"next": wanted})
    at_api = httpx.get(started.headers["location"], verify=TLS)
    back = consented(stack, at_api.headers["location"], login)
    nonce = {"Cookie": at_api.headers["set-cookie"].partition(";")[0]}
    link = httpx.get(back, headers=nonce, verify=TLS).headers["location"]
    assert link.startswith(f"{stack.dashboard_url}/auth/callback?state=")
    client.cookies.clear()
    return {"Cookie": started.headers["set-cookie"].partition(";")[0]}, link


def session_of(stack: Stack, client: httpx.Client, login: str) -> str:
    """The whole way without a browser: what the cookie of the new session holds."""
    own, link = came_back(stack, client, login)
    [line] = client.get(link, headers=own).headers.get_list("set-cookie")[:1]
    client.cookies.clear()
    name, _, value = line.partition(";")[0].partition("=")
    assert name == SESSION, line
    return str(value)
