"""People who show a GitHub token of their own, where GITHUB_PAT_LOGIN allows it (policy.yaml `credentials.pat`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from keyway_standalone.processes import Stack
from stack import running_stack

from tests.oracle import stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A vault on an installation that accepts GitHub's tokens."""
    with running_stack(backend_env={"GITHUB_PAT_LOGIN": "true"}) as stack:
        yield stage.home(stack, "pat")


def ask(home: Home, token: str, path: str = "") -> Answer:
    """A pull with this credential."""
    path = path or f"/v1/secrets/pull?repo={home.full_name}&environment=development"
    return send(home.base, Call("GET", path, (bearer(token),)))


@pytest.mark.parametrize("kind", ["gho", "ghs", "ghr"])
def test_a_token_of_another_app_is_401(home: Home, kind: str) -> None:
    """A user token counts when GitHub says that it was issued to our App, and no other kind counts at all."""
    assert ask(home, home.stack.control.mint_user_token(home.admin, kind)).status == 401


@pytest.mark.parametrize("token", ["ghp_" + "0" * 36, "github_pat_" + "0" * 82, "ghu_" + "0" * 36, "ghp_"])
def test_a_token_that_github_does_not_know_is_401(home: Home, token: str) -> None:
    """What GitHub refuses is refused."""
    assert ask(home, token).status == 401


def test_it_proves_identity_and_nothing_else(home: Home) -> None:
    """Somebody without a role gets no further with a token of GitHub's than with a session."""
    stranger = GitHub(home.stack).user("stranger")
    assert ask(home, home.stack.control.mint_user_token(stranger, "ghp")).status == 403


@pytest.mark.parametrize("kind", ["ghp", "github_pat", "ghu"])
def test_it_stands_for_its_person(home: Home, kind: str) -> None:
    """The rights are those that the person has by the repository, and the caller is told who that is."""
    token = home.stack.control.mint_user_token(home.admin, kind)
    assert ask(home, token).status == 200
    assert ask(home, token, "/v1/users/me").json()["data"]["username"] == home.admin


def test_it_is_asked_about_once_a_minute(home: Home) -> None:
    """Ten requests with a token are one question whose it is."""
    token = home.stack.control.mint_user_token(home.admin, "ghp")
    github = GitHub(home.stack)
    github.do("reset-calls")
    assert {ask(home, token).status for _ in range(10)} == {200}
    assert github.calls().count("GET /user") == 1


def test_silence_of_github_is_503(home: Home) -> None:
    """Whose a token is cannot be said right now: neither let in nor signed out."""
    token = home.stack.control.mint_user_token(home.admin, "ghp")
    GitHub(home.stack).do("fault", kind="reset", pattern="GET /user", times=1)
    answer = ask(home, token)
    assert (answer.status, answer.header("retry-after")) == (503, "5")


def test_switched_off_it_is_401_and_goes_nowhere(stack: Stack) -> None:
    """By default no string is sent to GitHub."""
    github = GitHub(stack)
    token = stack.control.mint_user_token(github.user("person"), "ghp")
    github.do("reset-calls")
    assert send(stack.api_url, Call("GET", "/v1/users/me", (bearer(token),))).status == 401
    assert github.calls() == []
