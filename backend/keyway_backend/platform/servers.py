"""HTTP servers inside one event loop: sockets of ours, signals of ours, nothing logged by the server."""

from __future__ import annotations

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

    What really is malformed gets a problem body like every other error.
    """

    _received = b""
    _cycle_before: RequestResponseCycle | None = None
    _fields = _field_bytes = _pending_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Remembers what came, should its method be unknown. What comes to no end is refused as too large."""
        self._received, self._cycle_before = data, self.cycle
        self._pending_bytes += len(data)
        super().data_received(data)
        if self._pending_bytes > _HEAD_BYTES and not self.transport.is_closing():
            self._refuse(_TOO_LARGE)

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
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body came."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request came to its end."""
        self._pending_bytes = 0
        super().on_message_complete()

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
