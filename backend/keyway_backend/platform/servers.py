"""HTTP servers inside one event loop: sockets of ours, signals of ours, nothing logged by the server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

_DRAIN_SECONDS: Final = 10
_BACKLOG: Final = 1024


class AddressTakenError(Exception):
    """Nothing can listen there. One line that names the variable."""


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
        http="httptools",
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
