"""Installations: told by webhook, healed from GitHub, and what a person sees of them by the own token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from keyway_standalone.processes import Stack
from permission_sets import FULL, Granted, with_each
from stack import sign_in

from tests.oracle import keys, stage
from tests.oracle.stage import GitHub
from tests.oracle.wire import Answer, Call, bearer, send

OWN = ["/v1/github/installations", "/v1/github/available-orgs", "/v1/github/repositories"]


@dataclass
class Somebody:
    """A person, signed in."""

    stack: Stack
    login: str
    token: str

    def get(self, path: str) -> Answer:
        """A GET with the session."""
        return send(self.stack.api_url, Call("GET", path, (bearer(self.token),)))

    def data(self, path: str) -> Any:
        """What it answers."""
        answer = self.get(path)
        assert answer.status == 200, answer.body
        return answer.json()["data"]


@pytest.fixture(scope="module")
def github(stack: Stack) -> GitHub:
    """The stand-in's world."""
    return GitHub(stack)


@pytest.fixture
def somebody(stack: Stack, github: GitHub) -> Somebody:
    """A new person."""
    login = github.user("holder")
    return Somebody(stack, login, sign_in(stack, login))


def row(stack: Stack, installation: int) -> dict[str, Any]:
    """What is kept of an installation, with its repositories."""
    with psycopg.connect(stack.app_database_url, row_factory=psycopg.rows.dict_row) as connection:
        query = """SELECT *, ARRAY(SELECT github_repo_id FROM installation_repositories AS r
                       WHERE r.installation_id = i.installation_id ORDER BY 1) AS repositories
                   FROM installations AS i WHERE installation_id = %s"""
        found = connection.execute(query, [installation]).fetchone()
    return found or {}


def settled(stack: Stack, deliveries: list[dict[str, Any]]) -> None:
    """Every one of these deliveries was taken, and its job is done."""
    assert deliveries
    assert {one["status"] for one in deliveries} == {200}
    ids = [one["delivery"] for one in deliveries]
    query = "SELECT count(*) FROM webhook_deliveries WHERE delivery_id = ANY(%s) AND applied_at IS NOT NULL"
    with psycopg.connect(stack.app_database_url, autocommit=True) as connection:
        for _ in range(1_500):
            done = connection.execute(query, [ids]).fetchone()
            if done == (len(ids),):
                return
            connection.execute("SELECT pg_sleep(0.02)")
    raise AssertionError("a delivery was not applied")


class TestRefuses:
    """Who may not, and what cannot be said."""

    @pytest.mark.parametrize("path", OWN)
    def test_anonymous_and_keys(self, stack: Stack, somebody: Somebody, path: str) -> None:
        """Sessions only."""
        assert send(stack.api_url, Call("GET", path)).status == 401
        key = keys.give(stack, somebody.token).token
        assert send(stack.api_url, Call("GET", path, (bearer(key),))).status == 403

    @pytest.mark.parametrize("path", OWN)
    def test_without_a_github_token_the_person_signs_in_again(
        self, somebody: Somebody, github: GitHub, path: str
    ) -> None:
        """403 that says so, now and at the next request; the session stays."""
        github.do("end-tokens", login=somebody.login)
        for _ in range(2):
            answer = somebody.get(path)
            assert answer.status == 403
            assert "Sign in again" in answer.detail
        assert somebody.get("/v1/users/me").status == 200

    @pytest.mark.parametrize("path", OWN)
    @pytest.mark.parametrize("kind", ["status", "reset", "not_json", "wrong_shape", "secondary_limit"])
    def test_a_github_that_does_not_answer_is_no_answer(
        self, somebody: Somebody, github: GitHub, path: str, kind: str
    ) -> None:
        """503, and never an empty list."""
        github.do("fault", kind=kind, pattern="GET /user/installations", times=1, status=502)
        assert somebody.get(path).status == 503
        github.do("clear-faults")

    def test_a_page_that_fails_is_no_shorter_list(self, somebody: Somebody, github: GitHub) -> None:
        """Of two pages one does not come: 503."""
        for index in range(101):
            github.repo(f"{somebody.login}/r{index}", {})
        github.do("install", login=somebody.login)
        github.do("fault", kind="status", pattern="GET /user/installations/*/repositories", call=2, status=500)
        assert somebody.get("/v1/github/repositories").status == 503
        github.do("clear-faults")
        answer = somebody.get("/v1/github/repositories?limit=500").json()
        assert (len(answer["data"]), answer["meta"]["pagination"]["total"]) == (101, 101)


