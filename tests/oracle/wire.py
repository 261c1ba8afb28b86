"""HTTP as bytes: a request on a connection of its own, from an address of its own, with the headers given."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import os
import re
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

Header = tuple[str, str]

# All of 127/8 is this machine on Linux, so that each request can come from another client address: the limits per
# address stay what they are in production, and no test eats the budget of the next.
_ADDRESSES: Final = itertools.count(os.getpid() % 60_000 * 256)
_UNLIKE: Final = ("x-request-id", "date", "ratelimit-remaining", "ratelimit-reset")
_PIECE_BYTES: Final = 1 << 16
# A server hangs up on who rests.
_RESTED_SECONDS: Final = 2.0
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
    with Line(base, timeout=timeout, source=source) as line:
        return line.send(call)


class Line:
    """A connection from an address of its own. It may be kept for those whose requests nothing counts by address."""

    def __init__(self, base: str, *, timeout: float = 60.0, source: str | None = None) -> None:
        parts = urlsplit(base)
        self._server = (parts.hostname or "", parts.port or 80)
        self._timeout = timeout
        self._source = source
        self._raw: socket.socket | None = None
        self._used_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up. The next request comes over another connection, from another address."""
        if self._raw is not None:
            self._raw.close()
            self._raw = None

    def send(self, call: Call) -> Answer:
        """Sends one request and reads the whole answer."""
        started, kept = time.perf_counter(), False
        try:
            raw = self._opened()
            raw.sendall(_request(call, self._server))
            answer, kept = _answer(raw, call.method)
        finally:
            self._used_at = time.monotonic()
            if not kept:
                self.close()
        return replace(answer, seconds=time.perf_counter() - started)

    def _opened(self) -> socket.socket:
        if time.monotonic() - self._used_at > _RESTED_SECONDS:
            self.close()
        if self._raw is None:
            self._raw = socket.create_connection(self._server, self._timeout, (self._source or address(), 0))
        return self._raw


def _request(call: Call, server: tuple[str, int]) -> bytes:
    body, headers = call.payload()
    lines = [f"{call.method} {call.path} HTTP/1.1", "Host: {}:{}".format(*server)]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None or call.method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(body or b'')}")
    return "\r\n".join((*lines, "\r\n")).encode("latin-1") + (body or b"")


def _answer(raw: socket.socket, method: str) -> tuple[Answer, bool]:
    """What came, and whether the connection may be kept. Read by hand: the library takes five times as long. What has a
    body of untold length is left to it."""
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _piece(raw)
    first, *lines = received[:end].decode("latin-1").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    answer = Answer(int(first.split(" ", 2)[1]), headers, b"")
    kept = answer.header("connection").lower() != "close"
    if method == "HEAD" or answer.status in {204, 304}:
        return answer, kept
    if not (told := answer.header("content-length")):
        return replace(answer, body=_rest(raw, received)), False
    body, length = [received[end + 4 :]], int(told)
    missing = length - len(body[0])
    while missing > 0:
        body.append(_piece(raw))
        missing -= len(body[-1])
    return replace(answer, body=b"".join(body)), kept


def _piece(raw: socket.socket) -> bytes:
    piece = raw.recv(_PIECE_BYTES)
    if not piece:
        raise http.client.RemoteDisconnected("The server hung up before the answer was whole.")
    return piece


def _rest(raw: socket.socket, received: bytes) -> bytes:
    with http.client.HTTPResponse(cast(socket.socket, _Begun(raw, received))) as answer:
        answer.begin()
        return answer.read()


class _Begun(io.RawIOBase):
    """A connection of which something was read already."""

    def __init__(self, raw: socket.socket, received: bytes) -> None:
        self._raw, self._received = raw, received

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._received:
            return self._raw.recv_into(buffer)
        piece, self._received = self._received[: len(buffer)], self._received[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the library reads from."""
        return io.BufferedReader(self)


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
