"""Who lost access is refused by the next request, on every replica, whatever the credential (assurance D-07, I8)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import psycopg
import pytest
from github_post import process, sql, until
from keyway_backend.access import ci_tokens
from keyway_backend.access.actor import Person
from keyway_backend.access.macs import Macs
from keyway_standalone.processes import Stack
from psycopg.rows import dict_row
from stack import sign_in

from tests.oracle import keys, stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Call, bearer, send

LEAST = {"metadata": "read"}


@dataclass
class Member:
    """Somebody with a role on a vault of its own, who has just read there on both replicas."""

    home: Home
    login: str
    credentials: dict[str, str]
    replicas: tuple[str, str]

    @property
    def org(self) -> str:
        """The organisation's login."""
        return self.home.full_name.partition("/")[0]

    def statuses(self) -> dict[tuple[str, str], int]:
        """What a pull answers, per credential and replica; first on the one that GitHub does not deliver to, before
        the other one has asked and written down what it was told."""
        return {(kind, url): self.pull(kind, url) for url in reversed(self.replicas) for kind in self.credentials}

    def pull(self, kind: str, url: str) -> int:
        """What a pull with one credential on one replica answers."""
        path = f"/v1/secrets/pull?repo={self.home.full_name}&environment=development"
        return send(url, Call("GET", path, (bearer(self.credentials[kind]),))).status


@pytest.fixture(scope="module")
def github(stack: Stack) -> GitHub:
    """The stand-in's world."""
    return GitHub(stack)


