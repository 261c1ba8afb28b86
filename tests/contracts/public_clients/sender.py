"""A raw sender: the bytes of a request as a public client writes them, on a connection that it keeps."""

from __future__ import annotations

import http.client
import select
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from tests.oracle.wire import Answer, Header, address

_SECONDS: Final = 60.0
# Between two commands a person reads; a client finds a connection that the server has given up, and makes another.
_READABLE: Final = 0


@dataclass
class Sender:
    """One program on one machine. `asked` is what it has sent so far: method and target, as they stood on the wire."""

    base: str
    asked: list[str] = field(default_factory=list)
    source: str = field(default_factory=address)
    _socket: socket.socket | None = None

    @property
    def host(self) -> str:
        """What the client writes into `Host`."""
        return urlsplit(self.base).netloc

    def send(self, method: str, target: str, headers: Iterable[Header], body: bytes | None = None) -> Answer:
        """One request: the request line and the headers in this order and this spelling, then these bytes."""
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
        self.asked.append(f"{method} {target}")
        connection = self._open()
        connection.sendall(head + (body or b""))
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        content = answer.read()
        if answer.will_close:
            self.close()
        return Answer(answer.status, tuple(answer.getheaders()), content)

    def close(self) -> None:
        """Ends the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def since(self, mark: int) -> list[str]:
        """What was asked after the first `mark` requests, without queries."""
        return [line.partition("?")[0] for line in self.asked[mark:]]

    def _open(self) -> socket.socket:
        if self._socket is not None and select.select([self._socket], [], [], _READABLE)[0]:
            self.close()
        if self._socket is None:
            parts = urlsplit(self.base)
            there = (parts.hostname or "", parts.port or 80)
            self._socket = socket.create_connection(there, _SECONDS, (self.source, 0))
        return self._socket

    def __del__(self) -> None:
        self.close()
