"""The list of one's vaults: what it costs, and what it shows when GitHub is silent (assurance.md A-03, A-08)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from keyway_standalone.processes import Stack
from stack import sign_in

from tests.oracle import stage
from tests.oracle.keys import sql
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send

FEW = 4


@pytest.fixture
def github(stack: Stack) -> Iterator[GitHub]:
    """GitHub's side, without the calls and faults of other tests."""
    github = GitHub(stack)
    yield github
    github.do("clear-faults")


@pytest.fixture(scope="module")
def many(stack: Stack) -> Home:
    """Four vaults of one organisation, and thirty repositories without."""
    home = stage.home(stack, "many", keep=False)
    github = GitHub(stack)
    org = home.full_name.split("/", maxsplit=1)[0]
    for number in range(30):
        github.repo(f"{org}/r{number}", {home.admin: "admin"})
    for number in range(FEW - 1):
        stage.create_vault(stack, home.token, f"{org}/r{number}")
    return home


def listed(home: Home, token: str) -> Answer:
    """The caller's vaults."""
    return send(home.base, Call("GET", "/v1/vaults", (bearer(token),)))


def forget(stack: Stack, login: str) -> None:
    """Nothing is remembered of a person's roles."""
    sql(
        stack,
        """DELETE FROM role_cache WHERE github_user_id = (SELECT github_user_id FROM users WHERE login = %s)""",
        login,
    )


class TestRefused:
    """What a list does not show, and when there is none."""

    def test_silence_is_no_empty_list(self, many: Home, github: GitHub) -> None:
        """Nothing known and nothing told: 503."""
        forget(many.stack, many.admin)
        github.do("fault", kind="status", status=502, pattern="GET /user/installations*", times=50)
        assert listed(many, many.token).status == 503

    def test_a_stranger_reading_a_public_repository(self, many: Home, github: GitHub) -> None:
        """Nothing of it is in the list of somebody whom nobody invited, though GitHub says `read` of everybody."""
        public = stage.home(many.stack, "open", keep=False)
        github.do("set-visibility", repo=public.full_name, visibility="public")
        assert listed(many, stage.stranger(many.stack)).json()["data"] == []

    def test_a_forged_listing_is_asked_for_again(self, many: Home, github: GitHub) -> None:
        """Neither a role nor the note that all were listed counts when somebody else wrote it."""
        stranger = github.user("forger")
        token = sign_in(many.stack, stranger)
        assert listed(many, token).json()["data"] == []
        sql(
            many.stack,
            """INSERT INTO role_cache
               SELECT u.github_user_id, %s, 'admin', 1, now(), now() + interval '1 hour', ''
               FROM users AS u WHERE u.login = %s""",
            many.repo_id,
            stranger,
        )
        assert listed(many, token).json()["data"] == []

    def test_who_was_removed_sees_it_no_longer(self, many: Home, github: GitHub) -> None:
        """When what was remembered is over."""
        login = many.login_with("write")
        token = sign_in(many.stack, login)
        assert [one["id"] for one in listed(many, token).json()["data"]] == [many.vault_id]
        github.do("set-role", repo=many.full_name, login=login, role=None)
        sql(many.stack, "DELETE FROM role_cache WHERE github_repo_id IN (0, %s) AND role IS NULL", many.repo_id)
        sql(many.stack, "UPDATE role_cache SET expires_at = now(), mac = mac WHERE role = 'write'")
        assert listed(many, token).json()["data"] == []


class TestCost:
    """Questions to GitHub, and statements."""

    def test_cold_is_two_calls_and_warm_is_none(self, many: Home, github: GitHub) -> None:
        """However many repositories there are: the person's installations, and a page of repositories of each."""
        forget(many.stack, many.admin)
        github.do("reset-calls")
        assert len(listed(many, many.token).json()["data"]) == FEW
        cold = github.calls()
        assert sorted({call.split("/")[-1] for call in cold}) == ["installations", "repositories"]
        assert len(cold) == 2
        github.do("reset-calls")
        assert len(listed(many, many.token).json()["data"]) == FEW
        assert github.calls() == []

    def test_a_new_vault_is_there_at_once(self, many: Home, github: GitHub) -> None:
        """In the list of somebody else as well, who listed a moment ago."""
        login = github.user("waiting")
        org = many.full_name.split("/", maxsplit=1)[0]
        github.repo(f"{org}/soon", {many.admin: "admin", login: "read"})
        token = sign_in(many.stack, login)
        assert listed(many, token).json()["data"] == []
        made = stage.create_vault(many.stack, many.token, f"{org}/soon")
        assert [one["id"] for one in listed(many, token).json()["data"]] == [made]

    def test_a_silent_installation_hides_its_own_vaults_alone(self, many: Home, github: GitHub) -> None:
        """What does not depend on it is shown."""
        other = stage.home(many.stack, "other", keep=False)
        login = github.user("both")
        for home in (many, other):
            github.do("set-role", repo=home.full_name, login=login, role="write")
        token = sign_in(many.stack, login)
        installation = github.do("install", login=other.full_name.split("/", maxsplit=1)[0])["id"]
        github.do("fault", kind="hang", pattern=f"GET /user/installations/{installation}/*", times=50)
        assert [one["id"] for one in listed(many, token).json()["data"]] == [many.vault_id]
        github.do("clear-faults")
        assert {one["id"] for one in listed(many, token).json()["data"]} == {many.vault_id, other.vault_id}

    def test_without_a_token_of_the_person(self, many: Home) -> None:
        """One question per repository on which the person is known."""
        sql(
            many.stack,
            "DELETE FROM github_tokens WHERE user_id = (SELECT id FROM users WHERE login = %s)",
            many.admin,
        )
        sql(many.stack, "DELETE FROM role_cache WHERE github_repo_id = 0")
        assert len(listed(many, many.token).json()["data"]) >= FEW
