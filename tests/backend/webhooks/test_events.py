"""Every event of GitHub that we act on has the effect that docs/github-app.md promises (contract.md 6.1)."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from github_post import Post, post_of, sql, until_applied
from keyway_backend.features.webhooks.rules import REVOKING
from keyway_standalone.processes import Stack
from permission_sets import FULL, LEAST
from stack import sign_in

from tests.backend.github.test_installations import labels, roster_is, row
from tests.backend.known_people import People
from tests.oracle import stage
from tests.oracle.policy import Policy
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Call, bearer, send

PAGE: Final = Path(__file__).parents[3] / "docs" / "github-app.md"
CONTRACT: Final = frozenset({
    "installation.created", "installation.deleted", "installation.suspend", "installation.unsuspend",
    "installation.new_permissions_accepted", "installation_repositories.added", "installation_repositories.removed",
    "organization.member_added", "organization.member_removed", "membership.added", "membership.removed",
    "repository.renamed", "repository.transferred", "repository.deleted", "repository.publicized",
    "repository.privatized", "github_app_authorization.revoked", "organization.renamed", "organization.deleted",
    "member.added", "member.edited", "member.removed",
})  # fmt: skip
"""contract.md 6.1: what it acts on, and what it lists as ignored."""


@dataclass
class Ground:
    """An organisation with the App, a vault there, and GitHub's way of telling about it."""

    stack: Stack
    github: GitHub
    post: Post
    home: Home
    known: People

    @property
    def org(self) -> str:
        """The organisation."""
        return self.home.full_name.partition("/")[0]

    @property
    def installation(self) -> int:
        """The App's number there."""
        world = self.github.do("world")["installations"].values()
        return next(int(one["id"]) for one in world if one["account_id"] == self.home.owner_id)

    def tell(self, event: str, action: str = "", *, installation: int | None = None, **more: Any) -> None:
        """A delivery about the organisation, and its job."""
        payload = {
            "installation": {"id": installation or self.installation},
            "organization": {"id": self.home.owner_id, "login": self.org},
            "sender": {"id": 1, "login": "somebody"},
        }
        delivery = str(uuid.uuid4())
        about = payload | more | ({"action": action} if action else {})
        assert self.post(event, about, delivery).status == 200
        until_applied(self.stack, delivery)

    def applied(self, done: dict[str, Any]) -> None:
        """What the stand-in told of a change by itself has had its effect."""
        assert done["deliveries"]
        assert {one["status"] for one in done["deliveries"]} == {200}
        until_applied(self.stack, *(one["delivery"] for one in done["deliveries"]))

    @property
    def repository(self) -> dict[str, Any]:
        """The repository, as deliveries show it."""
        return {"id": self.home.repo_id, "full_name": self.home.full_name}

    def member(self, role: str = "write") -> tuple[str, str]:
        """Somebody with a role that is remembered: login and session."""
        login, token = self.known.with_role(self.home, role)
        assert self.pull(token) == 200
        return login, token

    def shown(self, login: str) -> dict[str, Any]:
        """A person, as deliveries show them."""
        users = self.github.do("world")["users"].values()
        return {"id": next(one["id"] for one in users if one["login"] == login), "login": login}

    def pull(self, token: str, name: str = "") -> int:
        """What a pull answers."""
        path = f"/v1/secrets/pull?repo={name or self.home.full_name}&environment=development"
        return send(self.stack.api_url, Call("GET", path, (bearer(token),))).status

    def asked(self) -> int:
        """How often GitHub was asked for a role."""
        return sum(call.endswith("/permission") for call in self.github.calls())


@pytest.fixture
def ground(stack: Stack, known: People) -> Ground:
    """A new one for each event."""
    return Ground(stack, GitHub(stack), post_of(stack), known.home("event"), known)


# the App ------------------------------------------------------------------------------------------------------------


def app_appears(ground: Ground) -> None:
    """Its row, the organisation and its roster are there, and the log says who."""
    admin = ground.github.user("boss")
    org, number = ground.github.org("new", admin)
    made = ground.github.do("install", login=org, webhook=True)
    ground.applied(made)
    assert row(ground.stack, made["id"])["status"] == "active"
    roster_is(ground.stack, number, {admin})
    query = (
        "SELECT actor_login FROM audit_events WHERE action = 'vcs_app_installed' AND details->>'installationId' = %s"
    )
    assert sql(ground.stack, query, str(made["id"])) == [(admin,)]


def app_disappears(ground: Ground) -> None:
    """Nobody is let in any more, and its kept token is gone."""
    _, token = ground.member()
    number = ground.installation
    ground.applied(ground.github.do("uninstall", login=ground.org, webhook=True))
    assert ground.pull(token) == 403
    assert row(ground.stack, number)["status"] == "deleted"
    assert not sql(ground.stack, "SELECT 1 FROM installation_tokens WHERE installation_id = %s", number)


