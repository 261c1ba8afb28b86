"""Signing out: what it ends, what it leaves alone, and who may ask for it (policy.yaml, N-06, N-12)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from browser import Browser
from keyway_backend.access import ci_tokens
from keyway_backend.access.macs import Macs
from keyway_backend.platform.cookies import HOST_SESSION
from keyway_standalone.processes import Stack
from opened import OTHER
from psycopg.rows import dict_row
from stack import http

from tests.oracle import keys, stage
from tests.oracle.stage import GitHub, Home


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """A vault whose administrator stays signed in."""
    return stage.home(stack, "out")


def signed_in(stack: Stack) -> Browser:
    """A browser with a session."""
    browser = Browser(stack)
    browser.sign_in(GitHub(stack).user("person"))
    return browser


def log_out(browser: Browser, **headers: str) -> httpx.Response:
    """A POST with the browser's cookies."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.jar.items())
    with http(browser.stack) as client:
        return client.post("/v1/auth/logout", headers={"Cookie": cookie, **headers})


def workflow_token(home: Home) -> str:
    """A token of a workflow, as an exchange makes it."""
    there, moment = keys.environment_ids(home.stack, home.vault_id), datetime.now(UTC)
    token = ci_tokens.mint()
    new = ci_tokens.NewToken(
        id=uuid4(),
        token=token,
        vault_id=UUID(home.vault_id),
        environment_id=UUID(there["development"]),
        rule_id=None,
        github_repo_id=home.repo_id,
        github_owner_id=home.owner_id,
        person=None,
        created_at=moment,
        expires_at=moment + timedelta(minutes=15),
    )

    async def insert() -> None:
        async with await psycopg.AsyncConnection.connect(
            home.stack.superuser_database_url, autocommit=True, row_factory=dict_row
        ) as connection:
            await ci_tokens.insert(connection, Macs(home.stack.instance.jwt_secret), new)

    asyncio.run(insert())
    return token.reveal()


