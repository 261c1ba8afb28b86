"""A Stripe of our own: the part of its API that billing uses, over HTTP, with faults and signed deliveries.

It runs in a thread of the test process; the backend reaches it by STRIPE_API_BASE.
"""

from __future__ import annotations

import hmac
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

KEY: Final = "sk_test_" + "a1B2c3D4e5F6g7H8"
SECRET: Final = "whsec_" + "q1W2e3R4t5Y6u7I8"
PLANS: Final = ("pro", "team", "business")


class Stripe:
    """One account, which answers unless it is `down`: "refuse" answers 500 to everything, and "hang" does so only when
    whoever waits is let go (`let`), or after half a minute.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, str]]] = []
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.customers: dict[str, str] = {}
        self.down = ""
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._let = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Begins to listen."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def let(self) -> None:
        """Whoever waits for an answer gets it now."""
        self._let.set()

    def be_up(self) -> None:
        """It answers again. Whoever waits for what it was before is let go."""
        self.let()
        self.down, self._let = "", threading.Event()

    def stop(self) -> None:
        """Ends, and lets go whoever hangs."""
        self.let()
        self._server.shutdown()
        self._server.server_close()

    def number(self, kind: str) -> str:
        """A new id."""
        with self._lock:
            return f"{kind}_{next(self._numbers):08d}{time.time_ns()}"

    def put(self, owner: dict[str, str], plan: str, status: str = "active", **more: Any) -> dict[str, Any]:
        """A subscription as it is now; `id` changes one that is there."""
        made = {
            "id": self.number("sub"),
            "object": "subscription",
            "customer": "cus_of_" + "_".join(owner.values()),
            "status": status,
            "cancel_at_period_end": False,
            "metadata": owner,
            "items": {
                "object": "list",
                "data": [{
                    "id": "si_1", "object": "subscription_item", "current_period_end": 2_000_000_000,
                    "price": _price(plan, "month"),
                }],
            },
        } | more  # fmt: skip
        self.subscriptions[made["id"]] = made
        return made

    def event(self, kind: str, content: dict[str, Any], event_id: str | None = None) -> bytes:
        """The body of a delivery."""
        made = {
            "id": event_id or self.number("evt"), "object": "event", "type": kind, "created": int(time.time()),
            "api_version": "2025-03-31.basil", "data": {"object": content},
        }  # fmt: skip
        return json.dumps(made).encode()

    @staticmethod
    def sign(payload: bytes, *, secret: str = SECRET, age: int = 0) -> str:
        """The header of a delivery."""
        moment = int(time.time()) - age
        code = hmac.new(secret.encode(), f"{moment}.".encode() + payload, "sha256").hexdigest()
        return f"t={moment},v1={code}"

    # the API -----------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, fields: dict[str, str], once: str) -> tuple[int, dict[str, Any]]:  # noqa: PLR0911
        """Status and body of one call."""
        self.calls.append((method, path, fields))
        if down := self.down:
            if down == "hang":
                self._let.wait(30)
            return 500, {"error": {"type": "api_error", "message": "down"}}
        match method, path.strip("/").split("/"):
            case "GET", ["v1", "prices"]:
                prices = [_price(plan, period) for plan in PLANS for period in ("month", "year")]
                return 200, {"object": "list", "url": "/v1/prices", "has_more": False, "data": prices}
            case "GET", ["v1", "subscriptions", number] if number in self.subscriptions:
                return 200, self.subscriptions[number]
            case "POST", ["v1", "customers"]:
                with self._lock:
                    made = self.customers.setdefault(once, f"cus_{len(self.customers) + 1}")
                return 200, {"id": made, "object": "customer"}
            case "POST", ["v1", "checkout", "sessions"]:
                number = self.number("cs")
                return 200, {"id": number, "object": "checkout.session", "url": f"https://checkout.test/{number}"}
            case "POST", ["v1", "billing_portal", "sessions"]:
                number = self.number("bps")
                session = {"id": number, "object": "billing_portal.session", "url": f"https://portal.test/{number}"}
                return 200, session
        return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "no such"}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def _answer(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                fields = dict(parse_qsl(parts.query) + parse_qsl(self.rfile.read(length).decode()))
                if self.headers.get("Authorization") != f"Bearer {KEY}":
                    status, body = 401, {"error": {"type": "invalid_request_error", "message": "no such key"}}
                else:
                    once = self.headers.get("Idempotency-Key", "")
                    status, body = outer.answer(self.command, parts.path, fields, once)
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the library's names

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Handler


def price_id(plan: str, period: str = "month") -> str:
    """The id of a plan's price."""
    return f"price_{plan}_{period}"


def _price(plan: str, period: str) -> dict[str, Any]:
    amount = {"pro": 900, "team": 2900, "business": 4900}[plan] * (1 if period == "month" else 10)
    return {
        "id": price_id(plan, period), "object": "price", "lookup_key": f"{plan}_{period}_eur", "unit_amount": amount,
        "currency": "eur", "recurring": {"interval": period}, "active": True,
    }  # fmt: skip


@contextmanager
def running_stripe() -> Iterator[Stripe]:
    """A started one, stopped in the end."""
    made = Stripe()
    made.start()
    try:
        yield made
    finally:
        made.stop()
