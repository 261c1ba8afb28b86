"""What guards refuse, route by route of one kind each (policy.yaml `roles.rights`, `statuses.app_not_installed`)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from keyway_standalone.processes import Stack
from permission_sets import LEAST, PUBLIC, Granted

from tests.oracle import stage
from tests.oracle.keys import sql
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send

RULE = {"environment": "nowhere"}


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """A vault that these tests leave as it is."""
    return stage.home(stack, "guards")


@pytest.fixture
def github(stack: Stack) -> Iterator[GitHub]:
    """GitHub's side, without the calls and faults of other tests."""
    github = GitHub(stack)
    github.do("reset-calls")
    yield github
    github.do("clear-faults")


def call(home: Home, token: str, method: str, path: str, body: object = None) -> Answer:
    """A call below the vault's path."""
    return send(home.base, Call(method, f"/v1/vaults/{home.full_name}{path}", (bearer(token),), body))


class TestManage:
    """Admin of the repository, or active owner of its organisation."""

    def test_less_is_refused(self, home: Home, github: GitHub) -> None:
        """A maintainer who is no owner, and one who is a plain member."""
        login = home.login_with("maintain")
        token = stage.sign_in(home.stack, login)
        assert call(home, token, "POST", "/oidc-rules", RULE).status == 403
        github.do("set-member", org=home.full_name.split("/", maxsplit=1)[0], login=login, role="member")
        assert call(home, token, "POST", "/oidc-rules", RULE).status == 403

    def test_silence_is_503(self, home: Home, github: GitHub) -> None:
        """Whether somebody owns the organisation is not known: neither yes nor no."""
        token = home.with_role("maintain")
        github.do("fault", kind="status", status=502, pattern="GET /orgs/*", times=50)
        assert call(home, token, "POST", "/oidc-rules", RULE).status == 503

    @pytest.mark.parametrize("granted", [PUBLIC, LEAST], ids=lambda granted: granted.name)
    def test_without_members_permission_admins_alone_manage(
        self, stack: Stack, github: GitHub, granted: Granted
    ) -> None:
        """The others are refused as if they were no owners."""
        own = stage.home(stack, "least", keep=False)
        token = own.with_role("maintain")
        github.do("install", login=own.full_name.split("/", maxsplit=1)[0], **granted.installing)
        assert call(own, token, "POST", "/oidc-rules", RULE).status == 403
        assert call(own, own.token, "POST", "/oidc-rules", RULE).status == 400

    def test_of_an_admin_nobody_is_asked(self, home: Home, github: GitHub) -> None:
        """The role is enough: it gets as far as the environment, which there is none of."""
        assert call(home, home.token, "POST", "/oidc-rules", RULE).status == 400
        assert [one for one in github.calls() if "memberships" in one] == []


class TestEnvironment:
    """An environment of the path."""

    def test_the_right_comes_before_existence(self, home: Home) -> None:
        """What is missing is refused as one of its kind would be: `prod` is protected, `nowhere` is not."""
        reader = home.with_role("read")
        path = "/environments/{}/revision"
        told = [call(home, reader, "GET", path.format(name)).status for name in ("production", "prod", "nowhere")]
        assert told == [403, 403, 404]
        assert call(home, stage.stranger(home.stack), "GET", path.format("development")).status == 404
        assert call(home, reader, "GET", path.format("%00")).status == 404
        assert call(home, reader, "GET", path.format("development")).status == 200


class TestSecret:
    """A secret of the path."""

    def test_foreign_missing_and_malformed_are_one_answer(self, home: Home, stack: Stack) -> None:
        """A secret of another vault, one in the trash, none, and no id."""
        other = stage.home(stack, "elsewhere")
        [(foreign,)] = sql(stack, "SELECT id FROM secrets WHERE vault_id = %s", other.vault_id)
        answers = [(name, call(home, home.token, "GET", f"/secrets/{name}/value")) for name in (foreign, uuid4(), "x")]
        assert {answer.status for _, answer in answers} == {404}
        assert len({answer.comparable(str(name)) for name, answer in answers}) == 1


class TestAppGone:
    """The App was removed."""

    def test_the_creator_is_told_and_others_find_nothing(self, stack: Stack, github: GitHub) -> None:
        """On the other routes of the vault: 403 with the way out, and 404."""
        own = stage.home(stack, "gone")
        member = own.with_role("write")
        github.do("uninstall", login=own.full_name.split("/", maxsplit=1)[0])
        sql(stack, "DELETE FROM role_cache WHERE github_repo_id = %s", own.repo_id)
        for path in ("/secrets", "/environments", "/environments/development/revision", "/trash"):
            told = call(own, own.token, "GET", path)
            assert (told.status, "GitHub App not installed" in told.detail) == (403, True), path
            assert call(own, member, "GET", path).status == 404
        assert call(own, member, "DELETE", "").status == 404
        assert call(own, own.token, "DELETE", "").status == 204
        assert call(own, own.token, "GET", "").status == 404
