"""A load generator that costs little of the machine it shares: raw HTTP/1.1 over kept connections, one request each.

`python -m bench.load` reads one JSON line from stdin: {"port", "clients", "seconds", "requests": null or a number,
"messages": [base64 of a request, ...]} and prints one: {"seconds", "answers", "statuses", "latencies_ms"}.
It talks to loopback only, and ends by itself.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop


@dataclass(frozen=True, slots=True)
class Result:
    """What one bounded run of the generator saw."""

    seconds: float
    answers: int
    statuses: dict[str, int]
    latencies_ms: list[float]

    @property
    def per_second(self) -> float:
        """Answers per second over the whole run."""
        return self.answers / self.seconds

    def percentile(self, share: float) -> float:
        """Latency in ms that `share` of the answers stayed within."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Client(asyncio.Protocol):
    """One connection. Resolves a future with the status once the body of Content-Length bytes is there."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = -1
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._need < 0:
            self._need = self._read_head()
        if self._need >= 0 and len(self._buffer) >= self._need and self._answer is not None:
            status = int(self._buffer[9:12])
            del self._buffer[:]
            self._need = -1
            self._answer.set_result(status)

    def _read_head(self) -> int:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return -1
        head = bytes(self._buffer[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        return end + 4 + length

    def ask(self, message: bytes) -> asyncio.Future[int]:
        """Sends one request; the future gives its status."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return self._answer


async def _worker(
    port: int, messages: Iterator[bytes], until: float, statuses: collections.Counter[str], out: list[float]
) -> None:
    _, client = await asyncio.get_running_loop().create_connection(_Client, "127.0.0.1", port)
    for message in messages:
        started = time.perf_counter()
        if started >= until:
            return
        status = await client.ask(message)
        out.append((time.perf_counter() - started) * 1000)
        statuses[str(status)] += 1


async def generate(
    port: int, clients: int, seconds: float, messages: Sequence[bytes], requests: int | None = None
) -> Result:
    """Runs until the time is over or, when `requests` is given, that many have been sent."""
    statuses: collections.Counter[str] = collections.Counter()
    latencies: list[float] = []
    source = itertools.cycle(messages) if requests is None else itertools.islice(itertools.cycle(messages), requests)
    started = time.perf_counter()
    await asyncio.gather(*(_worker(port, source, started + seconds, statuses, latencies) for _ in range(clients)))
    return Result(time.perf_counter() - started, len(latencies), dict(statuses), latencies)


def request(method: str, target: str, token: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """The bytes of one request with a bearer credential."""
    fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {token}", "User-Agent": "keyway-cli/bench"} | (
        headers or {}
    )
    if body:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def run(port: int, messages: Sequence[bytes], *, clients: int, seconds: float, requests: int | None = None) -> Result:
    """Runs the generator as a process of its own, so that its interpreter lock is not ours."""
    order: dict[str, Any] = {"port": port, "clients": clients, "seconds": seconds, "requests": requests}
    order["messages"] = [base64.b64encode(message).decode() for message in messages]
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    return Result(**json.loads(done.stdout))


def main() -> None:
    """Reads the order, runs it, prints the result."""
    order = json.loads(sys.stdin.readline())
    messages = [base64.b64decode(text) for text in order.pop("messages")]
    result = uvloop.run(generate(messages=messages, **order))
    print(json.dumps({name: getattr(result, name) for name in Result.__slots__}))


if __name__ == "__main__":
    main()
