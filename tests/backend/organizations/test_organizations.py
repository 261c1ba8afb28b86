"""Organisations: who may see and change them, their settings, their roster (contract.md 4.9)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from keyway_backend.features.organizations.service import ROSTER_JOB
from keyway_standalone.processes import Stack
from permission_sets import LEAST, PUBLIC
from stack import sign_in

from tests.backend.permissions.desk import MOMENT, alarms, pulled, sql
from tests.oracle import stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send

ITEM: Final = {
    "id", "forgeType", "forgeOrgId", "login", "displayName", "avatarUrl", "plan", "memberCount", "vaultCount",
    "createdAt", "updatedAt", "role",
}  # fmt: skip
DETAILS: Final = ITEM | {
    "members", "defaultPermissions", "stripeCustomerId", "trial", "trialDurationDays", "effectivePlan",
}  # fmt: skip


@dataclass
class Team:
    """A connected organisation: its owner, a member, and a vault of theirs."""

    home: Home
    member_login: str
    member: str

    @property
    def login(self) -> str:
        """The organisation's."""
        return self.home.full_name.split("/")[0]

    @property
    def github(self) -> GitHub:
        """GitHub's side."""
        return GitHub(self.home.stack)

    def ask(self, method: str, path: str = "", body: Any = None, *, token: str | None = None) -> Answer:
        """A request about the organisation, as its owner or with another session."""
        call = Call(method, f"/v1/orgs/{self.login}{path}", (bearer(token or self.home.token),), body)
        return send(self.home.base, call)


def everything(team: Team, token: str | None) -> list[tuple[str, str, Answer]]:
    """Every route of the organisation, tried once."""
    routes = [
        ("GET", "", None), ("GET", "/members", None), ("PUT", "", {"displayName": "Mine"}),
        ("POST", "/members/sync", None),
    ]  # fmt: skip
    return [(method, path, team.ask(method, path, body, token=token)) for method, path, body in routes]


def connect(stack: Stack, token: str, login: Any) -> Answer:
    """A request for a connection."""
    return send(stack.api_url, Call("POST", "/v1/orgs/connect", (bearer(token),), {"orgLogin": login}))


def listed(stack: Stack, token: str) -> list[dict[str, Any]]:
    """The caller's organisations."""
    answer = send(stack.api_url, Call("GET", "/v1/orgs", (bearer(token),)))
    assert answer.status == 200, answer.body
    return list(answer.json()["data"])


def made(stack: Stack, stem: str) -> Team:
    """A connected organisation with one member besides its owner."""
    home, github = stage.home(stack, stem), GitHub(stack)
    login = github.user("member")
    org = home.full_name.split("/")[0]
    github.do("set-member", org=org, login=login, role="member")
    answer = connect(stack, home.token, org)
    assert answer.status == 200, answer.body
    return Team(home, login, sign_in(stack, login))


def wait_for_roster(team: Team) -> None:
    """Until the jobs of the vault and of the connection are done; a done job is gone."""
    deadline = time.monotonic() + 60
    while sql(
        team.home.stack,
        "SELECT 1 FROM procrastinate_jobs WHERE task_name = %s AND args->>'github_org_id' = %s",
        ROSTER_JOB,
        str(team.home.owner_id),
    ):
        assert time.monotonic() < deadline, "the roster did not come"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def shared(stack: Stack) -> Team:
    """An organisation of which nothing is changed."""
    return made(stack, "club")


@pytest.fixture
def team(stack: Stack) -> Team:
    """An organisation of the test's own."""
    return made(stack, "crew")


@pytest.fixture(params=[PUBLIC, LEAST], ids=lambda granted: granted.name)
def least(team: Team, request: pytest.FixtureRequest) -> Iterator[Team]:
    """One that gave the App no permission to read members."""
    team.github.do("install", login=team.login, **request.param.installing)
    yield team
    team.github.do("install", login=team.login)


