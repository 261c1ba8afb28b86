"""Roles as GitHub tells them: asked once, believed for a while, not beyond an event (policy.yaml `resolution`)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import pytest
from keyway_standalone.processes import Stack
from oracle import database
from stack import sign_in

from tests.oracle import stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send


@pytest.fixture(scope="module")
def shared(stack: Stack) -> Home:
    """A vault with one value in development, for tests that leave it as it is."""
    return stage.home(stack, "roles")


@pytest.fixture
def home(stack: Stack) -> Home:
    """A vault of the test's own."""
    return stage.home(stack, "role")


@pytest.fixture
def github(stack: Stack) -> Iterator[GitHub]:
    """GitHub's side, without the calls and faults of other tests."""
    github = GitHub(stack)
    github.do("reset-calls")
    yield github
    github.do("clear-faults")


def pull(home: Home, token: str, environment: str = "development", name: str = "") -> Answer:
    """A pull of the public client."""
    path = f"/v1/secrets/pull?repo={name or home.full_name}&environment={environment}"
    return send(home.base, Call("GET", path, (bearer(token),)))


def show(home: Home, token: str, name: str = "") -> Answer:
    """The page of the vault."""
    return send(home.base, Call("GET", f"/v1/vaults/{name or home.full_name}", (bearer(token),)))


