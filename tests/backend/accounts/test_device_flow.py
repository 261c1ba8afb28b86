"""Signing in with GitHub's device flow, and out again (policy.yaml `device_flow`)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from keyway_standalone.processes import Stack
from stack import http, sign_in

Started = dict[str, Any]


@pytest.fixture
def anyone(stack: Stack) -> Iterator[httpx.Client]:
    """Somebody without a credential."""
    with http(stack) as client:
        yield client
    stack.control.clear_faults()


def start(client: httpx.Client, **sent: Any) -> Started:
    """A sign-in that begins."""
    started: Started = client.post("/v1/auth/device/start", json=sent).raise_for_status().json()
    return started


def poll(client: httpx.Client, code: str) -> httpx.Response:
    """One poll."""
    return client.post("/v1/auth/device/poll", json={"deviceCode": code})


def now_due(stack: Stack) -> None:
    """Lets every sign-in be asked about at once, as if its interval had passed."""
    with psycopg.connect(stack.superuser_database_url) as connection:
        connection.execute("UPDATE device_logins SET next_poll_at = now() - interval '1 second'")


def github_polls(stack: Stack) -> int:
    """How often GitHub's token endpoint was asked."""
    return sum(call["path"].endswith("/login/oauth/access_token") for call in stack.control.calls())


def sessions(stack: Stack) -> int:
    """How many sessions there are."""
    with psycopg.connect(stack.superuser_database_url) as connection:
        row = connection.execute("SELECT count(*) FROM sessions").fetchone()
    assert row is not None
    return int(row[0])


class TestPollRefuses:
    """What does not give a session."""

    @pytest.mark.parametrize("sent", [{}, {"deviceCode": ""}, {"deviceCode": 7}, {"deviceCode": None}, {"other": "x"}])
    def test_a_malformed_body(self, anyone: httpx.Client, sent: Started) -> None:
        """A body without a code is a 400 that names the field."""
        answer = anyone.post("/v1/auth/device/poll", json=sent)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "deviceCode"

    def test_an_unknown_code(self, anyone: httpx.Client) -> None:
        """A code that was never given out is expired, with status 200, because the public CLI reads no other."""
        answer = poll(anyone, "0" * 64)
        assert answer.status_code == 200
        assert answer.json()["status"] == "expired"
        assert answer.json()["error"] == "device_code_expired"

    def test_before_the_person_agreed(self, anyone: httpx.Client) -> None:
        """A code that nobody typed yet is pending."""
        assert poll(anyone, start(anyone)["deviceCode"]).json() == {"status": "pending"}

    def test_a_refusal(self, stack: Stack, anyone: httpx.Client) -> None:
        """A person who says no ends the sign-in, for good."""
        started = start(anyone)
        stack.control.deny_device(started["userCode"])
        for _ in range(2):
            answer = poll(anyone, started["deviceCode"])
            assert answer.status_code == 200
            assert answer.json()["status"] == "denied"
            assert answer.json()["error"] == "authorization_denied"

    def test_an_expired_code(self, stack: Stack, anyone: httpx.Client) -> None:
        """A code past GitHub's time is expired."""
        started = start(anyone)
        stack.control.do("expire-devices")
        assert poll(anyone, started["deviceCode"]).json()["status"] == "expired"

    def test_a_token_of_another_app(self, stack: Stack, anyone: httpx.Client) -> None:
        """A token that GitHub did not issue to our App signs nobody in."""
        started, before = start(anyone), sessions(stack)
        stack.control.approve_device(started["userCode"], stack.control.login("teammate"))
        stack.control.fault("status", "*/applications/*/token", status=404)
        assert poll(anyone, started["deviceCode"]).json()["status"] == "denied"
        assert sessions(stack) == before

    @pytest.mark.parametrize("path", ["*/login/oauth/access_token", "*/applications/*/token", "*/user"])
    def test_while_github_is_away(self, stack: Stack, anyone: httpx.Client, path: str) -> None:
        """GitHub's silence is a 503 and no session; the approval is not lost, and the next poll gives the session."""
        started = start(anyone)
        stack.control.approve_device(started["userCode"], stack.control.login("reader"))
        stack.control.fault("status", path, status=502)
        answer = poll(anyone, started["deviceCode"])
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        now_due(stack)
        assert poll(anyone, started["deviceCode"]).json()["status"] == "approved"