class TestRefuses:
    def test_strangers_find_nothing(self, shared: Team) -> None:
        """404 on every route, as for an organisation that is not connected."""
        token = stage.stranger(shared.home.stack)
        for method, path, answer in everything(shared, token):
            assert answer.status == 404, (method, path)
        missing = send(shared.home.base, Call("GET", "/v1/orgs/nobody-of-this-name", (bearer(token),)))
        assert missing.comparable("nobody-of-this-name") == shared.ask("GET", token=token).comparable(shared.login)

    def test_an_outside_collaborator_is_no_member(self, shared: Team) -> None:
        """A role on a repository of the organisation opens nothing of the organisation."""
        token = shared.home.with_role("admin")
        assert {answer.status for _, _, answer in everything(shared, token)} == {404}
        assert listed(shared.home.stack, token) == []
        assert connect(shared.home.stack, token, shared.login).status == 403

    def test_members_change_nothing(self, shared: Team) -> None:
        """They see it; 403 on what changes it."""
        statuses = {(method, path): answer.status for method, path, answer in everything(shared, shared.member)}
        assert statuses == {
            ("GET", ""): 200, ("GET", "/members"): 200, ("PUT", ""): 403, ("POST", "/members/sync"): 403,
        }  # fmt: skip

    def test_who_left_is_out_at_once(self, team: Team) -> None:
        """Nothing is remembered of a membership: neither the roster's row nor an answer of GitHub."""
        assert team.ask("POST", "/members/sync").status == 200
        assert [one["login"] for one in listed(team.home.stack, team.member)] == [team.login]
        team.github.do("set-member", org=team.login, login=team.member_login, role=None)
        assert listed(team.home.stack, team.member) == []
        assert team.ask("GET", token=team.member).status == 404

    def test_what_cannot_be_connected(self, shared: Team, stack: Stack) -> None:
        """Unknown, foreign, without the App, a person: one 403."""
        github = GitHub(stack)
        bare, _ = github.org("bare", shared.home.admin)
        foreign, _ = github.org("foreign", github.user("boss"))
        github.do("install", login=foreign)
        answers = [
            connect(stack, shared.home.token, name)
            for name in (bare, foreign, shared.home.admin, "nobody-of-this-name")
        ]
        assert {answer.status for answer in answers} == {403}
        assert len({answer.detail for answer in answers}) == 1

    @pytest.mark.parametrize("login", [None, "", 7, "a/b", "x" * 101, "a b", ["x"], "näh"])
    def test_a_login_of_the_wrong_form(self, shared: Team, login: Any) -> None:
        """400."""
        assert connect(shared.home.stack, shared.home.token, login).status == 400

    @pytest.mark.parametrize(
        "body",
        [{"displayName": "x" * 101}, {"displayName": 7}, {"displayName": "a\nb"}, {"defaultPermissions": []},
         {"defaultPermissions": {"owner": {}}}, {"defaultPermissions": {"read": {"secret": {}}}},
         {"defaultPermissions": {"read": {"protected": {"delete": True}}}},
         {"defaultPermissions": {"read": {"protected": {"read": "yes"}}}},
         {"defaultPermissions": {"read": {"protected": True}}}],
    )  # fmt: skip
    def test_settings_of_the_wrong_form(self, shared: Team, body: dict[str, Any]) -> None:
        """400, and nothing changes."""
        before = shared.ask("GET").json()["data"]
        assert shared.ask("PUT", "", body).status == 400
        after = shared.ask("GET").json()["data"]
        assert (after["updatedAt"], after["defaultPermissions"]) == (before["updatedAt"], {})

    def test_github_that_does_not_answer(self, team: Team) -> None:
        """503 on every route: neither in nor out."""
        team.github.do("fault", kind="status", pattern=f"GET /orgs/{team.login}*", times=0)
        try:
            assert {answer.status for _, _, answer in everything(team, None)} == {503}
        finally:
            team.github.do("clear-faults")

    def test_without_the_permission_to_read_members(self, least: Team) -> None:
        """403 naming the permission; the list goes on without it; roles on its vaults are unaffected."""
        for method, path, answer in everything(least, None):
            assert answer.status == 403, (method, path)
            assert "Members: read" in answer.detail
        refused = connect(least.home.stack, least.home.token, least.login)
        assert (refused.status, "Members: read" in refused.detail) == (403, True)
        assert listed(least.home.stack, least.home.token) == []
        assert pulled(least.home, least.home.with_role("read"), "development") == 200


