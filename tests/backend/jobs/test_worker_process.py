"""`keyway-backend worker`: a process of its own beside the backend."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from keyway_backend.platform.settings import Settings
from keyway_standalone.ports import free_port
from keyway_standalone.process import Child
from keyway_standalone.processes import Stack
from warm_servers import OURS, ours, spawn

_SECONDS = 30.0


@contextmanager
def worker_process(stack: Stack, log: Path) -> Iterator[tuple[Child, str]]:
    """A worker with the backend's own configuration, and the address of its ops port."""
    given = stack.backend.command().environment
    environment = {name: value for name, value in given.items() if name.lower() in Settings.model_fields}
    port = free_port()
    child = spawn(ours("keyway_backend", "worker", **environment | {"OPS_PORT": str(port)}), OURS, log)
    try:
        yield child, f"http://127.0.0.1:{port}"
    finally:
        child.kill()


def test_is_ready_and_stops_when_told(stack: Stack, tmp_path: Path) -> None:
    """Its checks are the backend's, with the jobs among them; SIGTERM ends it with 0. The backend does jobs as well."""
    log = tmp_path / "worker.log"
    with worker_process(stack, log) as (child, ops):
        deadline = time.monotonic() + _SECONDS
        ready: httpx.Response | None = None
        while (ready is None or ready.status_code != 200) and time.monotonic() < deadline:
            assert child.poll() is None, log.read_text()
            try:
                ready = httpx.get(f"{ops}/readyz")
            except httpx.TransportError:
                time.sleep(0.05)
        assert ready is not None
        assert ready.json()["checks"].get("jobs") == "ok", ready.text
        child.send_signal(signal.SIGTERM)
        assert child.wait(_SECONDS) == 0, log.read_text()
    assert httpx.get(f"{stack.ops_url}/readyz").json()["checks"]["jobs"] == "ok"
