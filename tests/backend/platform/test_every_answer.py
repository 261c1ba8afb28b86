"""What every answer carries, refusals and failures among them (assurance N-13)."""

from __future__ import annotations

from typing import Final

import pytest
from browser import Browser, consented
from contracts.test_route_census import ROUTES
from keyway_backend.access.actor import Scope
from keyway_standalone.processes import Stack
from oracle.report import Record

from tests.backend.access.test_scopes import about_nothing
from tests.oracle import keys, stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send, send_bytes

YEAR_SECONDS: Final = 365 * 24 * 3600
POLICY: Final = ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'")


def guarded_well(answer: Answer) -> None:
    """Fails for a header that is missing, weaker, or there twice."""
    told = dict[str, str]()
    for name, value in answer.headers:
        lowered = name.lower()
        assert lowered not in told or lowered == "set-cookie", f"{name} twice"
        told[lowered] = value
    directives = [one.strip() for one in told["content-security-policy"].split(";")]
    assert set(POLICY) <= set(directives)
    assert "unsafe" not in told["content-security-policy"]
    assert int(told["strict-transport-security"].partition("max-age=")[2].partition(";")[0]) >= YEAR_SECONDS
    assert told["x-content-type-options"] == "nosniff"
    assert told["x-frame-options"] == "DENY"
    assert told["referrer-policy"] == "no-referrer"
    assert told["cross-origin-opener-policy"] == told["cross-origin-resource-policy"] == "same-origin"
    assert told["cache-control"] == "no-store"
    assert told["x-request-id"]
    assert "server" not in told
    assert "x-powered-by" not in told


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """A vault with a value in development."""
    return stage.home(stack, "headers")


def test_every_route_for_nobody_and_for_somebody(stack: Stack, home: Home, record_property: Record) -> None:
    """All routes, without a credential, with a session and with a key: whatever they answer."""
    seen: set[int] = set()
    session = stage.stranger(stack)
    key = keys.give(stack, session, scopes={Scope.READ}).token
    for method, path in sorted(ROUTES):
        for headers in ((), (bearer(session),), (bearer(key),)):
            if (method, path) in {("POST", "/v1/auth/logout"), ("DELETE", "/v1/auth/sessions")} and headers:
                continue
            answer = send(home.base, about_nothing({"method": method, "path": path}, *headers))
            guarded_well(answer)
            seen.add(answer.status)
    assert seen >= {200, 400, 401, 403, 404}
    record_property("answers with all headers (N-13)", f"{len(ROUTES)} routes, statuses {sorted(seen)}")


def test_values_and_failures(stack: Stack, home: Home) -> None:
    """A value, a 304, a 413, a 415, malformed JSON, a wrong method, an unknown path, a limit, an outage."""
    path = f"/v1/secrets/pull?repo={home.full_name}&environment=development"
    mine = bearer(home.token)
    pulled = send(home.base, Call("GET", path, (mine,)))
    typed = ("Content-Type", "application/json")
    answers = {
        200: pulled,
        304: send(home.base, Call("GET", path, (mine, ("If-None-Match", pulled.header("etag"))))),
        413: send(home.base, Call("POST", "/v1/api-keys", (mine, typed), form=b" " * 70_000)),
        415: send(home.base, Call("POST", "/v1/vaults", (mine, ("Content-Type", "text/plain")), form=b"x")),
        400: send(home.base, Call("POST", "/v1/vaults", (mine, typed), form=b"{")),
        405: send(home.base, Call("PATCH", "/v1/vaults", (mine,))),
        404: send(home.base, Call("GET", "/v1/nothing")),
    }
    stack.control.fault("status", "POST /login/device/code", status=502)
    answers[503] = send(home.base, Call("POST", "/v1/auth/device/start", body={}))
    stack.control.clear_faults()
    source = f"127.{home.repo_id % 200 + 20}.7.7"
    for _ in range(6):
        answers[429] = send(home.base, Call("GET", "/v1/auth/device/verify"), source=source)
    assert {status: answer.status for status, answer in answers.items()} == {status: status for status in answers}
    for answer in answers.values():
        guarded_well(answer)


def test_pages_and_redirects(stack: Stack) -> None:
    """Those of the sign-in: to GitHub, back, refused."""
    browser = Browser(stack)
    away = browser.get("/v1/auth/github/start")
    back = browser.get(consented(stack, away.headers["location"], GitHub(stack).user("person")))
    refused = browser.get("/v1/auth/callback")
    assert (away.status_code, back.status_code, refused.status_code) == (302, 302, 400)
    for answer in (away, back, refused):
        guarded_well(Answer(answer.status_code, tuple(answer.headers.multi_items()), answer.content))


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/9\r\n\r\n",
        b"G\0T / HTTP/1.1\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_nothing(stack: Stack, text: bytes) -> None:
    """The server's own answer to bytes that are no request names no software and holds nothing."""
    answer = send_bytes(stack.api_url, [text])
    assert answer.status in {0, 400}
    assert answer.header("server") == ""
