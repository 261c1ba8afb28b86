"""Who is asking: the person (or the workflow) behind a verified credential, and where the request came from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID


class CredentialKind(StrEnum):
    """Kinds of credentials (policy.yaml `credentials`)."""

    SESSION = "session"
    API_KEY = "api_key"
    PAT = "pat"
    CI = "ci"
    GITHUB_SIGNATURE = "github_signature"


class Scope(StrEnum):
    """What a credential must hold (policy.yaml `scopes.names` and `session`)."""

    READ = "read:secrets"
    WRITE = "write:secrets"
    DELETE = "delete:secrets"
    API_KEYS = "admin:api-keys"
    SESSION = "session"


SESSION_SCOPES: Final = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a credential ends, whatever its owner may. No environments: all of those vaults."""

    vault_ids: frozenset[UUID]
    environment_ids: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on GitHub, by number. `login` is a label and a hint."""

    github_user_id: int
    login: str


NOBODY: Final = Person(0, "github-actions")
"""Who GitHub is asked about when it is the repository alone that matters."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """What a CI token stands for: a repository as it was at the exchange, and the person who started the run.

    `person` is None when that person had no role then. `stands`: the rule that allowed the token is still there, or,
    where none was, there still is none.
    """

    github_repo_id: int
    github_owner_id: int
    person: Person | None
    by_rule: bool
    stands: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """A person (by numeric id) and the credential that proved it. `login` is a label, never compared.

    A workflow (kind `ci`) is nobody: no `user_id`, number 0.
    """

    user_id: UUID | None
    github_user_id: int
    login: str
    credential_kind: CredentialKind
    credential_id: UUID
    scopes: frozenset[Scope] = SESSION_SCOPES
    binding: Binding | None = None
    workflow: Workflow | None = None

    @property
    def person(self) -> Person:
        """Whom GitHub is asked about."""
        return Person(self.github_user_id, self.login)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, for the audit row. `platform` and `source` follow contract.md 8.1.

    `in_grace`: GitHub was not there, and a role that it told before was believed (GITHUB_GRACE_SECONDS).
    """

    request_id: str
    ip: str
    user_agent: str
    platform: str
    source: str
    device_id: str
    in_grace: bool = False


def source_of(actor: Actor, origin: Origin) -> str:
    """How somebody came (contract.md 8.1): a key and a workflow's token say more than the program that sent them."""
    kind = actor.credential_kind
    return kind.value if kind in {CredentialKind.API_KEY, CredentialKind.CI} else origin.source