def sql(home: Home, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
    """Runs a statement as the database's administrator."""
    return database.sql(home.stack, statement, *values)


def forget(home: Home) -> None:
    """No role on this repository is remembered."""
    sql(home, "DELETE FROM role_cache WHERE github_repo_id = %s", home.repo_id)


def roles(home: Home) -> list[tuple[str | None, float]]:
    """What is remembered of this repository: role and lifetime in seconds."""
    return sql(
        home,
        "SELECT role, extract(epoch FROM expires_at - asked_at)::float8 FROM role_cache WHERE github_repo_id = %s",
        home.repo_id,
    )


class TestRefusals:
    """Who does not get in, and what that costs."""

    def test_a_refusal_is_believed_for_ten_seconds(self, shared: Home, github: GitHub) -> None:
        """Somebody without a role is refused again without a question to GitHub."""
        token = stage.stranger(shared.stack)
        assert pull(shared, token).status == 403
        asked = len(github.calls())
        assert [pull(shared, token).status for _ in range(5)] == [403] * 5
        assert len(github.calls()) == asked
        assert (None, 10.0) in roles(shared)

    def test_a_missing_repository_costs_one_question_in_ten_seconds(self, shared: Home, github: GitHub) -> None:
        """Nobody exhausts the App's rate limit with a name that does not exist."""
        token = stage.stranger(shared.stack)
        name = f"{shared.full_name}-missing"
        github.do("reset-calls")
        assert [pull(shared, token, name=name).status for _ in range(5)] == [403] * 5
        assert github.calls() == [f"GET /repos/{name}/installation"]

    def test_a_role_that_was_taken_away_ends(self, home: Home, github: GitHub) -> None:
        """When the remembered role is too old GitHub is asked again, and its new answer counts."""
        login = home.login_with("write")
        token = sign_in(home.stack, login)
        assert pull(home, token).status == 200
        github.do("set-role", repo=home.full_name, login=login, role=None)
        sql(home, "DELETE FROM role_cache WHERE github_repo_id = %s AND role = 'write'", home.repo_id)
        assert pull(home, token).status == 403

    def test_an_event_ends_what_was_remembered(self, home: Home, github: GitHub) -> None:
        """After a removal told by GitHub a remembered role counts as absent, and the next one is short-lived."""
        assert pull(home, home.token).status == 200
        sql(home, "INSERT INTO access_generations VALUES ('repository', %s, 1, clock_timestamp())", home.repo_id)
        github.do("reset-calls")
        assert pull(home, home.token).status == 200
        assert any(call.endswith("/permission") for call in github.calls())
        assert roles(home) == [("admin", 10.0)]

    def test_an_answer_from_before_an_event_is_not_believed(self, home: Home, github: GitHub) -> None:
        """GitHub is slow, a removal overtakes its answer: it is asked again, and its new answer is short-lived."""
        forget(home)
        github.do("fault", kind="delay", pattern="GET */permission", seconds=1.0, times=1)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(pull, home, home.token)
            time.sleep(0.4)
            sql(home, "INSERT INTO access_generations VALUES ('repository', %s, 1, clock_timestamp())", home.repo_id)
            assert waiting.result().status == 200
        assert sum(call.endswith("/permission") for call in github.calls()) == 2
        assert roles(home) == [("admin", 10.0)]

    def test_a_missing_permission_of_the_app_is_named(self, home: Home, github: GitHub) -> None:
        """A wrong set-up of the App is neither an outage nor a refusal of the person: it says what to change."""
        forget(home)
        github.do("install", login=home.full_name.split("/")[0], permissions={"members": "read"})
        answer = pull(home, home.token)
        assert (answer.status, "metadata: read" in answer.detail.lower()) == (403, True)
        assert roles(home) == []


class TestAppGone:
    """The App was removed (policy.yaml `app_not_installed`)."""

    @pytest.fixture
    def gone(self, home: Home, github: GitHub) -> Home:
        """A vault whose organisation has removed the App."""
        github.do("uninstall", login=home.full_name.split("/")[0])
        forget(home)
        return home

    def test_others_find_nothing(self, gone: Home) -> None:
        """A collaborator sees what anybody sees who names a repository that does not exist."""
        member = gone.with_role("write")
        there, missing = show(gone, member), show(gone, member, "nobody/nothing")
        assert there.status == 404
        assert there.comparable(gone.full_name) == missing.comparable("nobody/nothing")
        there, missing = pull(gone, member), pull(gone, member, name="nobody/nothing")
        assert there.status == 403
        assert there.comparable(gone.full_name) == missing.comparable("nobody/nothing")

    def test_the_creator_is_told_what_is_missing(self, gone: Home) -> None:
        """The creator still sees that the vault is there, nothing in it, and where to install the App."""
        page = show(gone, gone.token)
        data = page.json()["data"]
        assert (page.status, data["permission"], data["warning"]) == (200, None, "repo_inaccessible")
        refused = pull(gone, gone.token)
        assert refused.status == 403
        assert f"GitHub App not installed for {gone.full_name}" in refused.detail
        assert "/installations/new" in refused.detail

    def test_a_suspended_app_is_as_good_as_none(self, home: Home, github: GitHub) -> None:
        """Suspension by the organisation ends access as removal does."""
        github.do("suspend", login=home.full_name.split("/")[0])
        forget(home)
        assert pull(home, home.with_role("write")).status in {403, 503}
        assert pull(home, home.with_role("write")).status == 403


class TestGranted:
    """Who gets in, and at what price."""

    def test_a_warm_pull_asks_github_nothing_and_decides_in_one_statement(self, shared: Home, github: GitHub) -> None:
        """A hundred pulls: no call to GitHub, and one statement each for credential, vault, role and rules together."""
        assert pull(shared, shared.token).status == 200
        github.do("reset-calls")
        sql(shared, "SELECT statistics.pg_stat_statements_reset()")
        assert {pull(shared, shared.token).status for _ in range(100)} == {200}
        counted = sql(
            shared,
            """SELECT coalesce(sum(calls), 0)::int FROM statistics.pg_stat_statements
               WHERE query ~ '(sessions|users|vaults|role_cache|permission_overrides|organizations)'
               AND query !~ 'pg_stat_statements|last_used_at = now'""",  # noted once a minute, whenever that is
        )
        assert github.calls() == []
        assert counted == [(100,)]

    def test_many_at_once_ask_once(self, home: Home, github: GitHub) -> None:
        """Twenty cold pulls of one person at the same time are one question to GitHub."""
        forget(home)
        github.do("reset-calls")
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: pull(home, home.token).status, range(20)))
        assert set(answers) == {200}
        assert sum(call.endswith("/permission") for call in github.calls()) == 1

    def test_the_owner_of_a_repository_is_its_admin(self, stack: Stack, github: GitHub) -> None:
        """A person's own repository needs no collaborator entry; it is the number of the owner that counts."""
        login = github.user("owner")
        github.repo(f"{login}/own", {})
        github.do("install", login=login)
        token = sign_in(stack, login)
        assert stage.create_vault(stack, token, f"{login}/own")
        assert stage.push(stack, token, f"{login}/own", "production", {"A": "1"}).status == 200

    @pytest.mark.parametrize("visibility", ["public", "internal"])
    def test_where_everybody_reads_only_the_invited_get_in(self, home: Home, github: GitHub, visibility: str) -> None:
        """On a public or internal repository GitHub reports `read` for all; a collaborator has more than that."""
        invited, uninvited = home.with_role("read"), stage.stranger(home.stack)
        github.do("set-visibility", repo=home.full_name, visibility=visibility)
        forget(home)
        assert (pull(home, invited).status, pull(home, uninvited).status) == (200, 403)
        assert (show(home, invited).status, show(home, uninvited).status) == (200, 404)
