"""How credentials may travel (policy.yaml `credentials.transport`; assurance.md N-08)."""

from __future__ import annotations

from base64 import b64encode
from uuid import uuid4

import jwt
import pytest
from keyway_backend.platform.cookies import HOST_SESSION as SESSION
from keyway_backend.platform.cookies import LEGACY_SESSION
from keyway_standalone.processes import Stack

from tests.oracle import stage
from tests.oracle.keys import give, sql
from tests.oracle.stage import Home
from tests.oracle.wire import Call, Header, bearer, send


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """A vault that these tests leave as it is."""
    return stage.home(stack, "transport")


def me(home: Home, *headers: Header, query: str = "", method: str = "GET") -> int:
    """The status of asking who one is, or with POST of a write that changes nothing."""
    path = "/v1/users/me" if method == "GET" else "/v1/vaults"
    body = None if method == "GET" else {"repoFullName": home.full_name}
    return send(home.base, Call(method, path + query, headers, body)).status


def cookie(content: str, name: str = SESSION) -> Header:
    """A cookie header."""
    return "Cookie", f"{name}={content}"


class TestRefused:
    """Everything that is no credential."""

    def test_in_the_address(self, home: Home) -> None:
        """A token in the query is not looked at."""
        assert me(home, query=f"?token={home.token}") == 401

    def test_malformed_headers(self, home: Home) -> None:
        """Basic, two headers, an empty one, one of 64 KB, one that is not ASCII."""
        two = (bearer(home.token), bearer(home.token))
        odd = ["Basic " + home.token, "Bearer", "Bearer ", "Bearer  ", home.token, "Bearer é", f"Bearer {home.token}x"]
        assert me(home, *two) == 401
        assert {me(home, ("Authorization", text)) for text in odd} == {401}
        assert me(home, ("Authorization", "Bearer " + "x" * 60_000)) in {400, 401, 431}

    def test_a_bad_header_is_not_saved_by_a_good_cookie(self, home: Home) -> None:
        """The header comes first."""
        assert me(home, ("Authorization", "Basic x"), cookie(home.token)) == 401

    def test_two_cookies_of_one_name(self, home: Home) -> None:
        """In one header or in two, alike or not."""
        name = SESSION
        assert me(home, ("Cookie", f"{name}={home.token}; {name}={home.token}")) == 401
        assert me(home, ("Cookie", f"{name}={home.token}; other=1; {name}=x")) == 401
        assert me(home, cookie(home.token), cookie(home.token)) == 401

    def test_a_cookie_of_another_name_or_kind(self, home: Home) -> None:
        """The name without the prefix, which any sibling host could set; a key as a cookie; nonsense."""
        assert me(home, cookie(home.token, LEGACY_SESSION)) == 401
        key = give(home.stack, home.token)
        assert {me(home, cookie(content)) for content in (key.token, "", "x", home.token + "x", "é")} == {401}

    @pytest.mark.parametrize(
        "headers",
        [
            (),
            (("Origin", "https://evil.example"),),
            (("Origin", "null"),),
            (("Sec-Fetch-Site", "cross-site"),),
            (("Sec-Fetch-Site", "same-site"),),
            (("Sec-Fetch-Site", "none"),),
            (("Referer", "https://app.localhost/"),),
        ],
    )
    def test_a_write_without_proof(self, home: Home, headers: tuple[Header, ...]) -> None:
        """A cookie alone does not write: any page can make a browser send it."""
        assert me(home, cookie(home.token), *headers, method="POST") == 403

    def test_a_dashboard_session_that_rested_too_long(self, home: Home) -> None:
        """Eight hours without use end it; what is used goes on, and a command line's session does not rest."""
        token = home.with_role("triage")
        session = jwt.decode(token, options={"verify_signature": False})["sid"]
        rested = "UPDATE sessions SET kind = %s, last_used_at = now() - make_interval(hours => %s) WHERE id = %s"
        sql(home.stack, rested, "dashboard", 9, session)
        assert me(home, cookie(token)) == 401
        sql(home.stack, rested, "dashboard", 7, session)
        assert (me(home, cookie(token)), me(home, cookie(token))) == (200, 200)
        [(unused,)] = sql(home.stack, "SELECT now() - last_used_at < '1 hour' FROM sessions WHERE id = %s", session)
        assert unused
        sql(home.stack, rested, "cli", 9, session)
        assert me(home, bearer(token)) == 200

    def test_nothing_of_it_is_logged(self, home: Home) -> None:
        """A token in an address, a path, a cookie, a header or a body that was wrong stands in no log."""
        token, mark = home.with_role("maintain"), "N08." + uuid4().hex
        noted = ("X-Request-ID", mark)
        for name in ("token", "access_token", "code", "state", "consent", "redirect_uri"):
            for path in (
                "/v1/users/me",
                "/v1/auth/callback",
                "/v1/auth/github/start",
                "/v1/integrations/vercel/authorize",
            ):
                send(home.base, Call("GET", f"{path}?{name}={token}", (noted,)))
        pair = b64encode(f"x:{token}".encode()).decode()
        for header in (("Authorization", f"Basic {pair}"), ("Authorization", token), cookie(token, LEGACY_SESSION)):
            me(home, header, noted)
        me(home, bearer(token), bearer(token), noted)
        me(home, cookie(f"{token}; {SESSION}={token}"), noted)
        send(home.base, Call("GET", f"/v1/vaults/{token}/{token}", (noted,)))
        send(home.base, Call("POST", "/v1/auth/device/poll", (noted,), {"deviceCode": token, token: token}))
        logs = "".join(path.read_text(errors="replace") for path in sorted(home.stack.log_dir.glob("*.log")))
        assert logs.count(mark) > 25
        for secret in (token, token.rpartition(".")[2], pair, pair[8:-8]):
            assert secret not in logs

    def test_the_proof_is_no_credential(self, home: Home) -> None:
        """Same origin, and nobody."""
        assert me(home, ("Sec-Fetch-Site", "same-origin"), method="POST") == 401


class TestAccepted:
    """Headers, and cookies with proof."""

    def test_a_cookie_reads(self, home: Home) -> None:
        """Without any proof: what is read does not reach another origin's page."""
        assert me(home, cookie(home.token)) == 200
        assert me(home, ("Cookie", f"theme=dark; {SESSION}={home.token}; x=y")) == 200

    def test_a_write_with_proof(self, home: Home) -> None:
        """From a page of ours: it gets as far as the vault that is there already."""
        assert me(home, cookie(home.token), ("Sec-Fetch-Site", "same-origin"), method="POST") == 409

    def test_a_header_needs_no_proof(self, home: Home) -> None:
        """No page makes a browser send it."""
        assert me(home, bearer(home.token), ("Origin", "https://evil.example"), method="POST") == 409