class TestShows:
    """What a person sees: the own, and nothing of others."""

    def test_installations_of_ones_own_account_even_when_no_webhook_came(
        self, stack: Stack, somebody: Somebody, github: GitHub
    ) -> None:
        """Healed on demand; a stranger's are not there."""
        name = f"{somebody.login}/own"
        repository = github.repo(name, {})
        made = int(github.do("install", login=somebody.login, repos=[name])["id"])
        assert row(stack, made) == {}
        (shown,) = somebody.data("/v1/github/installations")["installations"]
        assert shown["installationId"] == made
        assert (shown["accountLogin"], shown["accountType"]) == (somebody.login, "user")
        assert (shown["repositorySelection"], shown["repositoryCount"]) == ("selected", 1)
        assert row(stack, made)["repositories"] == [repository]
        other = github.user("other")
        stranger = Somebody(stack, other, sign_in(stack, other))
        assert stranger.data("/v1/github/installations")["installations"] == []

    @with_each
    def test_organizations_that_can_be_connected(self, somebody: Somebody, github: GitHub, granted: Granted) -> None:
        """With the person's role where the App may ask for it; suspended ones and foreign ones are left out."""
        org, _ = github.org("joinable", somebody.login)
        gone, _ = github.org("suspended", somebody.login)
        foreign, _ = github.org("foreign", github.user("boss"))
        for login in (org, gone, foreign):
            github.do("install", login=login, **granted.installing)
        github.do("suspend", login=gone)
        shown = somebody.data("/v1/github/available-orgs")
        (one,) = shown["organizations"]
        assert (one["login"], one["status"], one["already_connected"]) == (org, "ready", False)
        assert one["user_role"] == ("admin" if granted.members else "member")
        assert shown["install_url"]

    def test_repositories_with_role_and_vault(self, stack: Stack, github: GitHub) -> None:
        """Those that the App reaches and the person has a role on, sorted by name."""
        home = stage.home(stack, "listed")
        org = home.full_name.partition("/")[0]
        github.repo(f"{org}/a-second", {home.admin: "admin"})
        reader = github.user("reader")
        github.do("set-role", repo=f"{org}/a-second", login=reader, role="read")
        admin = Somebody(stack, home.admin, home.token)
        shown = admin.data("/v1/github/repositories")
        assert [(one["fullName"], one["role"], one["hasVault"]) for one in shown] == [
            (f"{org}/a-second", "admin", False),
            (home.full_name, "admin", True),
        ]
        (only,) = Somebody(stack, reader, sign_in(stack, reader)).data("/v1/github/repositories")
        assert (only["fullName"], only["role"]) == (f"{org}/a-second", "read")


