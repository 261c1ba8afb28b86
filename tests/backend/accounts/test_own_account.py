"""What is the caller's own: sessions and their end, who one is, what one uses (assurance N-06, N-12)."""

from __future__ import annotations

import uuid

import httpx
import psycopg
import pytest
from keyway_standalone.processes import Stack
from stack import http, sign_in

from tests.oracle import stage
from tests.oracle.stage import GitHub


def person(stack: Stack, count: int = 1) -> list[str]:
    """Sessions of somebody new."""
    login = GitHub(stack).user("person")
    return [sign_in(stack, login) for _ in range(count)]


def ask(stack: Stack, token: str, path: str = "/v1/users/me", method: str = "GET") -> httpx.Response:
    """A request with a session."""
    with http(stack, token) as client:
        return client.request(method, path)


def listed(stack: Stack, token: str) -> list[dict[str, object]]:
    """The sessions that a person sees."""
    found: list[dict[str, object]] = ask(stack, token, "/v1/auth/sessions").json()["data"]
    return found


def set_session(stack: Stack, session_id: object, **columns: str) -> None:
    """Moves times of a session; the values are SQL."""
    assignments = ", ".join(f"{name} = {value}" for name, value in columns.items())
    with psycopg.connect(stack.superuser_database_url) as connection:
        connection.execute(f"UPDATE sessions SET {assignments} WHERE id = %s".encode(), (str(session_id),))


class TestSessionsRefuse:
    """Somebody else's session is none."""

    def test_a_foreign_one(self, stack: Stack) -> None:
        """Foreign, missing and malformed ids are one 404, and the foreign session lives on."""
        (mine,), (theirs,) = person(stack), person(stack)
        foreign = listed(stack, theirs)[0]["id"]
        answers = [
            ask(stack, mine, f"/v1/auth/sessions/{number}", "DELETE") for number in (foreign, uuid.uuid4(), "x", "%00")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.json()["detail"] for answer in answers}) == 1
        assert ask(stack, theirs).status_code == 200

    def test_what_is_no_session(self, stack: Stack) -> None:
        """Without a credential, or with one that is over: 401."""
        with http(stack) as client:
            assert client.get("/v1/auth/sessions").status_code == 401
            assert client.delete("/v1/auth/sessions").status_code == 401
            assert client.delete(f"/v1/auth/sessions/{uuid.uuid4()}").status_code == 401

    @pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "offset=-1"])
    def test_a_page_that_is_none(self, stack: Stack, query: str) -> None:
        """Limits are those of policy.yaml."""
        (token,) = person(stack)
        assert ask(stack, token, f"/v1/auth/sessions?{query}").status_code == 400


class TestSessions:
    """Listing and ending them."""

    def test_one_sees_ones_own(self, stack: Stack) -> None:
        """Newest first, with where they came from; one of them is this one."""
        first, second = person(stack, 2)
        found = listed(stack, first)
        assert [one["current"] for one in found] == [False, True]
        assert {one["kind"] for one in found} == {"cli"}
        assert set(found[0]) == {
            "id", "kind", "current", "userAgent", "ip", "createdAt", "lastUsedAt", "expiresAt",
        }  # fmt: skip
        page = ask(stack, second, "/v1/auth/sessions?limit=1&offset=1").json()
        assert page["meta"]["pagination"] == {"total": 2, "limit": 1, "offset": 1, "hasMore": False}

    def test_ending_one(self, stack: Stack) -> None:
        """It is refused with the next request, the others go on, and a second time there is nothing to end."""
        first, second = person(stack, 2)
        other = next(one["id"] for one in listed(stack, first) if not one["current"])
        path = f"/v1/auth/sessions/{other}"
        assert ask(stack, first, path, "DELETE").status_code == 204
        assert ask(stack, second).status_code == 401
        assert ask(stack, first).status_code == 200
        assert ask(stack, first, path, "DELETE").status_code == 404

    def test_ending_this_one(self, stack: Stack) -> None:
        """A session may end itself."""
        (token,) = person(stack)
        assert ask(stack, token, f"/v1/auth/sessions/{listed(stack, token)[0]['id']}", "DELETE").status_code == 204
        assert ask(stack, token).status_code == 401

    def test_ending_all_others(self, stack: Stack) -> None:
        """Every session but the one that asks, each with a row in the audit."""
        kept, *others = person(stack, 4)
        assert ask(stack, kept, "/v1/auth/sessions", "DELETE").json()["data"] == {"revoked": 3}
        assert [ask(stack, token).status_code for token in others] == [401] * 3
        assert ask(stack, kept).status_code == 200
        with psycopg.connect(stack.superuser_database_url) as connection:
            row = connection.execute(
                """SELECT count(*), count(DISTINCT details->>'sessionId') FROM audit_events
                   WHERE action = 'session_revoked' AND credential_id = %s""",
                (listed(stack, kept)[0]["id"],),
            ).fetchone()
        assert row == (3, 3)

    def test_tokens_of_github_go_with_the_last_one(self, stack: Stack) -> None:
        """Nothing of GitHub's is kept for somebody who is signed in nowhere."""
        first, second = person(stack, 2)
        number = ask(stack, first).json()["data"]["id"]

        def kept() -> int:
            with psycopg.connect(stack.superuser_database_url) as connection:
                statement = "SELECT count(*) FROM github_tokens WHERE user_id = %s"
                row = connection.execute(statement, (number,)).fetchone()
            return int(row[0]) if row else 0

        assert ask(stack, first, "/v1/auth/logout", "POST").status_code == 204
        assert kept() == 1
        assert ask(stack, second, "/v1/auth/logout", "POST").status_code == 204
        assert kept() == 0


class TestMe:
    """Who one is."""

    def test_the_shape(self, stack: Stack) -> None:
        """The fields that the public clients read, and no others."""
        (token,) = person(stack)
        data = ask(stack, token).json()["data"]
        assert set(data) == {
            "id", "forgeType", "forgeUserId", "username", "email", "avatarUrl", "plan", "createdAt",
        }  # fmt: skip
        assert (data["forgeType"], data["plan"]) == ("github", "business")
        assert data["createdAt"].endswith("Z")

    def test_what_one_uses(self, stack: Stack) -> None:
        """Billing off: no limit; vaults are counted by what GitHub says of their repositories."""
        home = stage.home(stack, "usage", keep=False)
        assert ask(stack, home.token, "/v1/users/me/usage").json()["data"] == {
            "plan": "business",
            "limits": dict.fromkeys(
                (
                    "maxPublicRepos",
                    "maxPrivateRepos",
                    "maxProviders",
                    "maxEnvironmentsPerVault",
                    "maxSecretsPerPrivateVault",
                ),
                "unlimited",
            ),
            "usage": {"public": 0, "private": 1, "providers": 0},
        }
