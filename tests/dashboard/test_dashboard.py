"""The dashboard as a process of its own, spoken to over TCP, with a scripted backend on the other side."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from keyway_dashboard.settings import SettingsError, load
from keyway_standalone.ports import free_port

SESSION_SECRET = secrets.token_urlsafe(32)
# Each of them is wrong by itself.
WRONG = {
    "PORT": "many",
    "API_URL": "ftp://canary",
    "LOG_LEVEL": "canary",
    "DASHBOARD_SESSION_SECRET": "canary-too-short",
    "DASHBOARD_HOP_SECRET": "canary-too-short",
    "TRUSTED_PROXIES": "canary",
    "DASHBOARD_HOP_SECRET_FILE": "/nothing/canary",
}
HEALTHY = b'{"status":"healthy","version":"9.8.7"}'


class ScriptedBackend:
    """A TCP server that says `reply` to whoever connects, or nothing at all while `reply` is None."""

    def __init__(self) -> None:
        self.reply: bytes | None = None
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._silent: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def answers(self, status: str, body: bytes) -> None:
        """From now on: this status line and body."""
        self.reply = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            if self.reply is None:
                self._silent.append(connection)
                continue
            with connection:
                connection.recv(65_536)
                connection.sendall(self.reply)


@contextmanager
def dashboard(log: Path, **environment: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """The real process with these variables and no others, and a client for it."""
    port = free_port()
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "keyway_dashboard"],
            env={
                "PATH": os.environ["PATH"],
                "PORT": str(port),
                "DASHBOARD_SESSION_SECRET": SESSION_SECRET,
                **environment,
            },
            stderr=stderr,
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client,
    ):
        try:
            wait_for(client)
            yield client, process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


def wait_for(client: httpx.Client) -> None:
    """Returns when the process answers."""
    deadline = time.monotonic() + 20
    while True:
        try:
            client.get("/livez").raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def backend() -> ScriptedBackend:
    """The other side."""
    return ScriptedBackend()


@pytest.fixture(scope="module")
def client(backend: ScriptedBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The dashboard of api.keyway.test, asking the scripted backend."""
    log = tmp_path_factory.mktemp("dashboard") / "log"
    with dashboard(log, DOMAIN="keyway.test", BACKEND_URL=backend.url) as (client, _):
        yield client


class TestRefusals:
    """What it does not do."""

    @pytest.mark.parametrize(("variable", "value"), WRONG.items())
    def test_a_wrong_variable_is_told_in_a_line_that_names_it_and_not_its_value(
        self, variable: str, value: str
    ) -> None:
        """One line for it, and none for those that are right."""
        with pytest.raises(SettingsError) as told:
            load({"DASHBOARD_SESSION_SECRET": SESSION_SECRET, variable: value})
        assert str(told.value).startswith(f"{variable}: ")
        assert "\n" not in str(told.value)
        assert value not in str(told.value)

    def test_wrong_variables_stop_the_start(self) -> None:
        """The process ends with status 78 and a line for each of them, without their values."""
        done = subprocess.run(
            [sys.executable, "-m", "keyway_dashboard"],
            env={"PATH": os.environ["PATH"], **WRONG}, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 78
        lines = done.stderr.splitlines()
        assert {line.split(":")[1].strip() for line in lines} == set(WRONG)
        assert {line.split(":")[0] for line in lines} == {"keyway-dashboard"}
        assert [value for value in WRONG.values() if value in done.stderr] == []

    @pytest.mark.parametrize("path", ["/nothing", "/static/../settings.py", "/v1/vaults"])
    def test_an_address_that_does_not_exist_gets_a_clear_page(self, client: httpx.Client, path: str) -> None:
        """A page that does not exist answers 404 with a page that leads back, and does not repeat the address."""
        answer = client.get(path)
        assert answer.status_code == 404
        assert 'href="/"' in answer.text
        assert "nothing" not in answer.text

    def test_a_silent_backend_is_given_two_seconds(self, client: httpx.Client, backend: ScriptedBackend) -> None:
        """A backend that accepts and says nothing delays the page by 2 seconds, not more, and is called silent."""
        backend.reply = None
        started = time.monotonic()
        page = client.get("/")
        assert 1.9 < time.monotonic() - started < 3
        assert page.status_code == 200
        assert "does not answer" in page.text

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            ("503 Service Unavailable", b'{"status":"unhealthy"}'),
            ("503 Service Unavailable", HEALTHY),
            ("200 OK", b'{"status":"unhealthy"}'),
            ("200 OK", b"<html>another server</html>"),
            ("200 OK", b'["healthy"]'),
        ],
    )
    def test_anything_but_a_healthy_answer_is_not_called_healthy(
        self, client: httpx.Client, backend: ScriptedBackend, status: str, body: bytes
    ) -> None:
        """Only 200 with a healthy status counts; the page and /readyz say so when it is anything else."""
        backend.answers(status, body)
        assert "says that it is not healthy" in client.get("/").text
        assert client.get("/readyz").status_code == 503

    def test_what_the_backend_says_cannot_become_markup(self, client: httpx.Client, backend: ScriptedBackend) -> None:
        """A version that looks like HTML is shown as text."""
        backend.answers("200 OK", b'{"status":"healthy","version":"<script>x</script>"}')
        page = client.get("/").text
        assert "<script>" not in page
        assert "&lt;script&gt;" in page


