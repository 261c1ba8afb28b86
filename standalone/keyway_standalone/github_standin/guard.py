"""What every request passes before its handler: the Host check, the second API prefix, the call list and the faults."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from .context import Github
from .faults import Fault

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API_PREFIX: Final = "/api/v3"
_HIDDEN: Final = ("/_control", "/_ready")  # neither counted nor disturbed
_LIMITED: Final = {
    "rate_limit": ("API rate limit exceeded for installation.", {"x-ratelimit-remaining": "0"}),
    "secondary_limit": ("You have exceeded a secondary rate limit. Please wait a few minutes.", {"retry-after": "60"}),
}


class Guard:
    """Wraps the whole application."""

    def __init__(self, app: App, github: Github) -> None:
        self._app = app
        self._github = github
        port = github.settings.port
        self._hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _header(scope, b"host") not in self._hosts:
            await _plain(send, 421, {"message": "This server answers to its loopback names only."})
            return
        _strip_prefix(scope)
        if scope["path"].startswith(_HIDDEN):
            await self._app(scope, receive, send)
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = {"method": scope["method"], "path": scope["path"], "status": None, "fault": None}
        self._github.calls.append(call)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                call["status"] = message["status"]
            await send(message)

        fault = self._github.faults.for_call(scope["method"], scope["path"])
        if fault is None:
            await self._app(scope, receive, noting)
            return
        call["fault"] = fault.kind
        await _disturb(fault, self._app, scope, receive, send)


async def _disturb(fault: Fault, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Lets one call meet its fault."""
    if fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
        await app(scope, receive, send)
    elif fault.kind == "stale":
        await app(scope, receive, _held_back(send, fault.seconds))
    elif fault.kind == "hang":
        while (await receive())["type"] != "http.disconnect":
            pass
    elif fault.kind == "reset":
        _reset(send)
    elif fault.kind == "truncate":
        await _truncated(app, scope, receive, send)
    elif fault.kind == "not_json":
        await _raw(send, 200, b"<html><body>It works!</body></html>", fault.headers)
    elif fault.kind == "wrong_shape":
        await _raw(send, 200, b'{"unexpected": [1, 2, 3]}', fault.headers)
    elif fault.kind == "redirect":
        await _raw(send, 302, b"", {"location": fault.location} | fault.headers)
    else:
        await _refused(fault, send)


def _held_back(send: Send, seconds: float) -> Send:
    """Sends nothing before the time has passed; what it sends was decided before."""

    async def later(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(seconds)
        await send(message)

    return later


async def _refused(fault: Fault, send: Send) -> None:
    message, headers = _LIMITED.get(fault.kind, ("Server Error", {}))
    status = 403 if fault.kind in _LIMITED else fault.status
    await _raw(send, status, json.dumps({"message": message, "status": str(status)}).encode(), headers | fault.headers)


async def _truncated(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """The announced length is that of the whole body; half of it comes. Of an answer without a body nothing does."""
    started: list[Message] = []

    async def halved(message: Message) -> None:
        if message["type"] != "http.response.body":
            started.append(message)
            return
        body = message.get("body", b"")
        if not body:
            _reset(send)
            return
        await send(started[0])
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        _transport(send).close()

    await app(scope, receive, halved)


def _reset(send: Send) -> None:
    transport = _transport(send)
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _transport(send: Send) -> Any:
    """The connection under uvicorn's `send`."""
    return send.__self__.transport  # type: ignore[attr-defined]


def _strip_prefix(scope: Scope) -> None:
    path: str = scope["path"]
    if path.startswith(API_PREFIX + "/"):
        scope["path"] = path.removeprefix(API_PREFIX)
        scope["raw_path"] = scope["path"].encode()
        scope["api_prefix"] = API_PREFIX


def _header(scope: Scope, name: bytes) -> bytes:
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else b""


async def _plain(send: Send, status: int, body: dict[str, str]) -> None:
    await _raw(send, status, json.dumps(body).encode(), {})


async def _raw(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    known = {"content-type": "application/json; charset=utf-8", "content-length": str(len(body))} | headers
    pairs = [(name.encode(), value.encode()) for name, value in known.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