class TestSignOutRefuses:
    """A cookie alone proves nothing about who made a browser send it."""

    @pytest.mark.parametrize(
        "headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
    )
    def test_from_another_site(self, stack: Stack, headers: dict[str, str]) -> None:
        """403, the session lives on, and the browser keeps its cookies."""
        browser = signed_in(stack)
        answer = log_out(browser, **headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert browser.get("/v1/users/me").status_code == 200

    def test_two_cookies_of_one_name(self, stack: Stack) -> None:
        """Which of them was meant cannot be told; from elsewhere it is refused all the same."""
        browser = signed_in(stack)
        twice = f"{HOST_SESSION}={browser.jar[HOST_SESSION]}; {HOST_SESSION}=x"
        with http(stack) as client:
            assert client.post("/v1/auth/logout", headers={"Cookie": twice}).status_code == 403


class TestSignOut:
    """What it ends."""

    def test_a_browser(self, stack: Stack) -> None:
        """From a page of ours: the session ends, the cookie goes, and nothing is said a second time either."""
        browser = signed_in(stack)
        for _ in range(2):
            answer = log_out(browser, Origin=stack.dashboard_url)
            assert answer.status_code == 204
            assert answer.headers["set-cookie"].startswith(f'{HOST_SESSION}=""; ')
            assert "Max-Age=0" in answer.headers["set-cookie"]
        assert browser.get("/v1/users/me").status_code == 401

    def test_the_cookies_of_the_public_dashboard(self, open_stack: Stack) -> None:
        """Both go, from the domain that they were set for."""
        browser = signed_in(open_stack)
        assert browser.get("/v1/users/me").status_code == 200
        answer = log_out(browser, Origin=OTHER)
        cleared = answer.headers.get_list("set-cookie")
        assert [line.partition("=")[0] for line in cleared] == ["keyway_session", "keyway_logged_in"]
        assert all("Max-Age=0" in line and "Domain=127.0.0.1" in line for line in cleared)

    def test_a_workflow(self, home: Home) -> None:
        """Its token ends at once; who it is was told before."""
        token = workflow_token(home)
        with http(home.stack, token) as client:
            me = client.get("/v1/users/me").json()["data"]
            validated = client.post("/v1/auth/token/validate").json()["data"]
            assert client.post("/v1/auth/logout").status_code == 204
            assert client.get("/v1/users/me").status_code == 401
        assert (me["id"], me["username"], me["plan"], me["createdAt"]) == (None, "github-actions", "free", None)
        assert (validated["username"], validated["createdAt"]) == ("github-actions", None)

    def test_an_api_key_stays(self, home: Home) -> None:
        """A key is no sign-in."""
        key = keys.give(home.stack, home.token)
        with http(home.stack, key.token) as client:
            assert client.post("/v1/auth/logout").status_code == 204
            assert client.get("/v1/users/me").status_code == 200

    @pytest.mark.parametrize("header", ["", "Bearer x", "Basic x", "Bearer kw_live_x"])
    def test_nobody(self, stack: Stack, header: str) -> None:
        """Without anything to end there is nothing to say."""
        with http(stack) as client:
            headers = {"Authorization": header} if header else {}
            assert client.post("/v1/auth/logout", headers=headers).status_code == 204


class TestLifetime:
    """A session of a browser ends by itself."""

    def age(self, browser: Browser, **columns: str) -> None:
        """Moves times of the browser's session back."""
        session = keys.sql(
            browser.stack,
            "SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.login = %s",
            browser.get("/v1/users/me").json()["data"]["username"],
        )[0][0]
        changes = ", ".join(f"{name} = now() - interval '{back}'" for name, back in columns.items())
        with psycopg.connect(browser.stack.superuser_database_url) as connection:
            connection.execute(f"UPDATE sessions SET {changes} WHERE id = %s".encode(), (session,))

    def test_eight_hours_without_use(self, stack: Stack) -> None:
        """A minute less, and it goes on; a minute more, and it is over, and nowhere listed."""
        browser = signed_in(stack)
        self.age(browser, last_used_at="7 hours 59 minutes", created_at="10 hours")
        assert browser.get("/v1/users/me").status_code == 200
        self.age(browser, last_used_at="8 hours 1 minute")
        assert browser.get("/v1/users/me").status_code == 401

    def test_use_is_noted(self, stack: Stack) -> None:
        """Whoever uses a session keeps it."""
        browser = signed_in(stack)
        self.age(browser, last_used_at="7 hours")
        assert browser.get("/v1/users/me").status_code == 200
        assert browser.get("/v1/auth/sessions").json()["data"][0]["lastUsedAt"] is not None
        with psycopg.connect(stack.superuser_database_url) as connection:
            row = connection.execute("SELECT max(last_used_at) > now() - interval '1 hour' FROM sessions").fetchone()
        assert row == (True,)

    def test_a_day_in_any_case(self, stack: Stack) -> None:
        """Twenty-four hours after the sign-in it is over, however much it was used."""
        browser = signed_in(stack)
        session = browser.get("/v1/auth/sessions").json()["data"][0]
        hours = datetime.fromisoformat(session["expiresAt"]) - datetime.fromisoformat(session["createdAt"])
        assert (session["kind"], hours) == ("dashboard", timedelta(hours=24))
        self.age(browser, expires_at="1 second")
        assert browser.get("/v1/users/me").status_code == 401

    def test_a_planted_session_is_not_taken_over(self, stack: Stack) -> None:
        """Whoever put a session of theirs into somebody's browser has nothing of what that person does afterwards."""
        attacker, browser, login = signed_in(stack), Browser(stack), GitHub(stack).user("victim")
        browser.jar[HOST_SESSION] = planted = attacker.jar[HOST_SESSION]
        browser.sign_in(login)
        assert browser.jar[HOST_SESSION] != planted
        assert browser.get("/v1/users/me").json()["data"]["username"] == login
        assert attacker.get("/v1/users/me").json()["data"]["username"] != login
