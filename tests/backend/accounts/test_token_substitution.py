"""GitHub's tokens as credentials, where they are allowed: another App's are not ours (assurance N-03)."""

from __future__ import annotations

import pytest
from keyway_standalone.processes import Stack
from stack import http

from tests.oracle.stage import GitHub


def me(stack: Stack, token: str, path: str = "/v1/users/me") -> int:
    """The status with a token."""
    with http(stack, token) as client:
        return client.get(path).status_code


@pytest.fixture(scope="module")
def login(open_stack: Stack) -> str:
    """Somebody on GitHub."""
    return GitHub(open_stack).user("holder")


class TestRefused:
    """Tokens that prove nothing to us."""

    @pytest.mark.parametrize("kind", ["gho", "ghu"])
    def test_of_another_app(self, open_stack: Stack, login: str, kind: str) -> None:
        """A user token that GitHub issued to somebody else's App."""
        token = GitHub(open_stack).do("mint-token", login=login, kind=kind, ours=False)["token"]
        assert me(open_stack, token) == 401

    @pytest.mark.parametrize("kind", ["ghp", "github_pat", "ghu"])
    def test_expired_and_revoked(self, open_stack: Stack, login: str, kind: str) -> None:
        """A token that GitHub does not take any more."""
        github = GitHub(open_stack)
        expired = github.do("mint-token", login=login, kind=kind, seconds=-1)["token"]
        assert me(open_stack, expired) == 401
        person = github.user("gone")
        revoked = github.do("mint-token", login=person, kind=kind)["token"]
        github.do("end-tokens", login=person)
        assert me(open_stack, revoked) == 401

    @pytest.mark.parametrize("path", ["/v1/auth/sessions", "/v1/users/me/usage", "/v1/api-keys"])
    def test_what_only_a_session_opens(self, open_stack: Stack, login: str, path: str) -> None:
        """A token of GitHub's proves identity: it manages neither sessions nor keys."""
        token = GitHub(open_stack).do("mint-token", login=login, kind="ghp")["token"]
        assert me(open_stack, token) == 200
        assert me(open_stack, token, path) == 403

    @pytest.mark.parametrize("kind", ["ghp", "github_pat", "ghu", "gho"])
    def test_as_something_else(self, open_stack: Stack, login: str, kind: str) -> None:
        """Neither as a cookie, nor as a one-time code, nor as a device code."""
        token = GitHub(open_stack).do("mint-token", login=login, kind=kind)["token"]
        with http(open_stack) as client:
            assert client.get("/v1/users/me", headers={"Cookie": f"keyway_session={token}"}).status_code == 401
            body = {"code": token, "codeVerifier": "x" * 43, "redirectOrigin": open_stack.dashboard_url}
            assert client.post("/v1/auth/session/exchange", json=body).status_code == 401
            polled = client.post("/v1/auth/device/poll", json={"deviceCode": token}).json()
            assert polled["status"] == "expired"
