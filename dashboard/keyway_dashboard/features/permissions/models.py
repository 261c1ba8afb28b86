"""What the backend says of rights (contract.md 4.4 and 4.5), and the matrix that a page makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from keyway_dashboard.features.vaults.models import Environment

EVERYWHERE: Final = "*"
ROLES: Final = ("read", "triage", "write", "maintain", "admin")
# What a form offers, by the value of its choice: read, write.
CHOICES: Final = {
    "both": ("read and write", True, True),
    "read": ("read only", True, False),
    "write": ("write only", False, True),
    "none": ("nothing", False, False),
}


class Access(BaseModel):
    """What may be done in an environment."""

    read: bool
    write: bool

    @property
    def choice(self) -> str:
        """As a form names it."""
        return next(name for name, (_, read, write) in CHOICES.items() if (read, write) == (self.read, self.write))

    @property
    def words(self) -> str:
        """As people read it."""
        return CHOICES[self.choice][0]


class Person(BaseModel):
    """Somebody."""

    id: str
    username: str


class Override(BaseModel):
    """What was said above the matrix, of a person or a role."""

    id: str
    environment: str
    targetUser: Person | None = None  # noqa: N815
    targetRole: str | None = None  # noqa: N815
    canRead: bool  # noqa: N815
    canWrite: bool  # noqa: N815
    createdBy: Person | None  # noqa: N815
    updatedAt: str  # noqa: N815

    @property
    def access(self) -> Access:
        """What it allows."""
        return Access(read=self.canRead, write=self.canWrite)

    @property
    def place(self) -> str:
        """Where it holds."""
        return "every environment" if self.environment == EVERYWHERE else self.environment

    @property
    def target(self) -> str:
        """For whom it holds."""
        return self.targetUser.username if self.targetUser else f"role {self.targetRole}"


class Overrides(BaseModel):
    """All of a vault, and what holds without them, by role and type of environment."""

    overrides: list[Override]
    defaults: dict[str, dict[str, Access]]


class Effective(BaseModel):
    """What somebody may do, by environment. Without a role: nothing."""

    role: str | None
    permissions: dict[str, Access]


class Reach(BaseModel):
    """What somebody can do in at least one environment."""

    canRead: bool  # noqa: N815
    canWrite: bool  # noqa: N815
    canManage: bool  # noqa: N815

    @property
    def words(self) -> str:
        """As people read it."""
        able = [word for word, yes in (("reads", self.canRead), ("writes", self.canWrite)) if yes]
        return ", ".join([*able, *(["manages"] if self.canManage else [])]) or "nothing"


class Collaborator(BaseModel):
    """Somebody with a role on the repository."""

    login: str
    userId: str | None  # noqa: N815
    githubPermission: str  # noqa: N815
    keywayPermissions: Reach  # noqa: N815
    type: str


class Collaborators(BaseModel):
    """Everybody with a role."""

    collaborators: list[Collaborator]


class Reset(BaseModel):
    """All overrides are gone."""

    message: str


@dataclass(frozen=True)
class Cell:
    """What a role may do in an environment. `said`: the override that says so; None for the matrix."""

    access: Access
    said: Override | None


def matrix(environments: Sequence[Environment], told: Overrides) -> list[tuple[str, list[Cell]]]:
    """Every role with its cells, strongest first."""
    return [(role, [_cell(role, one, told) for one in environments]) for role in reversed(ROLES)]


def _cell(role: str, environment: Environment, told: Overrides) -> Cell:
    """What was said of this environment stands above what was said of all."""
    ours = [one for one in told.overrides if one.targetRole == role]
    for place in (environment.name, EVERYWHERE):
        for one in ours:
            if one.environment == place:
                return Cell(one.access, one)
    return Cell(told.defaults[role][environment.type], None)


def by_role(people: Iterable[Collaborator]) -> list[Collaborator]:
    """Strongest role first, then by name."""
    return sorted(people, key=lambda one: (-_rank(one.githubPermission), one.login.lower()))


def _rank(role: str) -> int:
    return ROLES.index(role) if role in ROLES else -1


def body(form: dict[str, str]) -> dict[str, Any]:
    """The override that a form describes."""
    kind, _, target = form.get("target", "").partition(":")
    named = {"targetUserId": target} if kind == "user" else {"targetRole": target}
    return {"environment": form.get("environment", ""), "targetType": kind, **named, **verbs(form)}


def verbs(form: dict[str, str]) -> dict[str, bool]:
    """What a form allows; a choice that there is not allows nothing."""
    _, read, write = CHOICES.get(form.get("access", ""), CHOICES["none"])
    return {"canRead": read, "canWrite": write}
