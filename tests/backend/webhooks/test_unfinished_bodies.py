"""Many who announce large bodies and never end them: everybody else is served, and their connections end."""

from __future__ import annotations

import json
import secrets
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from github_post import Post, headers_of, post_of, until_applied
from keyway_standalone.processes import Stack
from oracle.report import Record

from tests.oracle import stage
from tests.oracle.stage import Home
from tests.oracle.wire import Call, Header, address, bearer, send

LARGE: Final = 12 * 2**20
SMALL: Final = 65_536
BODY_SECONDS: Final = 60
REST_SECONDS: Final = 5
_BOGUS_SIGNATURE: Final = headers_of("member", "sha256=" + "0" * 64)
_BOGUS_KEY: Final = (("Authorization", "Bearer kw_live_" + "a" * 40),)
_BOGUS_SESSION: Final = (("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA"),)


@dataclass(frozen=True)
class Kind:
    """What is announced where, how much of it is sent at once, and by whom."""

    path: str
    headers: tuple[Header, ...]
    bytes_at_once: int
    chunked: bool = False

    def head(self) -> bytes:
        """The request up to its body."""
        length = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {LARGE}"
        lines = [f"POST {self.path} HTTP/1.1", "Host: x", "Content-Type: application/json", length]
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in self.headers), "\r\n"]).encode()

    def piece(self, size: int) -> bytes:
        """So many bytes of the body."""
        return b"%x\r\n%b\r\n" % (size, b"x" * size) if self.chunked else b"x" * size


HOOK: Final = "/v1/github/webhook"
LARGE_DELIVERY: Final = Kind(HOOK, _BOGUS_SIGNATURE, LARGE - 1)
LARGE_CHUNKED: Final = Kind(HOOK, _BOGUS_SIGNATURE, LARGE - 1, chunked=True)
SMALL_DELIVERY: Final = Kind(HOOK, _BOGUS_SIGNATURE, SMALL)
ANSWERED: Final = (
    Kind("/v1/secrets/push", (), 1000),
    Kind("/v1/secrets/push", _BOGUS_KEY, 1000, chunked=True),
    Kind("/v1/vaults/some/body/secrets", _BOGUS_SESSION, 1000),
    Kind("/v1/auth/device/start", (), SMALL + 1),
    Kind("/v1/health", (), 1000, chunked=True),
)


