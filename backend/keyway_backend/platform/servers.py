"""HTTP servers inside one event loop: sockets of ours, signals of ours, nothing logged by the server."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_DRAIN_SECONDS: Final = 10
_BACKLOG: Final = 1024
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) [^ ]+ HTTP/1\.[01]\r\n")
_METHOD_WITHOUT_ROUTES: Final = b"PROPFIND"
_HEAD_BYTES: Final = 65_536
_HEAD_FIELDS: Final = 200
# What a client owes at each moment has a time, or a few bytes now and then would keep a connection for ever.
_HEAD_SECONDS: Final = 10.0  # from the connection, or the first byte of a further request, to the end of its headers
_REST_SECONDS: Final = 5.0  # the rest of a body that was answered already, which is read and thrown away
_UNREAD_SECONDS: Final = 60.0  # an answer that nobody reads
_PROBLEM: Final = b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"%s"}'
_REFUSAL: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json; charset=utf-8\r\n"
    b"x-content-type-options: nosniff\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
)
_MALFORMED: Final = _PROBLEM % b"The request is not valid HTTP/1.1."
_TOO_LARGE: Final = _PROBLEM % (b"The request's headers are over %d bytes, or over %d." % (_HEAD_BYTES, _HEAD_FIELDS))


class AddressTakenError(Exception):
    """Nothing can listen there. One line that names the variable."""


class HeadTooLargeError(Exception):
    """More headers than any client sends; the parser itself has no limit and would keep them all in memory."""


class Protocol(HttpToolsProtocol):
    """httptools calls every method malformed that is not on its list; here the routes say what is refused, and how.

    What really is malformed gets a problem body like every other error. A connection whose client does not go on ends.
    """

    _received = b""
    _cycle_before: RequestResponseCycle | None = None
    _fields = _field_bytes = _pending_bytes = 0
    _in_body = False
    _owed: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A request is owed."""
        super().connection_made(transport)
        self._expect(_HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        self._expect(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Remembers what came, should its method be unknown. What comes to no end is refused as too large."""
        self._received, self._cycle_before = data, self.cycle
        self._pending_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._pending_bytes > _HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        elif self._owed is None and self._idle and not self._in_body:
            self._expect(_HEAD_SECONDS)

    def on_message_begin(self) -> None:
        """Counts from here."""
        self._fields = self._field_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Counts headers, and trailers with them. Raises HeadTooLargeError, which the parser takes for malformed."""
        self._fields += 1
        self._field_bytes += len(name) + len(value)
        if self._field_bytes > _HEAD_BYTES or self._fields > _HEAD_FIELDS:
            raise HeadTooLargeError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head came to its end."""
        self._pending_bytes = 0
        self._in_body = True
        self._expect(None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body came."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request came to its end; when it was answered before, another one may follow."""
        self._pending_bytes = 0
        self._in_body = False
        self._expect(_HEAD_SECONDS if self._idle else None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is written. Of what was answered before it came to its end, the end is owed."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._close()
        elif self._idle and self._in_body:
            self._expect(_REST_SECONDS)

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        self._close()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(_UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the server's signature
        """Called while a parser's error is handled. Only the first request of what came may be read a second time."""
        line = _REQUEST_LINE.match(self._received)
        unknown_method = isinstance(sys.exception(), httptools.HttpParserInvalidMethodError)
        if unknown_method and line is not None and self.cycle is self._cycle_before:
            self.parser = httptools.HttpRequestParser(self)
            super().data_received(_METHOD_WITHOUT_ROUTES + self._received[line.end(1) :])
        else:
            too_large = isinstance(getattr(sys.exception(), "__context__", None), HeadTooLargeError)
            self._refuse(_TOO_LARGE if too_large else _MALFORMED)

    @property
    def _idle(self) -> bool:
        """Whether no request waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _expect(self, seconds: float | None) -> None:
        """The client owes something for so long, or nothing."""
        if self._owed is not None:
            self._owed.cancel()
        self._owed = None if seconds is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if self._idle:
            self._close()
        else:
            self._expect(_HEAD_SECONDS)

    def _close(self) -> None:
        """What is written has its time to be read."""
        self.transport.close()
        self._expect(None)
        self._owed = self.loop.call_later(_UNREAD_SECONDS, self.transport.abort)

    def _refuse(self, problem: bytes) -> None:
        self.transport.write(_REFUSAL % (len(problem), problem))
        self.transport.close()


class Server(uvicorn.Server):
    """A server that leaves signals to the process: two of them would each restore the other's handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def server(app: ASGIApp) -> Server:
    """A server for an application. Set `should_exit` to let it end what it has begun, at most 10 s, and stop."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    return Server(config)


@contextmanager
def listening(host: str, port: int, variable: str) -> Iterator[socket.socket]:
    """A bound socket; port 0 takes a free one. Raises AddressTakenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
        bound.settimeout(0)
    except OSError as error:
        bound.close()
        raise AddressTakenError(f"{variable}: cannot listen on {host} port {port} ({error.strerror})") from None
    with bound:
        yield bound
