"""The hop from our dashboard: whose browser it asks for is believed with the secret, and nothing else comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from browser import Browser, Pkce, query
from keyway_standalone.processes import Stack
from opened import HOP_SECRET
from stack import http, sign_in

from tests.oracle import keys
from tests.oracle.stage import GitHub

CLAIM = {"X-Keyway-Client-Address": "203.0.113.7", "X-Keyway-Client-User-Agent": "Mozilla/5.0 (a browser)"}


def session_through(stack: Stack, headers: dict[str, str]) -> dict[str, Any]:
    """The session that the dashboard gets with these headers, as its owner sees it."""
    pkce, login = Pkce(), GitHub(stack).user("person")
    target = f"{stack.dashboard_url}/in"
    code = query(Browser(stack).sign_in(login, redirect_uri=target, **pkce.params).headers["location"])["code"]
    body = {"code": code, "codeVerifier": pkce.verifier, "redirectOrigin": stack.dashboard_url}
    with http(stack) as client:
        token = client.post("/v1/auth/session/exchange", json=body, headers=headers).json()["data"]["keywayToken"]
    with http(stack, token) as client:
        found: dict[str, Any] = client.get("/v1/auth/sessions").json()["data"][0]
    return found


class TestNotBelieved:
    """What anybody could say."""

    @pytest.mark.parametrize(
        "secret",
        [None, "", "wrong", HOP_SECRET[:-1], HOP_SECRET + "x", HOP_SECRET.swapcase()],
        ids=["none", "empty", "wrong", "shorter", "longer", "other case"],
    )
    def test_without_the_secret(self, open_stack: Stack, secret: str | None) -> None:
        """The address of the connection counts."""
        headers = CLAIM | ({} if secret is None else {"X-Keyway-Hop": secret})
        assert session_through(open_stack, headers)["ip"].startswith("127.")

    def test_where_none_is_set(self, stack: Stack) -> None:
        """Off by default: no secret is right."""
        for secret in ("", HOP_SECRET):
            assert session_through(stack, CLAIM | {"X-Keyway-Hop": secret})["ip"].startswith("127.")

    def test_no_address_is_none(self, open_stack: Stack) -> None:
        """Nonsense in the place of an address is passed over."""
        headers = {"X-Keyway-Hop": HOP_SECRET, "X-Keyway-Client-Address": "not an address"}
        assert session_through(open_stack, headers)["ip"].startswith("127.")

    def test_it_opens_nothing(self, open_stack: Stack) -> None:
        """The proof is no credential, and it moves no key to an address that the key is not held to."""
        owner = sign_in(open_stack, GitHub(open_stack).user("owner"))
        key = keys.give(open_stack, owner, addresses=["203.0.113.0/24"])
        with http(open_stack) as client:
            hop = CLAIM | {"X-Keyway-Hop": HOP_SECRET}
            assert client.get("/v1/users/me", headers=hop).status_code == 401
            assert client.get("/v1/users/me", headers=hop | {"Authorization": f"Bearer {key.token}"}).status_code == 403


class TestBelieved:
    """With the secret."""

    def test_address_and_program_of_the_browser(self, open_stack: Stack) -> None:
        """They stand in the session and in the audit."""
        found = session_through(open_stack, CLAIM | {"X-Keyway-Hop": HOP_SECRET})
        assert (found["ip"], found["userAgent"]) == ("203.0.113.7", "Mozilla/5.0 (a browser)")
        rows = keys.sql(
            open_stack,
            "SELECT ip, platform FROM audit_events WHERE action = 'session_started' AND credential_id = %s",
            found["id"],
        )
        assert rows == [("203.0.113.7", "web")]

    def test_ipv4_in_the_dress_of_ipv6(self, open_stack: Stack) -> None:
        """One spelling per address."""
        headers = {"X-Keyway-Hop": HOP_SECRET, "X-Keyway-Client-Address": "::ffff:203.0.113.9"}
        assert session_through(open_stack, headers)["ip"] == "203.0.113.9"