@dataclass
class Attacker:
    """One connection, and what became of it."""

    kind: Kind
    raw: socket.socket
    began: float = field(default_factory=time.monotonic)
    told: bytes = b""
    ended: float = 0.0

    def begins(self) -> None:
        """Everything at once that is sent at once."""
        self._send(self.kind.head())
        for size in (SMALL,) * (self.kind.bytes_at_once // SMALL) + (self.kind.bytes_at_once % SMALL,):
            if size and not self.ended:
                self._send(self.kind.piece(size))

    def drips(self) -> None:
        """One byte more, and a look at whether anybody answered."""
        if self.ended:
            return
        self._send(self.kind.piece(1))
        try:
            if not self.ended and not (more := self.raw.recv(65_536)):
                self._end()
            elif not self.ended:
                self.told += more
        except (BlockingIOError, TimeoutError):
            return
        except ConnectionError:
            self._end()

    def _send(self, data: bytes) -> None:
        try:
            self.raw.sendall(data)
        except TimeoutError:
            return
        except ConnectionError:
            self._end()

    def _end(self) -> None:
        self.ended = self.ended or time.monotonic() - self.began


@contextmanager
def attack(stack: Stack, kind: Kind, connections: int, source: str | None = None) -> Iterator[list[Attacker]]:
    """So many connections, from one address or each from its own."""
    parts, open_ones = urlsplit(stack.api_url), []
    try:
        for _ in range(connections):
            where = (source or address(), 0)
            raw = socket.create_connection((parts.hostname or "", parts.port or 0), 20, where)
            open_ones.append(Attacker(kind, raw))
            open_ones[-1].begins()
            raw.settimeout(0.002)
        yield open_ones
    finally:
        for one in open_ones:
            one.raw.close()


@dataclass
class Others:
    """Those who work on meanwhile, and what they were answered."""

    home: Home
    post: Post
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    deliveries: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def work(self) -> None:
        """A pull, a small and a large push, a small and a large delivery; each different from the one before."""
        one = secrets.token_hex(8)
        path = f"/v1/secrets/pull?repo={self.home.full_name}&environment=development"
        self._note("pull", self._send(Call("GET", path, (bearer(self.home.token),))))
        for name, size in (("small push", 10), ("large push", 60_000)):
            values = {f"KEY_{number}": one + "v" * size for number in range(10)}
            self._note(name, self._send(self._push(values)))
        for name, size in (("small delivery", 10), ("large delivery", 500_000)):
            delivery = str(uuid.uuid4())
            body = json.dumps({"zen": "z" * size}).encode()
            self._note(name, self.post.raw(body, headers_of("ping", self.post.signature(body), delivery)).status)
            self.deliveries.append(delivery)

    def _push(self, values: dict[str, str]) -> Call:
        body = {"repoFullName": self.home.full_name, "environment": "development", "secrets": values}
        return Call("POST", "/v1/secrets/push", (bearer(self.home.token),), body)

    def _send(self, call: Call) -> int:
        answer = send(self.home.base, call)
        self.slowest = max(self.slowest, answer.seconds)
        return answer.status

    def _note(self, what: str, status: int) -> None:
        self.statuses[what, status] += 1

    def refused(self) -> dict[tuple[str, int], int]:
        """What was not answered as ever."""
        return {told: times for told, times in self.statuses.items() if told[1] != 200}


@pytest.fixture(scope="module", autouse=True)
def answered(stack: Stack) -> Iterator[Future[dict[str, bytes]]]:
    """Those who go on sending what nobody reads, from the first test of this file on: what each was told when the end
    came.
    """
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(_until_the_end, stack)


def _until_the_end(stack: Stack) -> dict[str, bytes]:
    with ExitStack() as opened:
        everybody = [one for kind in ANSWERED for one in opened.enter_context(attack(stack, kind, 1))]
        deadline = time.monotonic() + 10 * REST_SECONDS
        while still := [one.kind.path for one in everybody if not one.ended]:
            assert time.monotonic() < deadline, still
            for one in everybody:
                one.drips()
            time.sleep(0.05)
        return {one.kind.path: one.told[:12] for one in everybody}


@pytest.fixture
def others(stack: Stack) -> Others:
    """An administrator, and GitHub."""
    return Others(stage.home(stack, "busy"), post_of(stack))


@pytest.mark.parametrize("source", [None, "127.200.0.1"], ids=["many addresses", "one address"])
@pytest.mark.parametrize(
    ("kind", "connections"),
    [(LARGE_DELIVERY, 8), (LARGE_CHUNKED, 4), (SMALL_DELIVERY, 400)],
    ids=["large", "large chunked", "small"],
)
def test_nobody_else_is_refused(stack: Stack, others: Others, kind: Kind, connections: int, source: str | None) -> None:
    """More than there is memory for, and none of it ends: pulls, pushes and GitHub's own deliveries go on."""
    with attack(stack, kind, connections, source):
        others.work()
        others.work()
    assert not others.refused()
    until_applied(stack, *others.deliveries)


def test_a_body_that_was_answered_keeps_no_connection(answered: Future[dict[str, bytes]]) -> None:
    """Whoever goes on sending what nobody reads: the answer came, and then the end."""
    told = answered.result()
    assert all(answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")) for answer in told.values()), told


def memory_mib(stack: Stack) -> int:
    """What the backend's process holds."""
    status = Path(f"/proc/{stack.backend.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) // 1024


@pytest.mark.prove
@pytest.mark.parametrize("connections", [8, 16, 64])
def test_for_longer_than_a_body_may_take(
    stack: Stack, others: Others, connections: int, record_property: Record
) -> None:
    """All kinds at once, dripping until the server has ended every connection, while others work."""
    kinds = (LARGE_DELIVERY, LARGE_CHUNKED, SMALL_DELIVERY, *ANSWERED)
    before, most, each = memory_mib(stack), 0, connections // len(kinds)
    with ExitStack() as opened:
        sources = [None, "127.200.0.2"] * len(kinds)
        attacks = (attack(stack, kind, each, source) for kind, source in zip(kinds, sources, strict=False))
        everybody = [one for begun in attacks for one in opened.enter_context(begun)]
        while any(not one.ended for one in everybody):
            assert time.monotonic() < everybody[0].began + 2 * BODY_SECONDS, "connections are still there"
            for one in everybody:
                one.drips()
            others.work()
            most = max(most, memory_mib(stack))
            time.sleep(0.2)
    longest = max(one.ended for one in everybody)
    figures: dict[str, Any] = {
        "requests of others": others.statuses.total(),
        "of them refused": sum(others.refused().values()),
        "slowest of them": f"{others.slowest:.2f} s",
        "longest connection": f"{longest:.1f} s",
        "memory before and at most": f"{before} and {most} MiB",
    }
    record_property(f"{connections} connections that never end their bodies", figures)
    assert not others.refused()
    assert longest < BODY_SECONDS + 2 * REST_SECONDS
    assert most - before < 200