class TestShows:
    def test_a_list_and_the_details(self, team: Team) -> None:
        """The exact shapes, with the role of the caller; addresses of others are for owners."""
        team.ask("POST", "/members/sync")
        [item] = listed(team.home.stack, team.home.token)
        assert set(item) == ITEM
        assert (item["login"], item["role"], item["plan"], item["forgeOrgId"]) == (
            team.login, "owner", "business", str(team.home.owner_id),
        )  # fmt: skip
        assert (item["memberCount"], item["vaultCount"]) == (2, 1)
        assert MOMENT.fullmatch(item["createdAt"])
        owners = team.ask("GET").json()["data"]
        assert set(owners) == DETAILS
        assert owners["trial"] == {
            "status": "none", "startedAt": None, "endsAt": None, "convertedAt": None, "daysRemaining": None,
        }  # fmt: skip
        assert (owners["trialDurationDays"], owners["effectivePlan"], owners["stripeCustomerId"]) == (
            15,
            "business",
            None,
        )
        assert set(owners["members"][0]) == {
            "id", "userId", "username", "avatarUrl", "email", "orgRole", "membershipState", "joinedAt",
        }  # fmt: skip
        assert all(line["email"] for line in owners["members"])
        theirs = team.ask("GET", token=team.member).json()["data"]
        assert theirs["role"] == "member"
        assert {line["username"]: bool(line["email"]) for line in theirs["members"]} == {
            team.home.admin: False, team.member_login: True,
        }  # fmt: skip

    def test_a_list_that_the_kept_roster_is_behind(self, team: Team) -> None:
        """Whoever joined is in the list at once, with whatever role; whoever left is not, though still on the roster;
        and somebody whom GitHub shows the installation to for a repository's sake is no member."""
        wait_for_roster(team)
        stack, github = team.home.stack, team.github
        newcomer, helper = github.user("newcomer"), github.user("helper")
        github.do("set-member", org=team.login, login=newcomer, role="member")
        for login in (newcomer, helper):
            github.do("set-role", repo=team.home.full_name, login=login, role="read")
        [item] = listed(stack, sign_in(stack, newcomer))
        assert (item["login"], item["role"]) == (team.login, "member")
        assert listed(stack, sign_in(stack, helper)) == []
        github.do("set-member", org=team.login, login=team.member_login, role=None)
        assert listed(stack, team.member) == []

    def test_a_list_for_somebody_whose_token_is_gone(self, team: Team) -> None:
        """Their session stays; the kept roster says where to ask."""
        wait_for_roster(team)
        sql(
            team.home.stack,
            "DELETE FROM github_tokens WHERE user_id = (SELECT id FROM users WHERE login = %s)",
            team.member_login,
        )
        assert [item["login"] for item in listed(team.home.stack, team.member)] == [team.login]

    def test_the_roster_of_now(self, team: Team) -> None:
        """Read from GitHub at once, owners first, whoever signed in by id and the others by number."""
        newcomer = team.github.user("newcomer")
        team.github.do("set-member", org=team.login, login=newcomer, role="member")
        lines = team.ask("GET", "/members", token=team.member).json()["data"]
        assert set(lines[0]) == {"id", "username", "avatarUrl", "role", "joinedAt", "onKeyway"}
        found = {line["username"]: (line["role"], line["onKeyway"]) for line in lines}
        assert found == {
            team.home.admin: ("owner", True), team.member_login: ("member", True), newcomer: ("member", False),
        }  # fmt: skip
        assert lines[0]["username"] == team.home.admin
        assert next(line["id"] for line in lines if line["username"] == newcomer).startswith("github:")

    def test_the_job_fills_the_roster_of_a_new_connection(self, team: Team) -> None:
        """Connecting waits for nothing; the roster comes by itself."""
        wait_for_roster(team)
        assert team.ask("GET").json()["data"]["memberCount"] == 2