def app_is_suspended(ground: Ground) -> None:
    """Nobody is let in."""
    _, token = ground.member()
    number = ground.installation
    ground.applied(ground.github.do("suspend", login=ground.org, webhook=True))
    assert ground.pull(token) == 403
    assert row(ground.stack, number)["status"] == "suspended"


def app_works_again(ground: Ground) -> None:
    """Who asks is let in; who was refused just before waits for ten seconds at most."""
    number, (_, waiting) = ground.installation, ground.known.with_role(ground.home, "read")
    ground.applied(ground.github.do("suspend", login=ground.org, webhook=True))
    ground.applied(ground.github.do("suspend", login=ground.org, suspended=False, webhook=True))
    assert row(ground.stack, number)["status"] == "active"
    assert ground.pull(waiting) == 200


def permissions_are_accepted(ground: Ground) -> None:
    """They are kept."""
    for permissions in (LEAST.permissions, FULL.permissions):
        made = ground.github.do("install", login=ground.org, permissions=permissions)
        ground.tell("installation", "new_permissions_accepted")
        assert row(ground.stack, made["id"])["permissions"] == permissions


def repositories_are_added(ground: Ground) -> None:
    """They can have vaults."""
    other = f"{ground.org}/other"
    number = ground.github.repo(other, {ground.home.admin: "admin"})
    made = ground.github.do("install", login=ground.org, repos=[ground.home.full_name])
    ground.applied(ground.github.do("install", login=ground.org, repos=[ground.home.full_name, other], webhook=True))
    assert row(ground.stack, made["id"])["repositories"] == sorted([ground.home.repo_id, number])
    assert stage.create_vault(ground.stack, ground.home.token, other)


def repositories_are_removed(ground: Ground) -> None:
    """Nobody reaches the vault of one."""
    _, token = ground.member()
    other = f"{ground.org}/other"
    number = ground.github.repo(other, {})
    made = ground.github.do("install", login=ground.org, repos=[ground.home.full_name, other])
    ground.applied(ground.github.do("install", login=ground.org, repos=[other], webhook=True))
    assert ground.pull(token) == 403
    assert row(ground.stack, made["id"])["repositories"] == [number]


def authorization_is_withdrawn(ground: Ground) -> None:
    """The person is signed out, and the kept token is gone."""
    login = ground.home.login_with("write")
    token = sign_in(ground.stack, login)
    assert ground.pull(token) == 200
    ground.applied(ground.github.do("end-tokens", login=login, webhook=True))
    assert send(ground.stack.api_url, Call("GET", "/v1/users/me", (bearer(token),))).status == 401
    query = "SELECT 1 FROM github_tokens AS t JOIN users AS u ON u.id = t.user_id WHERE u.login = %s"
    assert not sql(ground.stack, query, login)


# organisations and people --------------------------------------------------------------------------------------------


def account_is_renamed(ground: Ground) -> None:
    """Its vaults bear its new name."""
    new = f"{ground.org}-{secrets.token_hex(2)}"
    ground.github.do("rename-account", login=ground.org, new=new)
    number = int(ground.github.do("install", login=new)["id"])
    account = {"id": ground.home.owner_id, "login": new}
    ground.tell("installation_target", "renamed", installation=number, account=account)
    assert labels(ground.stack, ground.home.repo_id)[0] == new


def organization_is_renamed(ground: Ground) -> None:
    """So does its own page."""
    connected(ground)
    new = f"{ground.org}-{secrets.token_hex(2)}"
    ground.github.do("rename-account", login=ground.org, new=new)
    number = int(ground.github.do("install", login=new)["id"])
    ground.tell("organization", "renamed", installation=number)
    assert labels(ground.stack, ground.home.repo_id)[0] == new
    assert organization(ground) == [(new,)]


def organization_is_deleted(ground: Ground) -> None:
    """Nobody reaches its vaults, nobody is on its roster, and its name is free for another one."""
    _, token = ground.member()
    connected(ground)
    number = ground.installation
    ground.github.do("uninstall", login=ground.org)
    ground.tell("organization", "deleted", installation=number)
    assert ground.pull(token) == 403
    roster_is(ground.stack, ground.home.owner_id, set())
    assert organization(ground) == [(str(ground.home.owner_id),)]


def member_joins_the_organization(ground: Ground) -> None:
    """And is on the roster."""
    connected(ground)
    login = ground.github.user("joiner")
    ground.github.do("set-member", org=ground.org, login=login, role="member")
    ground.tell("organization", "member_added", membership={"user": ground.shown(login)})
    roster_is(ground.stack, ground.home.owner_id, {ground.home.admin, login})


