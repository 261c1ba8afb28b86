"""HTTP as bytes: every request on a connection of its own, from an address of its own, with the headers given."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

Header = tuple[str, str]

# All of 127/8 is this machine on Linux, so that each request can come from another client address: the limits per
# address stay what they are in production, and no test eats the budget of the next.
_ADDRESSES: Final = itertools.count(os.getpid() % 60_000 * 256)
_UNLIKE: Final = ("x-request-id", "date", "ratelimit-remaining", "ratelimit-reset")
_IDS: Final = re.compile(rb'"(?:traceId|requestId)":"[^"]*"')


@dataclass(frozen=True)
class Answer:
    """What came back. `raw` is the whole answer as it stood on the wire, as far as a client can see it."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    seconds: float = 0.0

    def header(self, name: str) -> str:
        """The first header of that name, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """What an error tells the person."""
        found = self.json().get("detail", "")
        return found if isinstance(found, str) else ""

    @property
    def raw(self) -> bytes:
        """Status, headers and body in one piece, to be searched."""
        lines = "".join(f"{name}: {value}\n" for name, value in self.headers)
        return f"{self.status}\n{lines}\n".encode() + self.body

    def comparable(self, *echoes: str) -> bytes:
        """`raw` without what differs between any two requests: ids, date, and names that the request itself carried."""
        body = _IDS.sub(b'"id":""', self.body)
        for echo in echoes:
            body = body.replace(echo.encode(), b"<name>")
        kept = [(name.lower(), value) for name, value in self.headers if name.lower() not in _UNLIKE]
        if self.header("content-length") == str(len(self.body)):
            kept = [(name, str(len(body)) if name == "content-length" else value) for name, value in kept]
        return Answer(self.status, tuple(sorted(kept)), body).raw


@dataclass(frozen=True)
class Call:
    """A request, whole. `body` given as an object is sent as JSON."""

    method: str
    path: str
    headers: tuple[Header, ...] = ()
    body: Any = None
    form: bytes | None = field(default=None, repr=False)

    def payload(self) -> tuple[bytes | None, tuple[Header, ...]]:
        """The bytes of the body and the headers that go with them."""
        if self.form is not None:
            return self.form, self.headers
        if self.body is None:
            return None, self.headers
        return json.dumps(self.body).encode(), (("Content-Type", "application/json"), *self.headers)


def address() -> str:
    """A loopback address that no other request of this run used."""
    number = next(_ADDRESSES) % (2**24 - 1_000) + 500
    return f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def send(base: str, call: Call, *, timeout: float = 60.0, source: str | None = None) -> Answer:
    """Sends one request and reads the whole answer."""
    parts = urlsplit(base)
    body, headers = call.payload()
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=timeout, source_address=(source or address(), 0)
    )
    started = time.perf_counter()
    try:
        connection.putrequest(call.method, call.path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None or call.method in {"POST", "PUT", "PATCH"}:
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, tuple(answer.getheaders()), answer.read(), time.perf_counter() - started)
    finally:
        connection.close()


def bearer(token: str) -> Header:
    """The header that carries a credential."""
    return ("Authorization", f"Bearer {token}")


def send_bytes(base: str, chunks: Iterable[bytes], *, timeout: float = 60.0) -> Answer:
    """Writes bytes as they are, however wrong as HTTP, and reads one answer. A closed connection is status 0."""
    parts = urlsplit(base)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout, (address(), 0)) as raw:
        started = time.perf_counter()
        _write(raw, chunks)
        try:
            answer = http.client.HTTPResponse(raw)
            answer.begin()
            return Answer(answer.status, tuple(answer.getheaders()), answer.read(), time.perf_counter() - started)
        except (http.client.HTTPException, ConnectionError):
            return Answer(0, (), b"", time.perf_counter() - started)


def _write(raw: socket.socket, chunks: Iterable[bytes]) -> None:
    """A server may answer and hang up before it has read everything; its answer is still there."""
    try:
        for chunk in chunks:
            raw.sendall(chunk)
    except (BrokenPipeError, ConnectionResetError):
        return


def head(method: str, path: str, headers: Sequence[Header], *, host: str = "127.0.0.1") -> bytes:
    """Request line and headers as bytes, ending with the empty line."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogatepass")
