"""What another site can make a browser do (assurance N-13 and N-14): nothing that writes, nothing that it may read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from keyway_backend.platform.cookies import HOST_SESSION
from keyway_standalone.processes import Stack
from oracle.report import Record

from tests.backend.access.test_scopes import about_nothing, guarded
from tests.oracle import stage
from tests.oracle.wire import Answer, Call, Header, send

SAFE: Final = {"GET", "HEAD"}
WORDS: Final = b"did not come from a page of this Keyway"
# What a browser sends along from a page that is not ours, or not at all; {own} is the dashboard's origin.
NO_PROOF: Final[tuple[tuple[Header, ...], ...]] = (
    (),
    (("Origin", "https://evil.example"),),
    (("Origin", "null"),),
    (("Origin", "{own}.evil.example"),),
    (("Origin", "{own}/"),),
    (("Sec-Fetch-Site", "cross-site"),),
    (("Sec-Fetch-Site", "same-site"),),
    (("Sec-Fetch-Site", "none"),),
    (("Referer", "{own}/"),),
    (("Host", "{host}"), ("Referer", "{own}/vaults")),
    (("X-Requested-With", "XMLHttpRequest"),),
)
# Origins that are not the dashboard's, though some reader of addresses might think so.
OTHERS: Final = (
    "null", "", "*", "https://evil.example", "http://evil.example", "{own}.evil.example", "{own}evil.example",
    "{own}-evil.example", "{own}@evil.example", "http://evil.example/{own}", "http://evil.example#{own}",
    "http://evil.example?{own}", "{own}/", "{own}/x", "{own}:", "{own}0", "{own}1", "http://{name}", "http://{name}:80",
    "https://{host}", "HTTP://{host}", "ftp://{host}", "file://", "//{host}", "{host}", "http://x.{host}",
    "http://.{host}", "http://{name}.:{port}", "http://localhost:{port}", "http://127.1:{port}",
    "http://[::ffff:127.0.0.1]:{port}", "http://0x7f.0.0.1:{port}", "http://2130706433:{port}", "http://user@{host}",
    "{own} ", "{own},{own}", "{own} https://evil.example", "{own}%00", "{own}%2eevil.example", "chrome-extension://abc",
)  # fmt: skip


def spelled(template: str, own: str) -> str:
    """An origin of the table."""
    parts = urlsplit(own)
    return template.format(own=own, host=parts.netloc, name=parts.hostname, port=parts.port)


@pytest.fixture(scope="module")
def person(stack: Stack) -> str:
    """A session in a browser of somebody who reaches nothing, so that no call does anything."""
    return stage.stranger(stack)


def with_cookie(stack: Stack, route: dict[str, Any], token: str, headers: tuple[Header, ...]) -> Answer:
    """A route, asked by a browser that holds the session."""
    own = stack.dashboard_url
    told = tuple((name, spelled(value, own)) for name, value in headers)
    return send(stack.api_url, about_nothing(route, ("Cookie", f"{HOST_SESSION}={token}"), *told))


class TestWrites:
    """Every route that changes something and takes a session."""

    def test_none_without_a_proof_of_origin(self, stack: Stack, person: str, record_property: Record) -> None:
        """403 and the same words on every route, for whatever another page can make a browser send; never a 2xx."""
        routes = [one for one in guarded() if one["method"] not in SAFE and "session" in one["auth"]]
        tries = [(route, headers) for route in routes for headers in NO_PROOF]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda one: with_cookie(stack, one[0], person, one[1]), tries))
        wrong = [
            f"{route['method']} {route['path']} {headers}: {answer.status} {answer.body[:200]!r}"
            for (route, headers), answer in zip(tries, answers, strict=True)
            if answer.status != 403 or WORDS not in answer.body
        ]
        assert wrong == []
        assert len(routes) > 40
        record_property("writes by cookie without proof (N-13)", f"{len(routes)} routes, {len(tries)} tries, 0 let in")

    def test_all_of_them_with_one(self, stack: Stack, person: str) -> None:
        """Control: the same requests from our own page get past this step."""
        routes = [one for one in guarded() if one["method"] not in SAFE and "session" in one["auth"]]
        for proof in (("Origin", "{own}"), ("Sec-Fetch-Site", "same-origin")):
            for route in routes:
                if route["path"].startswith("/v1/auth/sessions"):
                    continue  # it would end the session that the rest needs
                answer = with_cookie(stack, route, person, (proof,))
                assert WORDS not in answer.body, (route, answer.body)


class TestReads:
    """Whose scripts may read an answer."""

    def test_only_the_listed_origin(self, stack: Stack, person: str, record_property: Record) -> None:
        """Forty spellings, with a session's cookie and without, as question and as request: no header for any."""
        own, cookie = stack.dashboard_url, ("Cookie", f"{HOST_SESSION}={person}")
        for template in OTHERS:
            origin = ("Origin", spelled(template, own))
            question = (origin, ("Access-Control-Request-Method", "DELETE"))
            for call in (
                Call("OPTIONS", "/v1/vaults", question),
                Call("GET", "/v1/users/me", (origin, cookie)),
                Call("GET", "/v1/users/me", (origin,)),
                Call("GET", "/v1/health", (origin,)),
            ):
                answer = send(stack.api_url, call)
                assert answer.header("access-control-allow-origin") == "", (template, call)
        assert len(set(OTHERS)) >= 30
        record_property("foreign origins (N-14)", f"{len(set(OTHERS))} tried in 4 ways, 0 named in an answer")

    def test_the_listed_one(self, stack: Stack, person: str) -> None:
        """Control: it is named, exactly, with credentials, and caches are told that it matters; never a star."""
        own = stack.dashboard_url
        cookie = ("Cookie", f"{HOST_SESSION}={person}")
        for call in (
            Call("OPTIONS", "/v1/vaults", (("Origin", own), ("Access-Control-Request-Method", "DELETE"))),
            Call("GET", "/v1/users/me", (("Origin", own), cookie)),
            Call("GET", "/v1/users/me", (("Origin", own),)),
            Call("GET", "/v1/nothing", (("Origin", own),)),
        ):
            answer = send(stack.api_url, call)
            assert answer.header("access-control-allow-origin") == own
            assert answer.header("access-control-allow-credentials") == "true"
            assert "origin" in answer.header("vary").lower()
