"""The public dashboard (contract.md 14): `fetch` of a browser, with cookies, from another origin of the same site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.contracts.public_clients.sender import Sender
from tests.oracle.wire import Answer, Header

AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
_SIMPLE: Final = ("GET", "HEAD", "POST")
_NONE: Final = object()


class BlockedByBrowserError(Exception):
    """The answer exists, and no script may read it."""


@dataclass
class Dashboard:
    """One tab. `origin` is where its pages come from; the cookies are those of the parent domain."""

    base: str
    origin: str
    cookies: dict[str, str]
    sender: Sender = field(init=False)
    _allowed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.sender = Sender(self.base)

    @property
    def signed_in(self) -> bool:
        """What its middleware looks at before it shows a page."""
        return self.cookies.get("keyway_logged_in") == "true"

    def call(self, method: str, path: str, body: Any = _NONE) -> Answer:
        """One `fetch` with `credentials: include`, with the question before it that a browser asks, and its verdict."""
        content = None if body is _NONE else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        if method not in _SIMPLE or content is not None:
            self._preflight(method, path, typed=content is not None)
        answer = self.sender.send(method, path, self._headers(method, content), content)
        if answer.header("access-control-allow-origin") != self.origin:
            raise BlockedByBrowserError(path)
        if answer.header("access-control-allow-credentials") != "true":
            raise BlockedByBrowserError(path)
        assert "origin" in answer.header("vary").lower()
        return answer

    def data(self, method: str, path: str, body: Any = _NONE, status: int = 200) -> Any:
        """Inside the envelope of an answer with this status; 204 has none."""
        answer = self.call(method, path, body)
        assert answer.status == status, (method, path, answer.status, answer.body)
        if status == 204:
            assert answer.body == b""
            return None
        assert answer.header("content-type").startswith("application/json")
        return answer.json()["data"]

    def refused(self, method: str, path: str, body: Any = _NONE) -> tuple[int, str]:
        """Status and the text that it shows: `detail`, or `message`."""
        answer = self.call(method, path, body)
        assert answer.status >= 400, (path, answer.status)
        return answer.status, str(answer.json()["detail"])

    def _headers(self, method: str, content: bytes | None) -> Iterator[Header]:
        yield "Host", self.sender.host
        yield "Connection", "keep-alive"
        if content is not None or method not in ("GET", "HEAD", "DELETE"):
            yield "Content-Length", str(len(content or b""))
        yield "User-Agent", AGENT
        if content is not None:
            yield "Content-Type", "application/json"
        yield "Accept", "*/*"
        yield "Origin", self.origin
        yield "Sec-Fetch-Site", "same-site"
        yield "Sec-Fetch-Mode", "cors"
        yield "Sec-Fetch-Dest", "empty"
        yield "Referer", f"{self.origin}/"
        yield "Accept-Encoding", "gzip, deflate, br, zstd"
        yield "Accept-Language", "en"
        if self.cookies:
            yield "Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _preflight(self, method: str, path: str, *, typed: bool) -> None:
        """Asks once per method and path whether it may."""
        asked = f"{method} {path.partition('?')[0]}"
        if asked in self._allowed:
            return
        headers = [
            ("Host", self.sender.host),
            ("Connection", "keep-alive"),
            ("Accept", "*/*"),
            ("Access-Control-Request-Method", method),
            *([("Access-Control-Request-Headers", "content-type")] if typed else []),
            ("Origin", self.origin),
            ("User-Agent", AGENT),
            ("Sec-Fetch-Mode", "cors"),
            ("Sec-Fetch-Site", "same-site"),
            ("Sec-Fetch-Dest", "empty"),
        ]
        answer = self.sender.send("OPTIONS", path, headers)
        methods = {one.strip() for one in answer.header("access-control-allow-methods").split(",")}
        named = {one.strip().lower() for one in answer.header("access-control-allow-headers").split(",")}
        good = answer.status in (200, 204) and answer.header("access-control-allow-origin") == self.origin
        if not good or method not in methods or (typed and "content-type" not in named):
            raise BlockedByBrowserError(asked)
        assert answer.header("access-control-allow-credentials") == "true"
        self._allowed.add(asked)
