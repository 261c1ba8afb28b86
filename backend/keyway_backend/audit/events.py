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
    VAULT_DELETED = "vault_deleted"
    SECRETS_PUSHED = "secrets_pushed"
    SECRETS_PULLED = "secrets_pulled"
    SECRET_CREATED = "secret_created"  # noqa: S105
    SECRET_UPDATED = "secret_updated"  # noqa: S105
    SECRET_DELETED = "secret_deleted"  # noqa: S105
    SECRET_ROTATED = "secret_rotated"  # noqa: S105
    SECRET_VALUE_ACCESSED = "secret_value_accessed"  # noqa: S105
    SECRET_TRASHED = "secret_trashed"  # noqa: S105
    SECRET_RESTORED = "secret_restored"  # noqa: S105
    SECRET_PERMANENTLY_DELETED = "secret_permanently_deleted"  # noqa: S105
    SECRET_VERSION_RESTORED = "secret_version_restored"  # noqa: S105
    SECRET_VERSION_VALUE_ACCESSED = "secret_version_value_accessed"  # noqa: S105
    PERMISSION_CHANGED = "permission_changed"
    ENVIRONMENT_CREATED = "environment_created"
    ENVIRONMENT_RENAMED = "environment_renamed"
    ENVIRONMENT_DELETED = "environment_deleted"
    ENVIRONMENT_TYPE_CHANGED = "environment_type_changed"
    INTEGRATION_CONNECTED = "integration_connected"
    INTEGRATION_DISCONNECTED = "integration_disconnected"
    SECRETS_SYNCED = "secrets_synced"
    PLAN_UPGRADED = "plan_upgraded"
    PLAN_DOWNGRADED = "plan_downgraded"
    VCS_APP_INSTALLED = "vcs_app_installed"
    VCS_APP_UNINSTALLED = "vcs_app_uninstalled"
    USER_LOGIN = "user_login"
    API_KEY_CREATED = "api_key_created"
    API_KEY_REVOKED = "api_key_revoked"
    ORG_TRIAL_STARTED = "org_trial_started"
    ORG_TRIAL_EXPIRED = "org_trial_expired"
    ORG_TRIAL_CONVERTED = "org_trial_converted"
    USER_LOGOUT = "user_logout"
    SESSION_STARTED = "session_started"
    SESSION_REVOKED = "session_revoked"
    ORG_CONNECTED = "org_connected"
    ORG_SETTINGS_CHANGED = "org_settings_changed"
    ORG_MEMBERS_SYNCED = "org_members_synced"
    SYNC_LINKED = "sync_linked"
    SECRET_VERSION_PURGED = "secret_version_purged"  # noqa: S105
    ENVIRONMENT_ROLLED_BACK = "environment_rolled_back"
    ENVIRONMENT_COPIED = "environment_copied"
    SECRET_COPIED = "secret_copied"  # noqa: S105
    ENVIRONMENTS_COMPARED = "environments_compared"
    SECRET_DIGESTS_ISSUED = "secret_digests_issued"  # noqa: S105
    CI_TOKEN_ISSUED = "ci_token_issued"  # noqa: S105
    CI_RULE_CREATED = "ci_rule_created"
    CI_RULE_CHANGED = "ci_rule_changed"
    CI_RULE_DELETED = "ci_rule_deleted"
    EXPOSURE_TICKED = "exposure_ticked"
    EXPOSURE_UNTICKED = "exposure_unticked"


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
