"""A server under a test's control, spoken to over TCP: for faults and answers that no honest server gives on demand."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Request(NamedTuple):
    """What arrived. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Answer(NamedTuple):
    """What goes back. `cut` closes the connection: before the answer, or in the middle of its body."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012 (a NamedTuple's default, never changed)
    cut: str = ""


class Peer:
    """A listening server: its address, and every request that it got."""

    def __init__(self, server: ThreadingHTTPServer, scheme: str, script: Callable[[Request], Answer]) -> None:
        self.port = server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.requests: list[Request] = []
        self.script = script

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.script(request)


def pulled(values: dict[str, str], number: int = 1, identity: str = "rev") -> Answer:
    """A pull as the backend answers it."""
    revision = {"id": f"{identity}-{number}", "number": number}
    return Answer(body={"data": {"secrets": values, "revision": revision}, "meta": {}})


def problem(status: int, detail: str, **more: Any) -> Answer:
    """A refusal as the backend answers it (RFC 7807)."""
    headers = more.pop("headers", {})
    return Answer(status, {"title": "Refused", "status": status, "detail": detail, **more}, headers)


@contextmanager
def listening(script: Callable[[Request], Answer], tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """A peer that answers by a script until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = peer.answer(Request(self.command, self.path, headers, self.rfile.read(length)))
            self.close_connection = True
            if answer.cut != "before":
                self.reply(answer)

        do_POST = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 (the names that the library calls)

        def reply(self, answer: Answer) -> None:
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if answer.cut == "middle" else body)

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    peer = Peer(server, "https" if tls else "http", script)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
