"""A small HTTP server for tests: keeps every request, answers from a function."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request. `query` holds the first value of each parameter."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.raw) if self.raw else None

    def form(self) -> dict[str, str]:
        """The body of a form."""
        return {name: values[0] for name, values in parse_qs(self.raw.decode()).items()}


Answering = Callable[[Asked], tuple[int, Any]]


@dataclass
class Standin:
    """A running server: its address, and what it was asked."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    def calls(self, prefix: str = "/") -> list[str]:
        """Method and path of every request so far."""
        return [f"{one.method} {one.path}" for one in self.asked if one.path.startswith(prefix)]


@contextmanager
def serving(answer: Answering) -> Iterator[Standin]:
    """Serves on a free port of loopback until the block ends. What `answer` gives is sent as JSON."""
    standin = Standin()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet: the second of two would wait for the acknowledgement of the first

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, query, headers, raw)
            standin.asked.append(asked)
            status, body = answer(asked)
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names of the library

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    standin.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield standin
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