class TestFrontPage:
    """What a newcomer sees."""

    def test_it_tells_the_truth_about_the_api_and_the_commands_for_it(
        self, client: httpx.Client, backend: ScriptedBackend
    ) -> None:
        """With a healthy backend the page says so, with its version, and shows the commands for this API."""
        backend.answers("200 OK", HEALTHY)
        page = client.get("/").text
        assert "The API answers" in page
        assert "Version 9.8.7" in page
        assert "export KEYWAY_API_URL=https://api.keyway.test\n" in re.sub(r"</code>", "\n", page)
        assert "keyway login" in page
        assert client.get("/readyz").json() == {"status": "healthy"}

    @pytest.mark.parametrize("path", ["/", "/nothing", "/livez", "/static/nothing.css"])
    def test_every_answer_carries_the_headers_and_no_cookie(self, client: httpx.Client, path: str) -> None:
        """No answer may be framed, sniffed or cached, scripts and inline styles are forbidden, no cookie is set."""
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers
        assert "server" not in headers

    @pytest.mark.parametrize("path", ["/", "/nothing"])
    def test_pages_hold_nothing_that_their_policy_forbids(self, client: httpx.Client, path: str) -> None:
        """There is no inline script, style or handler; every resource is ours, exists, and may be kept for a year."""
        page = client.get(path).text
        own = r'<script src="/static/[^"]+" defer></script>'
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:", re.sub(own, "", page))
        resources = re.findall(r'(?:<link[^>]* href|src)="([^"]+)"', page)
        assert len(resources) >= 5
        answers = [client.get(resource) for resource in resources]
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.headers["cache-control"] for answer in answers} == {"public, max-age=31536000, immutable"}
        fonts = re.findall(r"url\(([a-z0-9.-]+\.woff2)\)", client.get(resources[2]).text)
        assert [client.get(f"/static/{font}").status_code for font in fonts] == [200, 200]


def test_logs_are_json_lines_without_path_or_query(backend: ScriptedBackend, tmp_path: Path) -> None:
    """A token in a path or a query stands in no log line, and every line is JSON; a signal ends it in good order."""
    backend.answers("200 OK", HEALTHY)
    with dashboard(tmp_path / "log", BACKEND_URL=backend.url, LOG_LEVEL="debug") as (client, process):
        client.get("/canary-path?token=canary-query")
        client.get("/?token=canary-query")
    lines = (tmp_path / "log").read_text().splitlines()
    assert any('"route": "unmatched"' in line for line in lines)
    assert not [line for line in lines if "canary" in line or not line.startswith("{")]
    assert process.returncode in {0, -signal.SIGTERM}
