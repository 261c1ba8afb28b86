"""Grants: proof that an actor may do one thing to one vault or environment, right now.

Only this package can make one. The mint is an `InitVar`: it is checked and not stored, so that neither a direct call
nor `dataclasses.replace` forges a grant from another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Final, Literal
from uuid import UUID

from keyway_core.roles import EnvironmentType, Role, Verb

from keyway_backend.access.actor import Actor, Origin, Person
from keyway_backend.access.matrix import Rules
from keyway_backend.clients.github import Repository

_MINT: Final = object()


class ForgedGrant(TypeError):
    """Somebody outside `access` tried to make a grant."""


def _refuse_forgery(mint: object) -> None:
    if mint is not _MINT:
        raise ForgedGrant("grants are made by keyway_backend.access alone")


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault as it was when the grant was decided. Names are labels.

    `installation_id` is the installation of the App that covers it, None while there is none.
    """

    id: UUID
    github_repo_id: int
    github_owner_id: int
    owner_login: str
    repo_name: str
    private: bool
    installation_id: int | None = None

    @property
    def full_name(self) -> str:
        """owner/name"""
        return f"{self.owner_login}/{self.repo_name}"


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment of that vault."""

    id: UUID
    name: str
    type: EnvironmentType


@dataclass(frozen=True, slots=True)
class PersonGrant:
    """The actor's credential is good, now, for a route about the actor's own things."""

    actor: Actor
    origin: Origin
    mint: InitVar[object]

    def __post_init__(self, mint: object) -> None:
        _refuse_forgery(mint)


@dataclass(frozen=True, slots=True)
class RepositoryGrant:
    """The actor is an admin of a repository that the App reaches, whether it has a vault or not."""

    actor: Actor
    origin: Origin
    repository: Repository
    mint: InitVar[object]

    def __post_init__(self, mint: object) -> None:
        _refuse_forgery(mint)


@dataclass(frozen=True, slots=True)
class VaultGrant:
    """The actor has `role` on the vault's repository. `environments` says, in display order, what may be done in each.

    `role` is None for the creator of a vault that the App no longer reaches: that person still sees that it exists
    (policy.yaml `app_not_installed`), and may do nothing in any environment. `manage` is None when nobody had to know.
    `created_by` is the number of the vault's creator, `rules` what stands above the matrix there.
    """

    actor: Actor
    origin: Origin
    vault: Vault
    role: Role | None
    environments: Mapping[UUID, tuple[Environment, frozenset[Verb]]]
    manage: bool | None
    created_by: int
    rules: Rules
    mint: InitVar[object]

    def __post_init__(self, mint: object) -> None:
        _refuse_forgery(mint)


@dataclass(frozen=True, slots=True)
class EnvironmentGrant:
    """The actor may `verb` the values of one environment.

    `environment` is None when the vault has none of the name that was asked for (`asked_name`), and the actor would
    have been allowed to touch one of the type that the name implies (policy.yaml `missing_environment`).
    `also_reads` says whether the actor may read there too, by right and by scope: without it a write must not tell
    what was unchanged.
    """

    actor: Actor
    origin: Origin
    vault: Vault
    environment: Environment | None
    asked_name: str
    role: Role
    verb: Verb
    also_reads: bool
    mint: InitVar[object]

    def __post_init__(self, mint: object) -> None:
        _refuse_forgery(mint)


@dataclass(frozen=True, slots=True)
class SecretGrant:
    """The actor may do to one secret what `environment` allows there. `key` is its present name, or its last one."""

    environment: EnvironmentGrant
    secret_id: UUID
    key: str
    mint: InitVar[object]

    def __post_init__(self, mint: object) -> None:
        _refuse_forgery(mint)


OrganizationRole = Literal["owner", "member"]


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation that was connected. `login` is a label."""

    id: UUID
    github_org_id: int
    login: str


@dataclass(frozen=True, slots=True)
class OrgGrant:
    """The actor is an active member of the organisation, by GitHub's word of now."""

    actor: Actor
    origin: Origin
    organization: Organization
    role: OrganizationRole
    installation_id: int
    mint: InitVar[object]

    def __post_init__(self, mint: object) -> None:
        _refuse_forgery(mint)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A repository that a workflow runs for, as GitHub shows it now, and its vault. It allows nothing by itself.

    `role` is what the person who started the run is there.
    """

    vault: Vault
    environments: tuple[Environment, ...]
    repository: Repository
    role: Role | None


@dataclass(frozen=True, slots=True)
class Effective:
    """What another person is on a vault and may do there. It is told to somebody who manages; it allows nothing."""

    person: Person
    role: Role | None
    environments: Mapping[UUID, tuple[Environment, frozenset[Verb]]]
