"""People who show a GitHub token of their own, where GITHUB_PAT_LOGIN allows it (policy.yaml `credentials.pat`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from keyway_standalone.processes import Stack
from stack import running_stack

from tests.oracle import stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, address, bearer, send


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A vault on an installation that accepts GitHub's tokens."""
    with running_stack(backend_env={"GITHUB_PAT_LOGIN": "true"}) as stack:
        yield stage.home(stack, "pat")


def ask(home: Home, token: str, path: str = "", source: str | None = None) -> Answer:
    """A pull with this credential."""
    path = path or f"/v1/secrets/pull?repo={home.full_name}&environment=development"
    return send(home.base, Call("GET", path, (bearer(token),)), source=source)


def invented(number: int) -> str:
    """A string that looks like a token of GitHub's."""
    return f"ghp_{number:036d}"


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


def test_a_refused_one_is_not_asked_about_again(home: Home) -> None:
    """The same string, sent five times from five addresses, costs GitHub one question."""
    github = GitHub(home.stack)
    github.do("reset-calls")
    assert [ask(home, invented(1)).status for _ in range(5)] == [401] * 5
    assert github.calls() == ["GET /user"]


def test_what_no_token_can_look_like_is_asked_about_never(home: Home) -> None:
    """GitHub's tokens are letters, digits and underscores."""
    github = GitHub(home.stack)
    github.do("reset-calls")
    assert {ask(home, f"ghp_{'a' * 30}{bad}").status for bad in ("-", ".", "/../", "!", "a" * 300)} == {401}
    assert github.calls() == []


def test_whoever_invents_them_runs_into_a_limit_before_github_is_asked(home: Home) -> None:
    """Ten strings of an address in a minute; then 429 without a question. A token that GitHub knew goes on, from that
    address too, and a stranger's first one from another address."""
    here, github = address(), GitHub(home.stack)
    known = home.stack.control.mint_user_token(home.admin, "ghp")
    assert ask(home, known).status == 200
    github.do("reset-calls")
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda n: ask(home, invented(1_000 + n), source=here).status, range(24)))
    assert Counter(statuses) == {401: 10, 429: 14}
    assert github.calls().count("GET /user") == 10
    assert ask(home, known, source=here).status == 200
    assert ask(home, home.stack.control.mint_user_token(home.admin, "ghp")).status == 200
    refused = ask(home, invented(2_000), source=here)
    assert (refused.status, refused.header("ratelimit-limit")) == (429, "10")


def test_tokens_that_github_knows_do_not_count(home: Home) -> None:
    """Twelve people behind one address begin their day."""
    here = address()
    tokens = [home.stack.control.mint_user_token(home.admin, "ghp") for _ in range(12)]
    assert {ask(home, token, source=here).status for token in tokens} == {200}


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
