"""Connections end when their client does not go on, however it keeps them alive."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Final

import httpx
import pytest
from keyway_backend.platform import servers
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_SECONDS: Final = 90.0
_ASK: Final = b"GET /at-once HTTP/1.1\r\nHost: x\r\n\r\n"
_ONCE: Final = [b"200 ", b"told"]
_BODY: Final = b"POST /at-once HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegun"
_CHUNKS: Final = b"POST /at-once HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"


async def _at_once(_request: Request) -> Response:
    return Response("told")


async def _whole(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def _much(_request: Request) -> Response:
    return Response(b"x" * 20_000_000)


@dataclass(frozen=True)
class Running:
    """A server and where it listens."""

    server: servers.Server
    port: int


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server whose clients have a fifth of a second for everything."""
    for name in ("_HEAD_SECONDS", "_REST_SECONDS", "_UNREAD_SECONDS"):
        monkeypatch.setattr(servers, name, 0.2)
    routes = [Route("/at-once", _at_once, methods=["GET", "POST"]), Route("/whole", _whole, methods=["POST"])]
    server = servers.server(Starlette(routes=[*routes, Route("/much", _much)]))
    with servers.listening("127.0.0.1", 0, "PORT") as listening:
        thread = Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        yield Running(server, listening.getsockname()[1])
        server.should_exit = True
        thread.join()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A raw connection."""
    with socket.create_connection(("127.0.0.1", port), _SECONDS) as raw:
        yield raw


def read_while_sending(raw: socket.socket, drop: bytes) -> bytes:
    """Sends a drop again and again until the other side has ended the connection; what it said."""
    raw.settimeout(0.05)
    told = b""
    for _ in range(int(_SECONDS / 0.05)):
        try:
            raw.sendall(drop)
            if not (more := raw.recv(65_536)):
                return told
            told += more
        except TimeoutError:
            continue
        except ConnectionError:
            return told
    raise AssertionError("the connection is still there")


@pytest.mark.parametrize(
    ("first", "drop", "told"),
    [
        (b"", b"", []),
        (b"", b"\r\n", []),
        (b"GET /at", b"-", []),
        (b"GET /at-once HTTP/1.1\r\n", b"A: b\r\n", []),
        (_ASK, b"\r\n", _ONCE),
        (_ASK + b"GET /at", b"-", _ONCE),
        (_BODY, b"", _ONCE),
        (_BODY, b"x", _ONCE),
        (_CHUNKS, b"1\r\nx\r\n", _ONCE),
        (_ASK + _BODY, b"x", _ONCE * 2),
    ],
)
def test_what_does_not_go_on_ends(running: Running, first: bytes, drop: bytes, told: list[bytes]) -> None:
    """Silent, or drop by drop: before the request, within its head, after it, and in a body that was answered."""
    with connected(running.port) as raw:
        raw.sendall(first)
        said = read_while_sending(raw, drop)
    assert re.findall(b"\\d00 |told", said) == told


def test_an_answer_that_nobody_reads_ends(running: Running) -> None:
    """What was not sent by then is thrown away with the connection."""
    with connected(running.port) as raw:
        raw.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.recv(1)
        deadline = time.monotonic() + _SECONDS
        while running.server.server_state.connections:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_whoever_goes_on_is_served(running: Running) -> None:
    """Many requests on one connection, with bodies and without, one of them behind the other."""
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}") as client:
        for size in (0, 1, 5_000_000, 10):
            assert client.post("/whole", content=b"x" * size).text == str(size)
            assert client.get("/at-once").text == "told"
    with connected(running.port) as raw:
        for requests in (3, 1):
            raw.sendall(_ASK * requests)
            told = b""
            while told.count(b"told") < requests:
                told += raw.recv(4096)
