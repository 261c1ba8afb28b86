"""The closed list of what is recorded (policy.yaml `statuses.audit_actions`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from keyway_backend.access.actor import Actor, Origin


class Action(StrEnum):
    """What happened. Names are the wire's."""

    VAULT_CREATED = "vault_created"
    SECRETS_PUSHED = "secrets_pushed"
    SECRETS_PULLED = "secrets_pulled"
    SECRET_VALUE_ACCESSED = "secret_value_accessed"  # noqa: S105
    USER_LOGIN = "user_login"
    USER_LOGOUT = "user_logout"


@dataclass(frozen=True, slots=True)
class Subject:
    """What it happened to. Ids and labels of the moment."""

    vault_id: UUID | None = None
    repository: str | None = None
    environment_id: UUID | None = None
    environment: str | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One row. `keys` names the keys of a partial read or of a change; None means the whole environment at `revision`.

    `details` holds counts and names, never a value.
    """

    action: Action
    actor: Actor
    origin: Origin
    subject: Subject = Subject()
    keys: Sequence[str] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