@pytest.fixture(scope="module")
def replica(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second backend on the same database; it does no jobs, so that nothing here waits for one."""
    log = tmp_path_factory.mktemp("replica") / "backend.log"
    with process(stack, log, WORKER_IN_PROCESS="false", ROLE_CACHE_SECONDS="300", GITHUB_PAT_LOGIN="true") as (_, url):
        yield url


@pytest.fixture(scope="module")
def people(stack: Stack, github: GitHub) -> dict[str, tuple[str, str]]:
    """Login and session of an owner, and of somebody who comes and goes."""
    logins = {name: github.user(name) for name in ("owner", "leaver")}
    return {name: (login, sign_in(stack, login)) for name, login in logins.items()}


@pytest.fixture
def member(stack: Stack, github: GitHub, replica: str, people: dict[str, tuple[str, str]]) -> Member:
    """A member of an organisation, with a role on a repository there, whose roles both replicas remember."""
    return joined(stack, github, replica, people["owner"], people["leaver"])


def joined(stack: Stack, github: GitHub, replica: str, owner: tuple[str, str], leaver: tuple[str, str]) -> Member:
    """A new organisation with a vault; the second person is let in, and reads on both replicas."""
    (admin, token), (login, session) = owner, leaver
    org, org_id = github.org("leave", admin)
    name = f"{org}/app"
    repo_id = github.repo(name, {login: "write"})
    github.do("install", login=org)
    github.do("set-member", org=org, login=login, role="member")
    home = Home(stack, name, repo_id, org_id, admin, token, stage.create_vault(stack, token, name))
    assert home.push({"KEPT": "1"}, "development").status == 200
    given = {
        "session": session,
        "api key": keys.give(stack, session).token,
        "workflow": workflow_token(stack, home, session),
    }
    made = Member(home, login, given, (stack.api_url, replica))
    assert set(made.statuses().values()) == {200}
    return made


def workflow_token(stack: Stack, home: Home, session: str) -> str:
    """What a run that this person started got for the development environment."""
    claims = jwt.decode(session, options={"verify_signature": False})
    now = datetime.now(UTC)
    token = ci_tokens.NewToken(
        uuid4(),
        ci_tokens.mint(),
        UUID(home.vault_id),
        UUID(keys.environment_ids(stack, home.vault_id)["development"]),
        None,
        home.repo_id,
        home.owner_id,
        Person(int(claims["forgeUserId"]), claims["username"]),
        now,
        now + timedelta(minutes=15),
    )

    async def keep() -> None:
        async with await psycopg.AsyncConnection.connect(
            stack.superuser_database_url, autocommit=True, row_factory=dict_row
        ) as connection:
            await ci_tokens.insert(connection, Macs(stack.instance.jwt_secret), token)

    asyncio.run(keep())
    return token.token.reveal()


Change = Callable[[GitHub, Member], None]


def collaborator_removed(github: GitHub, member: Member) -> None:
    """By hand, on the repository's page."""
    github.do("set-role", repo=member.home.full_name, login=member.login, role=None, webhook=True)


def left_a_team(github: GitHub, member: Member) -> None:
    """The team had the role."""
    github.do("leave-team", org=member.org, login=member.login, repos=[member.home.full_name], webhook=True)


def team_lost_the_repository(github: GitHub, member: Member) -> None:
    """Everybody of the team is concerned."""
    github.do("take-from-team", repo=member.home.full_name, logins=[member.login], webhook=True)


def left_the_organization(github: GitHub, member: Member) -> None:
    """With the organisation go the roles on its repositories."""
    github.do("set-role", repo=member.home.full_name, login=member.login, role=None)
    github.do("set-member", org=member.org, login=member.login, role=None, webhook=True)


def app_suspended(github: GitHub, member: Member) -> None:
    """Nobody reaches what the App does not reach."""
    github.do("suspend", login=member.org, webhook=True)


def app_removed(github: GitHub, member: Member) -> None:
    """The same."""
    github.do("uninstall", login=member.org, webhook=True)


def repository_deselected(github: GitHub, member: Member) -> None:
    """The App stays, for other repositories."""
    other = f"{member.org}/other-{secrets.token_hex(3)}"
    github.repo(other, {})
    github.do("install", login=member.org, repos=[member.home.full_name, other])
    github.do("install", login=member.org, repos=[other], webhook=True)


def repository_transferred(github: GitHub, member: Member) -> None:
    """To somebody who does not have the App."""
    github.do("transfer-repo", repo=member.home.full_name, owner=github.user("buyer"), webhook=True)


def repository_deleted(github: GitHub, member: Member) -> None:
    """Its number never comes back under this name."""
    github.do("delete-repo", repo=member.home.full_name, webhook=True)


def repository_opened(github: GitHub, member: Member) -> None:
    """What everybody may read gives nobody a role; the collaborators were taken out before."""
    github.do("set-role", repo=member.home.full_name, login=member.login, role=None)
    github.do("set-visibility", repo=member.home.full_name, visibility="public", webhook=True)


CHANGES = [
    collaborator_removed, left_a_team, team_lost_the_repository, left_the_organization, app_suspended, app_removed,
    repository_deselected, repository_transferred, repository_deleted, repository_opened,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_is_refused_from_the_delivery_on(github: GitHub, member: Member, change: Change) -> None:
    """When GitHub's delivery was answered, no replica believes a role any more: the next request is refused."""
    change(github, member)
    assert set(member.statuses().values()) == {403}


def test_a_lower_role_holds_from_the_delivery_on(github: GitHub, member: Member) -> None:
    """member.edited: what the person may do is asked again."""
    name = member.home.full_name
    body = {"repoFullName": name, "environment": "development", "secrets": {"NEW": "1"}}
    github.do("set-role", repo=name, login=member.login, role="read", webhook=True)
    for token in member.credentials.values():
        for url in member.replicas:
            assert send(url, Call("POST", "/v1/secrets/push", (bearer(token),), body)).status == 403


def test_a_token_of_github_itself_is_no_way_around(github: GitHub, member: Member) -> None:
    """The same person with a token of GitHub's, where that is accepted."""
    token = str(github.do("mint-token", login=member.login, kind="ghp")["token"])
    path = f"/v1/secrets/pull?repo={member.home.full_name}&environment=development"
    pull = Call("GET", path, (bearer(token),))
    assert send(member.replicas[1], pull).status == 200
    collaborator_removed(github, member)
    assert send(member.replicas[1], pull).status == 403


def test_a_look_up_that_began_before_lets_nobody_in(github: GitHub, member: Member) -> None:
    """GitHub's answer was given before the removal and arrives after it: no replica stores it, and neither who waited
    for it nor who joined them after the removal is let in."""
    name, asked = member.home.full_name, f"GET */collaborators/{member.login}/permission"
    github.do("set-role", repo=name, login=member.login, role="write", webhook=True)  # the roles are forgotten
    github.do("fault", kind="stale", pattern=asked, seconds=1.5, times=2)
    github.do("reset-calls")
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(member.pull, "session", url) for url in member.replicas]
        until(lambda: sum(call.endswith("/permission") for call in github.calls()) == 2, "asked by both replicas")
        collaborator_removed(github, member)
        joined_later = [pool.submit(member.pull, "api key", url) for url in member.replicas]
        assert [one.result() for one in waiting + joined_later] == [403] * 4
    github.do("clear-faults")
    assert set(member.statuses().values()) == {403}


def test_authorization_revoked_on_github_ends_sessions_and_tokens(
    stack: Stack, github: GitHub, replica: str, people: dict[str, tuple[str, str]]
) -> None:
    """The person took the App's authorization back: every session ends, and the kept token is dropped."""
    login = github.user("revoker")
    member = joined(stack, github, replica, people["owner"], (login, sign_in(stack, login)))
    session = member.credentials["session"]
    user = "SELECT id FROM users WHERE login = %s"
    assert sql(stack, f"SELECT 1 FROM github_tokens WHERE user_id = ({user})", member.login)
    github.do("end-tokens", login=member.login, webhook=True)
    for url in member.replicas:
        assert send(url, Call("GET", "/v1/users/me", (bearer(session),))).status == 401
    assert not sql(stack, f"SELECT 1 FROM github_tokens WHERE user_id = ({user})", member.login)
    recorded = "SELECT count(*) FROM audit_events WHERE action = 'session_revoked' AND actor_login = %s"
    assert sql(stack, recorded, member.login) == [(1,)]


def test_a_delivery_that_comes_late_still_counts(github: GitHub, member: Member) -> None:
    """Held back, sent twice, and in another order than it happened: in the end it is as GitHub has it."""
    name, held = member.home.full_name, {"hold": True, "times": 2}
    github.do("set-role", repo=name, login=member.login, role="read", webhook=held)
    github.do("set-role", repo=name, login=member.login, role=None, webhook=held)
    told = github.do("release-webhooks", backwards=True)["deliveries"]
    assert [one["status"] for one in told] == [200] * 4
    assert set(member.statuses().values()) == {403}


def test_without_the_members_permission_the_app_hears_of_repositories_alone(github: GitHub, member: Member) -> None:
    """Least permissions: no event about people is delivered, those about repositories and the App are."""
    github.do("install", login=member.org, permissions=LEAST)
    done = github.do("set-role", repo=member.home.full_name, login=member.login, role=None, webhook=True)
    assert done["deliveries"] == []
    done = github.do("delete-repo", repo=member.home.full_name, webhook=True)
    assert [one["event"] for one in done["deliveries"]] == ["repository"]
    assert set(member.statuses().values()) == {403}


def test_what_is_revoked_on_one_replica_is_refused_on_the_other(stack: Stack, member: Member) -> None:
    """Keys and sessions, one by one and all at once: the next request is refused everywhere (assurance N-06)."""
    here, there = member.replicas
    session, more, kept = (bearer(sign_in(stack, member.login)) for _ in range(3))

    def me(url: str, who: tuple[str, str]) -> int:
        return send(url, Call("GET", "/v1/users/me", (who,))).status

    made = send(here, Call("GET", "/v1/api-keys", (session,))).json()["data"]["keys"][0]["id"]
    assert send(here, Call("DELETE", f"/v1/api-keys/{made}", (session,))).status == 204
    assert me(there, bearer(member.credentials["api key"])) == 401
    own = send(here, Call("GET", "/v1/auth/sessions", (session,))).json()["data"]
    current = next(one["id"] for one in own if one["current"])
    assert send(there, Call("DELETE", f"/v1/auth/sessions/{current}", (kept,))).status == 204
    assert me(here, session) == 401
    assert send(there, Call("DELETE", "/v1/auth/sessions", (kept,))).json()["data"] == {"revoked": 2}
    assert [me(url, who) for url in member.replicas for who in (more, bearer(member.credentials["session"]))] == [
        401
    ] * 4
    assert me(here, kept) == 200
    assert send(here, Call("POST", "/v1/auth/logout", (kept,))).status == 204
    assert me(there, kept) == 401
