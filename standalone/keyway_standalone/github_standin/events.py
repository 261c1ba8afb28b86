"""What GitHub would tell the App of a change: the events of each control action, as (event, payload).

An observer looks at the world before a change and says afterwards what happened. Nothing is told about an account that
the App is not installed on, nothing that it does not subscribe to, and nothing about members without the permission to
read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from .context import Github
from .render import Json, Renderer
from .world import EVENTS, Installation, Org, Repo, User

Event = tuple[str, Json]
After = Callable[[], Iterable[Event]]
_OF_MEMBERS: Final = frozenset({"member", "membership", "organization", "team", "team_add"})


def _heard(event: str, found: Installation) -> bool:
    """Whether the App is told of events of this kind: of its own always."""
    if event in EVENTS and event not in found.events:
        return False
    return event not in _OF_MEMBERS or "members" in found.permissions


class Teller:
    """Builds payloads of one world."""

    def __init__(self, github: Github) -> None:
        self.world = github.world
        settings = github.settings
        self.render = Renderer(
            github.world, settings.web, settings.web, settings.app_id, settings.app_name, settings.client_id
        )

    def about(
        self, event: str, action: str, account_id: int, *, repo: Repo | None = None, sender: int = 0, **more: Any
    ) -> list[Event]:
        """One event about an account, as the installation on it hears it."""
        found = self.world.installed_on(account_id)
        if found is None or not _heard(event, found):
            return []
        payload: Json = {"installation": {"id": found.id}, "sender": self.sender(sender or account_id), **more}
        if action:
            payload["action"] = action
        if repo is not None:
            payload["repository"] = self.render.repo(repo)
        if (org := self.world.orgs.get(account_id)) is not None:
            payload["organization"] = self.render.org_simple(org)
        return [(event, payload)]

    def sender(self, number: int) -> Json:
        """Who did it: a person, or the first owner of an organisation."""
        org = self.world.orgs.get(number)
        owners = [member for member, role in org.members.items() if role == "admin"] if org is not None else []
        user = self.world.users.get(owners[0] if owners else number)
        if user is None:
            user = next(iter(self.world.users.values()))
        return self.render.user(user)

    def installation(self, action: str, found: Installation, **more: Any) -> list[Event]:
        """An event of the App itself, which is always delivered."""
        shown = self.render.installation(found)
        return [
            ("installation", {"action": action, "installation": shown, "sender": self.sender(found.account_id), **more})
        ]


def observe(action: str, github: Github, given: Json) -> After:
    """What to call after the change of a control action, for its events. Raises Missing and KeyError as it does."""
    observer = _OBSERVERS.get(action)
    return observer(Teller(github), given) if observer is not None else tuple


def _member(tell: Teller, given: Json) -> After:
    repo, user = tell.world.repo(given["repo"]), tell.world.user(given["login"])
    known = user.id in repo.collaborators
    action = "removed" if given["role"] is None else "edited" if known else "added"
    return lambda: tell.about("member", action, repo.owner_id, repo=repo, member=tell.render.user(user))


def _org_member(tell: Teller, given: Json) -> After:
    org, user = tell.world.org(given["org"]), tell.world.user(given["login"])
    was = org.members.get(user.id)
    action = "member_removed" if given["role"] is None else "member_added"

    def after() -> Iterable[Event]:
        if was is not None and given["role"] is not None:
            return []
        membership = {"state": "active", "role": given["role"] or was, "user": tell.render.user(user)}
        return tell.about("organization", action, org.id, membership=membership)

    return after


def _team_member(tell: Teller, given: Json) -> After:
    org, user = tell.world.org(given["org"]), tell.world.user(given["login"])
    team = {"id": org.id + 1, "name": "team", "slug": "team"}
    return lambda: tell.about("membership", "removed", org.id, member=tell.render.user(user), team=team, scope="team")


def _team_repository(tell: Teller, given: Json) -> After:
    repo = tell.world.repo(given["repo"])
    team = {"id": repo.owner_id + 1, "name": "team", "slug": "team"}
    return lambda: tell.about("team", "removed_from_repository", repo.owner_id, repo=repo, team=team)


def _repository(action: str) -> Callable[[Teller, Json], After]:
    def observer(tell: Teller, given: Json) -> After:
        repo = tell.world.repo(given["repo"])
        shown, owner = tell.render.repo(repo), repo.owner_id

        def after() -> Iterable[Event]:
            there = repo.id in tell.world.repos
            for event, payload in tell.about("repository", action, owner):
                yield event, payload | {"repository": tell.render.repo(repo) if there else shown}

        return after

    return observer


def _visibility(tell: Teller, given: Json) -> After:
    repo = tell.world.repo(given["repo"])
    was = repo.visibility

    def after() -> Iterable[Event]:
        if repo.visibility == was:
            return []
        if repo.visibility == "public":
            opened = tell.about("public", "", repo.owner_id, repo=repo)
            return [*tell.about("repository", "publicized", repo.owner_id, repo=repo), *opened]
        return tell.about("repository", "privatized", repo.owner_id, repo=repo)

    return after


def _account_renamed(tell: Teller, given: Json) -> After:
    account = tell.world.account(given["login"])
    changes = {"login": {"from": account.login}}

    def after() -> Iterable[Event]:
        shown = tell.render.account(account)
        yield from tell.about("installation_target", "renamed", account.id, account=shown, changes=changes)
        if isinstance(account, Org):
            yield from tell.about("organization", "renamed", account.id, changes=changes)

    return after


def _installed(tell: Teller, given: Json) -> After:
    account = tell.world.account(given["login"])
    before = tell.world.installed_on(account.id)
    held = set(before.repo_ids) if before is not None else set()

    def after() -> Iterable[Event]:
        found = tell.world.installed_on(account.id)
        assert found is not None  # noqa: S101 - the change has made it
        if before is None:
            return tell.installation("created", found, repositories=_named(tell, found.repo_ids))
        return _selection(tell, found, held)

    return after


def _selection(tell: Teller, found: Installation, held: set[int]) -> list[Event]:
    added, removed = set(found.repo_ids) - held, held - set(found.repo_ids)
    shown = {
        "installation": tell.render.installation(found),
        "sender": tell.sender(found.account_id),
        "repository_selection": found.selection,
        "repositories_added": _named(tell, added),
        "repositories_removed": _named(tell, removed),
    }
    events: list[Event] = []
    if added:
        events.append(("installation_repositories", shown | {"action": "added", "repositories_removed": []}))
    if removed:
        events.append(("installation_repositories", shown | {"action": "removed", "repositories_added": []}))
    return events or tell.installation("new_permissions_accepted", found)


def _named(tell: Teller, numbers: Iterable[int]) -> list[Json]:
    repos = [tell.world.repos[number] for number in numbers if number in tell.world.repos]
    return [
        {
            "id": repo.id,
            "name": repo.name,
            "full_name": tell.world.full_name(repo),
            "private": repo.visibility != "public",
        }
        for repo in repos
    ]


def _uninstalled(tell: Teller, given: Json) -> After:
    found = tell.world.installed_on(tell.world.account(given["login"]).id)
    events = tell.installation("deleted", found) if found is not None else []
    return lambda: events


def _suspended(tell: Teller, given: Json) -> After:
    account = tell.world.account(given["login"])

    def after() -> Iterable[Event]:
        found = tell.world.installed_on(account.id)
        return tell.installation("suspend" if found.suspended else "unsuspend", found) if found is not None else []

    return after


def _revoked(tell: Teller, given: Json) -> After:
    if "login" not in given:
        return tuple
    user: User = tell.world.user(given["login"])
    return lambda: [("github_app_authorization", {"action": "revoked", "sender": tell.render.user(user)})]


_OBSERVERS: Final[dict[str, Callable[[Teller, Json], After]]] = {
    "set-role": _member,
    "set-member": _org_member,
    "leave-team": _team_member,
    "take-from-team": _team_repository,
    "rename-repo": _repository("renamed"),
    "transfer-repo": _repository("transferred"),
    "delete-repo": _repository("deleted"),
    "set-visibility": _visibility,
    "rename-account": _account_renamed,
    "install": _installed,
    "uninstall": _uninstalled,
    "suspend": _suspended,
    "end-tokens": _revoked,
}
