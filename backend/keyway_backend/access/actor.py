"""Who is asking: the person behind a verified credential, and where the request came from."""

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


class Scope(StrEnum):
    """What a credential must hold (policy.yaml `scopes.names` and `session`)."""

    READ = "read:secrets"
    WRITE = "write:secrets"
    DELETE = "delete:secrets"
    API_KEYS = "admin:api-keys"
    SESSION = "session"


SESSION_SCOPES: Final = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Actor:
    """A person (by numeric id) and the credential that proved it. `login` is a label, never compared."""

    user_id: UUID
    github_user_id: int
    login: str
    credential_kind: CredentialKind
    credential_id: UUID
    scopes: frozenset[Scope] = SESSION_SCOPES


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, for the audit row. `platform` and `source` follow contract.md 8.1."""

    request_id: str
    ip: str
    user_agent: str
    platform: str
    source: str
    device_id: str
