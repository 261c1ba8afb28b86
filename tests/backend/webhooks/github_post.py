"""Deliveries as GitHub makes them, and as somebody else would."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from keyway_backend.platform.settings import Settings
from keyway_standalone.ports import free_ports
from keyway_standalone.process import Child
from keyway_standalone.processes import Stack
from oracle import database
from oracle.wire import Answer, Header
from warm_servers import OURS, ours, spawn

PATH: Final = "/v1/github/webhook"
_SECONDS: Final = 90.0


@dataclass(frozen=True)
class Post:
    """Sends deliveries to one backend."""

    url: str
    secret: str

    def signature(self, body: bytes) -> str:
        """What GitHub puts into X-Hub-Signature-256."""
        return "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()

    def raw(self, body: bytes, headers: Sequence[Header]) -> Answer:
        """Any bytes with any headers, Latin-1 among them."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.putrequest("POST", PATH)
            for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers):
                connection.putheader(name, value.encode("latin-1"))
            connection.endheaders(body)
            got = connection.getresponse()
            return Answer(got.status, tuple(got.getheaders()), got.read())
        finally:
            connection.close()

    def __call__(self, event: str, payload: Mapping[str, Any], delivery: str | None = None) -> Answer:
        """A proper delivery."""
        body = json.dumps(payload).encode()
        return self.raw(body, headers_of(event, self.signature(body), delivery))


def headers_of(event: str, signature: str, delivery: str | None = None) -> tuple[Header, ...]:
    """The three headers."""
    return (
        ("X-GitHub-Event", event),
        ("X-GitHub-Delivery", delivery or str(uuid.uuid4())),
        ("X-Hub-Signature-256", signature),
    )


def post_of(stack: Stack, url: str | None = None) -> Post:
    """GitHub's deliveries to the suite's backend, or to another one that knows the same secret."""
    return Post(url or stack.api_url, stack.backend.command().environment["GITHUB_APP_WEBHOOK_SECRET"])


def sql(stack: Stack, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of a statement, as the database's administrator."""
    return database.sql(stack, statement, *values)


def until(true: Callable[[], Any], what: str) -> Any:
    """What `true` says as soon as it says something."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"it did not come to pass: {what}")


def applied(stack: Stack, delivery: str) -> int:
    """How often a delivery was applied."""
    rows = sql(stack, "SELECT applied FROM webhook_deliveries WHERE delivery_id = %s", delivery)
    return int(rows[0][0]) if rows else 0


def until_applied(stack: Stack, *deliveries: str) -> None:
    """Returns when every one of them was applied."""
    query = "SELECT count(*) FROM webhook_deliveries WHERE delivery_id = ANY(%s) AND applied_at IS NOT NULL"
    until(lambda: sql(stack, query, list(deliveries))[0][0] == len(deliveries), "applied")


@contextmanager
def process(stack: Stack, log: Path, *arguments: str, **changes: str) -> Iterator[tuple[Child, str]]:
    """Another backend, or a worker, on the suite's database: the process, and the address of its public port."""
    given = stack.backend.command().environment
    environment = {name: value for name, value in given.items() if name.lower() in Settings.model_fields}
    ports = free_ports()
    environment |= {"PORT": str(ports["backend"]), "OPS_PORT": str(ports["ops"])} | changes
    child = spawn(ours("keyway_backend", *arguments, **environment), OURS, log)
    try:
        _wait_ready(child, f"http://127.0.0.1:{ports['ops']}/readyz", log)
        yield child, f"http://127.0.0.1:{ports['backend']}"
    finally:
        child.kill()
        child.wait()


def _wait_ready(child: Child, url: str, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        assert child.poll() is None, log.read_text()
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(log.read_text())