class TestPoll:
    """What gives a session, and how often GitHub is asked for it."""

    def test_start_tells_where_to_type_what(self, stack: Stack, anyone: httpx.Client) -> None:
        """The code page is GitHub's own, and a repository that is known is chosen on the install page already."""
        started = start(anyone, repository="o/r", ownerId=11, repoId=22)
        assert len(started["deviceCode"]) == 64
        assert started["verificationUri"] == f"{stack.github_url}/login/device"
        assert started["interval"] >= 5
        assert started["expiresIn"] <= 900
        assert started["githubAppInstallUrl"].endswith("permissions?suggested_target_id=11&repository_ids[]=22")

    def test_github_is_asked_once_per_interval(self, stack: Stack, anyone: httpx.Client) -> None:
        """Twenty early polls ask GitHub once."""
        started = start(anyone)
        stack.control.reset_calls()
        assert {poll(anyone, started["deviceCode"]).json()["status"] for _ in range(20)} == {"pending"}
        assert github_polls(stack) == 1

    def test_a_lost_answer_is_given_again(self, stack: Stack, anyone: httpx.Client) -> None:
        """The same session is delivered again for a minute, and then never more."""
        started = start(anyone)
        stack.control.approve_device(started["userCode"], stack.control.login("teammate"))
        before = sessions(stack)
        first, second = (poll(anyone, started["deviceCode"]).json() for _ in range(2))
        assert first["status"] == second["status"] == "approved"
        assert first["githubLogin"] == stack.control.login("teammate")
        assert first["expiresAt"] == second["expiresAt"]
        assert sessions(stack) == before + 1
        with psycopg.connect(stack.superuser_database_url) as connection:
            connection.execute("UPDATE device_logins SET approved_at = approved_at - interval '61 seconds'")
        assert poll(anyone, started["deviceCode"]).json()["status"] == "expired"

    def test_a_hundred_polls_at_once_make_one_session(self, stack: Stack, anyone: httpx.Client) -> None:
        """However many poll, one approval is one session and one row in the audit."""
        started = start(anyone)
        stack.control.approve_device(started["userCode"], stack.control.login("maintainer"))
        before = sessions(stack)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: poll(anyone, started["deviceCode"]).json()["status"], range(100)))
        assert set(answers) <= {"approved", "pending"}
        deadline = time.monotonic() + 10
        while poll(anyone, started["deviceCode"]).json()["status"] != "approved" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert sessions(stack) == before + 1

    def test_nothing_of_the_code_is_stored(self, stack: Stack, anyone: httpx.Client) -> None:
        """The database holds a hash of our code and a sealed form of GitHub's, and the latter goes with the sign-in."""
        started = start(anyone)
        stack.control.approve_device(started["userCode"], stack.control.login("triager"))
        assert poll(anyone, started["deviceCode"]).json()["status"] == "approved"
        with psycopg.connect(stack.superuser_database_url) as connection:
            rows = connection.execute("SELECT d::text FROM device_logins d").fetchall()
            left = connection.execute(
                "SELECT count(*) FROM device_logins WHERE status = 'approved' AND github_code_sealed IS NOT NULL"
            ).fetchone()
        assert not any(started["deviceCode"] in text for (text,) in rows)
        assert left == (0,)

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_the_old_code_page_leads_to_github(self, stack: Stack, anyone: httpx.Client, method: str) -> None:
        """Whoever opens our former code page lands on GitHub's, and nothing of the query is echoed."""
        answer = anyone.request(method, "/v1/auth/device/verify", params={"user_code": "<b>AAAAA-BBBBB</b>"})
        assert answer.status_code == 302
        assert answer.headers["location"] == f"{stack.github_url}/login/device"
        assert "AAAAA" not in answer.text


class TestSession:
    """What a session says of its person, and its end."""

    @pytest.mark.parametrize("path", ["/v1/users/me", "/v1/auth/token/validate"])
    def test_nobody_without_a_credential(self, anyone: httpx.Client, path: str) -> None:
        """Without a credential nobody is told who they are."""
        method = "GET" if path.endswith("me") else "POST"
        assert anyone.request(method, path).status_code == 401

    def test_a_session_that_ended(self, stack: Stack) -> None:
        """After signing out the token is refused at once, and signing out twice is no error."""
        token = sign_in(stack, stack.control.login("reader"))
        with http(stack, token) as client:
            assert client.get("/v1/users/me").status_code == 200
            assert client.post("/v1/auth/logout").status_code == 204
            assert client.get("/v1/users/me").status_code == 401
            assert client.post("/v1/auth/logout").status_code == 204

    def test_signing_out_leaves_other_sessions_alone(self, stack: Stack) -> None:
        """The same person's other session goes on."""
        login = stack.control.login("reader")
        one, other = sign_in(stack, login), sign_in(stack, login)
        with http(stack, one) as first, http(stack, other) as second:
            first.post("/v1/auth/logout")
            assert second.get("/v1/users/me").status_code == 200

    def test_who_am_i(self, stack: Stack) -> None:
        """Both routes tell name, number and plan, as the public clients read them."""
        login = stack.control.login("founder")
        with http(stack, sign_in(stack, login)) as client:
            me = client.get("/v1/users/me").json()
            validated = client.post("/v1/auth/token/validate", json={}).json()["data"]
        assert me["data"]["username"] == validated["username"] == login
        assert me["data"]["forgeUserId"] == validated["forgeUserId"]
        assert validated["createdAt"].endswith("Z")
        assert me["meta"]["requestId"]

    def test_sign_in_and_out_are_recorded(self, stack: Stack) -> None:
        """Each leaves one row with the session that it concerns."""
        token = sign_in(stack, stack.control.login("stranger"))
        with http(stack, token) as client:
            client.post("/v1/auth/logout")
        with psycopg.connect(stack.superuser_database_url) as connection:
            rows = connection.execute(
                """SELECT action, credential_id FROM audit_events WHERE actor_login = %s
                   AND action LIKE 'user_log%%' ORDER BY at DESC LIMIT 2""",
                (stack.control.login("stranger"),),
            ).fetchall()
        assert [action for action, _ in rows] == ["user_logout", "user_login"]
        assert rows[0][1] == rows[1][1]