def member_leaves_the_organization(ground: Ground) -> None:
    """And is neither let in nor on the roster."""
    connected(ground)
    login, token = ground.member()
    ground.github.do("set-role", repo=ground.home.full_name, login=login, role=None)
    ground.tell("organization", "member_removed", membership={"user": ground.shown(login)})
    assert ground.pull(token) == 403
    roster_is(ground.stack, ground.home.owner_id, {ground.home.admin})


def member_joins_a_team(ground: Ground) -> None:
    """The roster is read anew, and nobody's role is forgotten for it."""
    connected(ground)
    login = ground.github.user("joiner")
    ground.github.do("set-member", org=ground.org, login=login, role="member")
    gives(ground, lambda: ground.tell("membership", "added", member=ground.shown(login), scope="team"))
    roster_is(ground.stack, ground.home.owner_id, {ground.home.admin, login})


def member_leaves_a_team(ground: Ground) -> None:
    """The team had given the role."""
    takes(ground, lambda login: ground.tell("membership", "removed", member=ground.shown(login), scope="team"))


def team_is_changed(ground: Ground) -> None:
    """It may have another role now."""
    takes(ground, lambda _: ground.tell("team", "edited", repository=ground.repository, team={"id": 1}))


def team_is_deleted(ground: Ground) -> None:
    """GitHub does not say which repositories it had: all of the organisation are concerned."""
    takes(ground, lambda _: ground.tell("team", "deleted", team={"id": 1}))


def team_loses_the_repository(ground: Ground) -> None:
    """Nobody is named: everybody's role there is asked for anew."""
    about = {"repository": ground.repository, "team": {"id": 1}}
    takes(ground, lambda _: ground.tell("team", "removed_from_repository", **about))


def team_gets_the_repository(ground: Ground) -> None:
    """Whoever has a role now is let in."""
    gives(ground, lambda: ground.tell("team", "added_to_repository", repository=ground.repository, team={"id": 1}))


def team_was_added(ground: Ground) -> None:
    """The same, in GitHub's older words."""
    gives(ground, lambda: ground.tell("team_add", repository=ground.repository, team={"id": 1}))


def collaborator_comes(ground: Ground) -> None:
    """Whoever has a role now is let in."""
    gives(ground, lambda: ground.tell("member", "added", repository=ground.repository, member={"id": 1}))


def collaborator_changes(ground: Ground) -> None:
    """A lower role holds at once."""
    login, token = ground.member("write")
    ground.github.do("set-role", repo=ground.home.full_name, login=login, role="read")
    ground.tell("member", "edited", repository=ground.repository, member=ground.shown(login))
    assert stage.push(ground.stack, token, ground.home.full_name, "development", {"A": "1"}).status == 403


def collaborator_goes(ground: Ground) -> None:
    """And is not let in."""
    about = ground.repository
    takes(ground, lambda login: ground.tell("member", "removed", repository=about, member=ground.shown(login)))


# repositories --------------------------------------------------------------------------------------------------------


def repository_is_renamed(ground: Ground) -> None:
    """The vault follows."""
    ground.github.do("rename-repo", repo=ground.home.full_name, name="renamed")
    ground.tell("repository", "renamed", repository=ground.repository)
    assert labels(ground.stack, ground.home.repo_id) == (ground.org, "renamed", True)
    assert ground.pull(ground.home.token, f"{ground.org}/renamed") == 200


def repository_is_transferred(ground: Ground) -> None:
    """The vault goes along, under the new owner's App; whoever has no role there is not let in."""
    login, token = ground.member()
    new, _ = ground.github.org("buyer", ground.home.admin)
    number = int(ground.github.do("install", login=new)["id"])
    ground.github.do("transfer-repo", repo=ground.home.full_name, owner=new)
    name = f"{new}/{ground.home.full_name.partition('/')[2]}"
    ground.github.do("set-role", repo=name, login=login, role=None)
    ground.tell("repository", "transferred", installation=number, repository=ground.repository)
    assert labels(ground.stack, ground.home.repo_id)[0] == new
    assert (ground.pull(token, name), ground.pull(ground.home.token, name)) == (403, 200)


def repository_is_deleted(ground: Ground) -> None:
    """Nobody reaches its vault."""
    _, token = ground.member()
    ground.github.do("delete-repo", repo=ground.home.full_name)
    ground.tell("repository", "deleted", repository=ground.repository)
    assert (ground.pull(token), ground.pull(ground.home.token)) == (403, 403)


