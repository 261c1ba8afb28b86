"""What tests of the whole system share: an installation in a folder of its own, people signed in, vaults made."""

from __future__ import annotations

import itertools
import os
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import scratch
import warm_servers
from keyway_standalone.processes import Stack
from oracle.wire import Call, Line
from template import furnish

_SIGN_IN_SECONDS: Final = 90.0
# A killed server leaves its segments of shared memory behind: here in its folder, which goes too.
_LEAVING_NOTHING: Final = {"dynamic_shared_memory_type": "mmap"}
# Those that run now; a failed test tells which of their processes ended.
_RUNNING: Final[list[Stack]] = []
# Nothing here speaks TLS; a context of its own for each client would cost 50 ms.
TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# All of 127/8 is this machine on Linux: with an address per client no test eats another's share of a limit.
_ADDRESSES: Final = itertools.count(os.getpid() % 60_000 * 256)


@contextmanager
def state_folder() -> Iterator[Path]:
    """A folder that the users of our processes can reach, removed in the end."""
    with scratch.folder() as folder:
        folder.chmod(0o711)
        yield folder / "state"


@contextmanager
def running_stack(*, cold: bool = False, **options: Any) -> Iterator[Stack]:
    """A started Stack with these options, stopped in the end. Its database begins with the schema, and no row.

    Its servers are forked of ones that were loaded before (`warm_servers`); `cold` starts them as `up` does.
    """
    with state_folder() as folder:
        if options.get("only") is None:
            furnish(folder, options.get("seed", 1), folder.with_name("template"))
        stack = Stack(
            folder, **{**options, "postgres_options": _LEAVING_NOTHING | (options.get("postgres_options") or {})}
        )
        for process in stack.wanted:
            process.spawn = process.spawn if cold else warm_servers.spawn
        with stack:
            _RUNNING.append(stack)
            try:
                yield stack
            finally:
                _RUNNING.remove(stack)
                if not cold:  # what is started as `up` does it ends as `down` does it
                    _end_at_once(stack)


def _end_at_once(stack: Stack) -> None:
    """What they would keep or tell in the end is removed with their folder."""
    for process in (stack.github, stack.backend, stack.dashboard):
        process.stop_signal = signal.SIGKILL


def ended_processes() -> str:
    """A line for every process of a running installation that is not there, with the end of its log."""
    gone = [process for stack in _RUNNING for process in stack.wanted if not process.running]
    return "\n".join(f"{process.name} {process.how_it_ended}:\n{process.last_lines()}" for process in gone)


def http(stack: Stack, token: str | None = None) -> httpx.Client:
    """A client of the API, from a loopback address of its own, with a session or without."""
    number = next(_ADDRESSES)
    address = f"127.{1 + number // 65_025 % 250}.{1 + number // 255 % 255}.{1 + number % 254}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.HTTPTransport(local_address=address, verify=TLS)
    return httpx.Client(base_url=stack.api_url, headers=headers, transport=transport, timeout=60)


def sign_in(stack: Stack, login: str) -> str:
    """A session of a person, by the real device flow; the person consents on the stand-in."""
    with Line(stack.api_url) as line:
        started = _posted(line, "/v1/auth/device/start", {})
        stack.control.approve_device(started["userCode"], login)
        deadline = time.monotonic() + _SIGN_IN_SECONDS
        while time.monotonic() < deadline:
            body = _posted(line, "/v1/auth/device/poll", {"deviceCode": started["deviceCode"]})
            if body["status"] == "approved":
                return str(body["keywayToken"])
            time.sleep(0.2)
    raise AssertionError(f"sign-in ended as {body['status']}")


def _posted(line: Line, path: str, body: dict[str, str]) -> dict[str, Any]:
    answer = line.send(Call("POST", path, body=body))
    assert answer.status < 400, (path, answer.status, answer.body)
    found: dict[str, Any] = answer.json()
    return found


def vault_for(stack: Stack, token: str, full_name: str) -> None:
    """A vault for a repository, unless there is one."""
    with http(stack, token) as client:
        answer = client.post("/v1/vaults", json={"repoFullName": full_name})
    assert answer.status_code in {201, 409}, answer.text


def push(stack: Stack, token: str, full_name: str, environment: str, values: dict[str, str]) -> httpx.Response:
    """A push of these values, as the public command line sends it."""
    body = {"repoFullName": full_name, "environment": environment, "secrets": values}
    with http(stack, token) as client:
        return client.post("/v1/secrets/push", json=body)
