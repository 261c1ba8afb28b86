"""A client for tests that kill servers: kept connections, an address of its own, and no opinion on what went wrong."""

from __future__ import annotations

import http.client
import json
import secrets
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tests.oracle import wire

SECRETS_JSON: Final = "application/vnd.keyway.secrets+json"
# Longer than any deadline of the server's (policy.yaml limits.deadlines_seconds.request), so that an answer is its own.
TIMEOUT_SECONDS: Final = 12.0
KEPT_SECONDS: Final = 2.0


class NoAnswerError(Exception):
    """The connection ended before the answer did. `served`: a 200 line had arrived."""

    def __init__(self, *, served: bool) -> None:
        super().__init__("no whole answer")
        self.served = served


@dataclass(frozen=True)
class Answer:
    """Status, body as JSON (empty without one), and the id under which the server knows the request."""

    status: int
    body: Any
    request_id: str

    @property
    def data(self) -> Any:
        """Inside the envelope."""
        return self.body["data"]

    @property
    def revision(self) -> str | None:
        """The id of the revision that an answer names, as the present one after a conflict too."""
        found = (self.body.get("data") or {}).get("revision") or self.body.get("currentRevision") or {}
        return str(found["id"]) if found else None


@dataclass
class Client:
    """One person at one server. Not for two threads at once."""

    base: str
    token: str = field(repr=False)
    _address: str = field(default_factory=wire.address)
    _connection: http.client.HTTPConnection | None = None
    _used_at: float = 0.0

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One exchange. Raises NoAnswerError."""
        told = {"Authorization": f"Bearer {self.token}", "X-Request-ID": secrets.token_hex(16), **(headers or {})}
        payload = None if body is None else json.dumps(body).encode()
        if payload is not None:
            told.setdefault("Content-Type", "application/json")
        status = 0
        try:
            connection = self._open()
            connection.request(method, path, payload, told)
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise NoAnswerError(served=status == http.client.OK) from None
        parsed = json.loads(content) if content.startswith((b"{", b"[")) else {}
        return Answer(status, parsed, told["X-Request-ID"])

    def close(self) -> None:
        """Ends the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        self.close()

    def _open(self) -> http.client.HTTPConnection:
        """The kept connection, unless its server hung up, or it is so old that the server may be about to."""
        kept = self._connection.sock if self._connection else None
        if time.monotonic() - self._used_at > KEPT_SECONDS or (kept and select.select([kept], [], [], 0)[0]):
            self.close()
        self._used_at = time.monotonic()
        if self._connection is None:
            parts = urlsplit(self.base)
            self._connection = http.client.HTTPConnection(
                parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS, source_address=(self._address, 0)
            )
        return self._connection

    def pull(self, place: Place, request_id: str = "") -> Answer:
        """All values of an environment, as our own clients ask for them."""
        headers = {"Accept": SECRETS_JSON} | ({"X-Request-ID": request_id} if request_id else {})
        query = f"repo={quote(place.repository, safe='')}&environment={place.environment}"
        return self.request("GET", f"/v1/secrets/pull?{query}", headers=headers)

    def push(
        self, place: Place, values: Mapping[str, str], *, mode: str = "", base: str = "", once: str = ""
    ) -> Answer:
        """Values into an environment. Without `mode` and `base` it is the public clients' push."""
        return self.request("POST", "/v1/secrets/push", *_push(place, values, mode, base, once))

    def push_unheard(self, place: Place, values: Mapping[str, str], *, mode: str, base: str, once: str) -> Client:
        """Sends a push and does not wait for its answer. Close what it returns to hang up."""
        body, headers = _push(place, values, mode, base, once)
        told = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        unheard = Client(self.base, self.token)
        unheard._open().request("POST", "/v1/secrets/push", json.dumps(body).encode(), told)
        return unheard


def _push(
    place: Place, values: Mapping[str, str], mode: str, base: str, once: str
) -> tuple[dict[str, Any], dict[str, str]]:
    body: dict[str, Any] = {"repoFullName": place.repository, "environment": place.environment, "secrets": values}
    headers = {"If-Match": f'"{base}"'} if base else {}
    headers |= {"Idempotency-Key": once} if once else {}
    return body | ({"mode": mode} if mode else {}), headers


@dataclass(frozen=True)
class Place:
    """An environment of a repository."""

    repository: str
    environment: str = "development"

    def __str__(self) -> str:
        return f"{self.repository}/{self.environment}"
