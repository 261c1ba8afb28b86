"""What exists on the stand-in. Names are labels, numbers are identity."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

_T = TypeVar("_T")
FIRST_ID: Final = 2**40
FULL_PERMISSIONS: Final = {"metadata": "read", "members": "read", "email_addresses": "read"}
# What the App subscribes to; events of the App itself come anyway.
EVENTS: Final = ("member", "membership", "organization", "public", "repository", "team", "team_add")
# What GitHub reports as `permission` beside each `role_name`.
BASE_OF_ROLE: Final = {"read": "read", "triage": "read", "write": "write", "maintain": "write", "admin": "admin"}
_RANK: Final = ("read", "triage", "write", "maintain", "admin")


class Missing(LookupError):
    """Nothing of that name or number exists."""


@dataclass
class User:
    """A person. `public_email` says whether the profile shows the address."""

    id: int
    login: str
    name: str
    email: str
    public_email: bool = False


@dataclass
class Org:
    """An organisation. `members`: number to admin or member; `base_role` is theirs on every repository."""

    id: int
    login: str
    name: str
    members: dict[int, str] = field(default_factory=dict)
    base_role: str = "none"


@dataclass
class Repo:
    """A repository. A role is one of GitHub's five or "custom/base". `former`: lower-case full names that lead here."""

    id: int
    name: str
    owner_id: int
    visibility: str = "private"
    collaborators: dict[int, str] = field(default_factory=dict)
    former: list[str] = field(default_factory=list)


@dataclass
class Installation:
    """The App on one account, for all of its repositories or for selected ones."""

    id: int
    account_id: int
    selection: str = "all"
    repo_ids: list[int] = field(default_factory=list)
    permissions: dict[str, str] = field(default_factory=lambda: dict(FULL_PERMISSIONS))
    events: list[str] = field(default_factory=lambda: list(EVENTS))
    suspended: bool = False


@dataclass
class World:
    """Everything, by number. `cast` and `places` name the people and repositories that tests and the demo ask for.

    `of_accounts` are the App's permissions on the accounts of the people who authorize it.
    """

    seed: int
    next_id: int
    users: dict[int, User] = field(default_factory=dict)
    orgs: dict[int, Org] = field(default_factory=dict)
    repos: dict[int, Repo] = field(default_factory=dict)
    installations: dict[int, Installation] = field(default_factory=dict)
    cast: dict[str, int] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    of_accounts: list[str] = field(default_factory=lambda: ["email_addresses"])

    def new_id(self) -> int:
        """The next number, never given twice."""
        self.next_id += 1
        return self.next_id

    # finding -----------------------------------------------------------------------------------------------------

    def user(self, login: str) -> User:
        """A person by present login, whatever its case."""
        return _find(self.users.values(), lambda user: user.login.lower() == login.lower())

    def org(self, login: str) -> Org:
        """An organisation by present login."""
        return _find(self.orgs.values(), lambda org: org.login.lower() == login.lower())

    def account(self, login: str) -> User | Org:
        """A person or an organisation."""
        everybody: list[User | Org] = [*self.users.values(), *self.orgs.values()]
        return _find(everybody, lambda found: found.login.lower() == login.lower())

    def owner(self, repo: Repo) -> User | Org:
        """Who owns a repository."""
        return self.users.get(repo.owner_id) or self.orgs[repo.owner_id]

    def full_name(self, repo: Repo) -> str:
        """owner/name as of now."""
        return f"{self.owner(repo).login}/{repo.name}"

    def repo(self, full_name: str) -> Repo:
        """A repository by present name; former names do not count."""
        return _find(self.repos.values(), lambda repo: self.full_name(repo).lower() == full_name.lower())

    def moved(self, full_name: str) -> Repo | None:
        """The repository that a former name redirects to, unless somebody has taken the name since."""
        return next((repo for repo in self.repos.values() if full_name.lower() in repo.former), None)

    def covering(self, repo: Repo) -> Installation | None:
        """The installation that covers a repository."""
        return next((found for found in self.installations.values() if covers(found, repo)), None)

    def installed_on(self, account_id: int) -> Installation | None:
        """The installation on an account."""
        return next((found for found in self.installations.values() if found.account_id == account_id), None)

    # roles -------------------------------------------------------------------------------------------------------

    def role(self, repo: Repo, user_id: int) -> str | None:
        """The role that somebody gave this person; None for a stranger, also on a public repository."""
        org = self.orgs.get(repo.owner_id)
        if repo.owner_id == user_id or (org and org.members.get(user_id) == "admin"):
            return "admin"
        given = [repo.collaborators.get(user_id)]
        if org and user_id in org.members and org.base_role != "none":
            given.append(org.base_role)
        held = [role for role in given if role]
        return max(held, key=rank) if held else None

    def people_with_role(self, repo: Repo) -> list[User]:
        """Everybody with a role, by number."""
        return [user for user in self.users.values() if self.role(repo, user.id)]

    # keeping -----------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes the world, whole or not at all."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        os.replace(draft, path)  # noqa: PTH105 - says atomic

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote."""
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kinds = {"users": User, "orgs": Org, "repos": Repo, "installations": Installation}
        for name, kind in kinds.items():
            data[name] = {int(key): kind(**_numbered(value)) for key, value in data[name].items()}
        return cls(**data)


def covers(installation: Installation, repo: Repo) -> bool:
    """Whether an installation, suspended or not, covers a repository."""
    if installation.account_id != repo.owner_id:
        return False
    return installation.selection == "all" or repo.id in installation.repo_ids


def split_role(role: str) -> tuple[str, str]:
    """(`role_name`, `permission`) as GitHub reports a role."""
    name, _, base = role.partition("/")
    return name, base or BASE_OF_ROLE[name]


def rank(role: str) -> int:
    """A custom role counts as the base that it extends."""
    name, base = split_role(role)
    return _RANK.index(name if name in _RANK else base)


def _find(things: Iterable[_T], wanted: Callable[[_T], bool]) -> _T:
    for thing in things:
        if wanted(thing):
            return thing
    raise Missing


def _numbered(value: dict[str, Any]) -> dict[str, Any]:
    """JSON turned the numbers that are keys into text."""
    maps = {
        key: {int(inner): role for inner, role in value[key].items()}
        for key in ("members", "collaborators")
        if key in value
    }
    return value | maps