def repository_is_opened(ground: Ground, event: tuple[str, str] = ("repository", "publicized")) -> None:
    """What everybody may read gives nobody a role, and the vault is shown as one of an open repository."""

    def opened(_: str) -> None:
        ground.github.do("set-visibility", repo=ground.home.full_name, visibility="public")
        ground.tell(*event, repository=ground.repository)

    takes(ground, opened)
    assert labels(ground.stack, ground.home.repo_id)[2] is False


def repository_was_opened(ground: Ground) -> None:
    """The same, in GitHub's older words."""
    repository_is_opened(ground, ("public", ""))


def repository_is_closed(ground: Ground) -> None:
    """The vault is shown as one of a private repository."""
    for visibility, action in (("public", "publicized"), ("private", "privatized")):
        ground.github.do("set-visibility", repo=ground.home.full_name, visibility=visibility)
        ground.tell("repository", action, repository=ground.repository)
        assert labels(ground.stack, ground.home.repo_id)[2] is (visibility == "private")


# what many have in common --------------------------------------------------------------------------------------------


def connected(ground: Ground) -> None:
    """The organisation has a page."""
    body = {"orgLogin": ground.org}
    answer = send(ground.stack.api_url, Call("POST", "/v1/orgs/connect", (bearer(ground.home.token),), body))
    assert answer.status == 200, answer.body
    roster_is(ground.stack, ground.home.owner_id, {ground.home.admin})


def organization(ground: Ground) -> list[tuple[Any, ...]]:
    """What the organisation is called."""
    return sql(ground.stack, "SELECT login FROM organizations WHERE github_org_id = %s", ground.home.owner_id)


def takes(ground: Ground, told: Callable[[str], None]) -> None:
    """Somebody who has lost the role is let in until GitHub tells of it, and not after."""
    login, token = ground.member()
    ground.github.do("set-role", repo=ground.home.full_name, login=login, role=None)
    assert ground.pull(token) == 200
    told(login)
    assert ground.pull(token) == 403


def gives(ground: Ground, told: Callable[[], None]) -> None:
    """Somebody new is let in, and nobody is asked about again."""
    _, token = ground.member()
    asked = ground.asked()
    told()
    assert ground.pull(token) == 200
    assert ground.asked() == asked
    assert ground.pull(ground.known.with_role(ground.home, "read")[1]) == 200


Effect = Callable[[Ground], None]
EFFECTS: Final[dict[str, Effect]] = {
    "installation.created": app_appears,
    "installation.deleted": app_disappears,
    "installation.suspend": app_is_suspended,
    "installation.unsuspend": app_works_again,
    "installation.new_permissions_accepted": permissions_are_accepted,
    "installation_repositories.added": repositories_are_added,
    "installation_repositories.removed": repositories_are_removed,
    "installation_target.renamed": account_is_renamed,
    "github_app_authorization.revoked": authorization_is_withdrawn,
    "organization.renamed": organization_is_renamed,
    "organization.deleted": organization_is_deleted,
    "organization.member_added": member_joins_the_organization,
    "organization.member_removed": member_leaves_the_organization,
    "membership.added": member_joins_a_team,
    "membership.removed": member_leaves_a_team,
    "team.edited": team_is_changed,
    "team.deleted": team_is_deleted,
    "team.removed_from_repository": team_loses_the_repository,
    "team.added_to_repository": team_gets_the_repository,
    "team_add": team_was_added,
    "member.added": collaborator_comes,
    "member.edited": collaborator_changes,
    "member.removed": collaborator_goes,
    "repository.renamed": repository_is_renamed,
    "repository.transferred": repository_is_transferred,
    "repository.deleted": repository_is_deleted,
    "repository.publicized": repository_is_opened,
    "repository.privatized": repository_is_closed,
    "public": repository_was_opened,
}


@pytest.mark.parametrize("name", EFFECTS)
def test_has_its_effect(ground: Ground, name: str) -> None:
    """Seen by whoever uses the vault, or the pages about it."""
    EFFECTS[name](ground)


def test_every_event_is_here_and_on_the_page() -> None:
    """Those of the contract, those that take away by policy, and those that the page about the App names."""
    told = PAGE.read_text().partition("## Events")[2].partition("\n## ")[0]
    first = [line.split("|")[1] for line in told.splitlines() if line.startswith("|")]
    assert {name for cell in first for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)`", cell)} == set(EFFECTS)
    assert set(EFFECTS) >= CONTRACT | REVOKING
    policy = Policy.load().document["github"]["webhook_events"]
    assert set(policy["revoking"]) == REVOKING
    sets = ("always_delivered", "needs_repository_metadata", "needs_organization_members")
    assert {name.partition(".")[0] for name in EFFECTS} == {kind for one in sets for kind in policy[one]}