class TestHears:
    """What GitHub's deliveries leave behind."""

    def test_the_life_of_an_installation(self, stack: Stack, github: GitHub, somebody: Somebody) -> None:
        """Created, narrowed, widened, suspended, active again, removed: the row follows, and the log has two lines."""
        names = [f"{somebody.login}/{letter}" for letter in "ab"]
        ids = sorted(github.repo(name, {}) for name in names)
        made = github.do("install", login=somebody.login, repos=names, webhook=True)
        settled(stack, made["deliveries"])
        kept = row(stack, made["id"])
        assert (kept["status"], kept["repositories"], kept["account_login"]) == ("active", ids, somebody.login)
        assert kept["permissions"] == FULL.permissions
        settled(stack, github.do("install", login=somebody.login, repos=names[:1], webhook=True)["deliveries"])
        assert row(stack, made["id"])["repository_count"] == 1
        settled(stack, github.do("install", login=somebody.login, webhook=True)["deliveries"])
        assert (row(stack, made["id"])["repository_selection"], row(stack, made["id"])["repositories"]) == ("all", [])
        settled(stack, github.do("suspend", login=somebody.login, webhook=True)["deliveries"])
        assert row(stack, made["id"])["status"] == "suspended"
        settled(stack, github.do("suspend", login=somebody.login, suspended=False, webhook=True)["deliveries"])
        assert row(stack, made["id"])["status"] == "active"
        settled(stack, github.do("uninstall", login=somebody.login, webhook=True)["deliveries"])
        assert row(stack, made["id"])["status"] == "deleted"
        with psycopg.connect(stack.app_database_url) as connection:
            query = """SELECT action, actor_login FROM audit_events
                       WHERE (details->>'installationId')::bigint = %s ORDER BY at"""
            recorded = connection.execute(query, [made["id"]]).fetchall()
        assert recorded == [("vcs_app_installed", somebody.login), ("vcs_app_uninstalled", somebody.login)]

    def test_a_creation_that_is_told_after_the_removal(self, stack: Stack, github: GitHub, somebody: Somebody) -> None:
        """What gives is read from GitHub, so an old word brings nothing back."""
        held = {"hold": True}
        made = github.do("install", login=somebody.login, webhook=held)
        github.do("uninstall", login=somebody.login, webhook=held)
        settled(stack, github.do("release-webhooks", backwards=True)["deliveries"])
        assert row(stack, made["id"])["status"] == "deleted"

    def test_names_of_repositories_and_owners_follow(self, stack: Stack, github: GitHub) -> None:
        """Renamed, transferred and opened repositories, and a renamed organisation: labels of the vault follow."""
        home = stage.home(stack, "moving")
        org = home.full_name.partition("/")[0]
        told = github.do("rename-repo", repo=home.full_name, name="renamed", webhook=True)
        settled(stack, told["deliveries"])
        assert labels(stack, home.repo_id) == (org, "renamed", True)
        told = github.do("set-visibility", repo=f"{org}/renamed", visibility="public", webhook=True)
        settled(stack, told["deliveries"])
        assert labels(stack, home.repo_id) == (org, "renamed", False)
        new = f"{org}-{secrets.token_hex(3)}"
        told = github.do("rename-account", login=org, new=new, webhook=True)
        settled(stack, told["deliveries"])
        assert labels(stack, home.repo_id) == (new, "renamed", False)
        path = f"/v1/secrets/pull?repo={new}/renamed&environment=development"
        assert send(stack.api_url, Call("GET", path, (bearer(home.token),))).status == 200

    def test_members_of_an_organization_come_and_go(self, stack: Stack, github: GitHub) -> None:
        """The App's installation brings the roster, and each change of it follows."""
        admin, login = github.user("boss"), github.user("joiner")
        org, number = github.org("roster", admin)
        settled(stack, github.do("install", login=org, webhook=True)["deliveries"])
        roster_is(stack, number, {admin})
        github.do("set-member", org=org, login=login, role="member", webhook=True)
        roster_is(stack, number, {admin, login})
        github.do("set-member", org=org, login=login, role=None, webhook=True)
        roster_is(stack, number, {admin})


def labels(stack: Stack, repository: int) -> tuple[str, str, bool]:
    """What a vault's row calls its repository."""
    query = "SELECT owner_login, repo_name, private FROM vaults WHERE github_repo_id = %s AND deleted_at IS NULL"
    with psycopg.connect(stack.app_database_url) as connection:
        found = connection.execute(query, [repository]).fetchone()
    assert found is not None
    return found[0], found[1], found[2]


def roster_is(stack: Stack, organization: int, logins: set[str]) -> None:
    """Returns when the kept roster is that."""
    query = """SELECT m.login FROM organization_members AS m JOIN organizations AS o ON o.id = m.organization_id
               WHERE o.github_org_id = %s"""
    with psycopg.connect(stack.app_database_url, autocommit=True) as connection:
        for _ in range(1_500):
            found = {login for (login,) in connection.execute(query, [organization])}
            if found == logins:
                return
            connection.execute("SELECT pg_sleep(0.02)")
    raise AssertionError(f"the roster is {found}")
