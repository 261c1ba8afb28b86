"""Gives a browser a request that carries our token, without putting the token where other programs read it.

The browser is opened at a page of this process, on this machine alone and under a name that nobody can guess; the page
answers once, with a redirect. So the token stands in no argument list. The server redacts it in its logs.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlencode

from keyway_core.sensitive import Sensitive


@contextmanager
def redirecting(api_url: str, path: str, token: Sensitive) -> Iterator[str]:
    """The address of a page that leads to a path of the server, once, while the block runs."""
    nonce = f"/{secrets.token_urlsafe(32)}"
    used = threading.Lock()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not hmac.compare_digest(self.path.encode(), nonce.encode()) or not used.acquire(blocking=False):
                self.send_error(404)
                return
            self.send_response(302)
            self.send_header("Location", f"{api_url}{path}?{urlencode({'token': token.reveal()})}")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silence: the line would hold the page's name."""

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{nonce}"
    finally:
        server.shutdown()
        server.server_close()