class TestChanges:
    def test_connecting_is_recorded_and_can_be_repeated(self, team: Team) -> None:
        """The superset that the dashboard reads; a second member connects the same organisation."""
        again = connect(team.home.stack, team.member, team.login).json()["data"]
        assert set(again) == {"organization", "message"}
        assert set(again["organization"]) == DETAILS
        assert (again["organization"]["role"], again["organization"]["trialDurationDays"]) == ("member", 15)
        rows = sql(
            team.home.stack,
            """SELECT actor_login, details FROM audit_events WHERE action = 'org_connected'
               AND details->>'organization' = %s ORDER BY at""",
            team.login,
        )
        assert [(login, details["role"]) for login, details in rows] == [
            (team.home.admin, "owner"), (team.member_login, "member"),
        ]  # fmt: skip

    def test_settings(self, team: Team) -> None:
        """What is not given stays, what changed is recorded, defaults as a change of permissions too."""
        defaults = {"read": {"protected": {"read": True}, "development": {"write": False}}}
        answer = team.ask("PUT", "", {"defaultPermissions": defaults, "displayName": "The Crew"}).json()["data"]
        assert set(answer) == {"id", "login", "displayName", "defaultPermissions", "updatedAt"}
        assert team.ask("PUT", "", {"displayName": None}).json()["data"]["defaultPermissions"] == defaults
        assert team.ask("PUT", "", {}).status == 200
        shown = team.ask("GET").json()["data"]
        assert (shown["displayName"], shown["defaultPermissions"]) == (None, defaults)
        recorded = sql(
            team.home.stack,
            """SELECT action FROM audit_events WHERE details->>'organization' = %s
               AND action IN ('org_settings_changed', 'permission_changed') ORDER BY at, id""",
            team.login,
        )
        assert [action for (action,) in recorded] == [
            "org_settings_changed", "permission_changed", "org_settings_changed",
        ]  # fmt: skip

    def test_a_sync(self, team: Team) -> None:
        """Says what changed, and records it."""
        wait_for_roster(team)
        newcomer = team.github.user("newcomer")
        team.github.do("set-member", org=team.login, login=newcomer, role="member")
        team.github.do("set-member", org=team.login, login=team.member_login, role=None)
        data = team.ask("POST", "/members/sync").json()["data"]
        assert set(data) == {"message", "added", "updated", "removed"}
        assert (data["added"], data["updated"], data["removed"]) == (1, 0, 1)
        recorded = sql(
            team.home.stack,
            """SELECT details FROM audit_events WHERE action = 'org_members_synced'
               AND details->>'organization' = %s ORDER BY at DESC LIMIT 1""",
            team.login,
        )
        assert recorded[0][0]["removed"] == 1


class TestDefaults:
    """What an organisation's defaults do in its vaults, and who can write them."""

    def test_they_open_and_close(self, team: Team) -> None:
        """They stand above the matrix and below overrides."""
        reader = team.home.with_role("read")
        assert (pulled(team.home, reader, "production"), pulled(team.home, reader, "development")) == (403, 200)
        team.ask("PUT", "", {"defaultPermissions": {
            "read": {"protected": {"read": True}, "development": {"read": False}},
        }})  # fmt: skip
        assert (pulled(team.home, reader, "production"), pulled(team.home, reader, "development")) == (404, 403)

    def test_forged_ones_are_absent_and_alarm(self, team: Team) -> None:
        """Neither followed nor shown; the next change of an owner is good again."""
        reader = team.home.with_role("read")
        sql(
            team.home.stack,
            """UPDATE organizations SET default_permissions = '{"read": {"protected": {"read": true}}}'
               WHERE lower(login) = lower(%s)""",
            team.login,
        )
        before = alarms(team.home.stack, "organisation_defaults")
        assert pulled(team.home, reader, "production") == 403
        assert team.ask("GET").json()["data"]["defaultPermissions"] == {}
        assert alarms(team.home.stack, "organisation_defaults") > before
        team.ask("PUT", "", {"defaultPermissions": {"read": {"protected": {"read": True}}}})
        assert pulled(team.home, reader, "production") == 404

    def test_a_vault_cannot_be_pointed_at_anothers_defaults(self, team: Team) -> None:
        """Whoever writes the database repoints a vault at an organisation of their own with generous defaults: whose
        defaults count is what GitHub says of the repository, so nothing opens, and the row is right again."""
        generous = made(team.home.stack, "generous")
        generous.ask("PUT", "", {"defaultPermissions": {"read": {"protected": {"read": True, "write": True}}}})
        reader = team.home.with_role("read")
        assert pulled(team.home, reader, "production") == 403
        stack, vault_id = team.home.stack, team.home.vault_id
        for _ in range(2):
            sql(stack, "UPDATE vaults SET github_owner_id = %s WHERE id = %s", generous.home.owner_id, vault_id)
            assert pulled(team.home, reader, "production") == 403
            assert sql(stack, "SELECT github_owner_id FROM vaults WHERE id = %s", vault_id) == [(team.home.owner_id,)]
            sql(stack, "DELETE FROM role_cache WHERE github_repo_id = %s", team.home.repo_id)
        sql(stack, "UPDATE role_cache SET github_owner_id = %s WHERE github_repo_id = %s",
            generous.home.owner_id, team.home.repo_id)  # fmt: skip
        sql(stack, "UPDATE vaults SET github_owner_id = %s WHERE id = %s", generous.home.owner_id, vault_id)
        assert pulled(team.home, reader, "production") == 403
