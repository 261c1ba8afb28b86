"""From rows to facts: what this backend wrote counts, what others wrote is absent and alarms (policy.yaml `tamper`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from keyway_core.roles import EnvironmentType, Role, Verb

from keyway_backend.access.grants import Environment, Vault
from keyway_backend.access.macs import Macs, Purpose
from keyway_backend.access.matrix import NO_RULES, Override, Rules, allowed_verbs
from keyway_backend.access.store import RoleRow
from keyway_backend.platform.metrics import integrity_alarm

Row = Mapping[str, Any]
_KNOWN: Final = 16_384


@dataclass(frozen=True, slots=True)
class CachedRole:
    """What GitHub said not long ago."""

    role: Role | None
    installation_id: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """A vault and everything that decides about it for one person. `cached` is None when GitHub has to be asked.

    `former` is a role that was told before and is too old by `former_seconds`, with no removal since.
    """

    vault: Vault
    creator: int
    cached: CachedRole | None
    environments: tuple[Environment, ...]
    rules: Rules
    former: CachedRole | None = None
    former_seconds: float = 0.0

    def verbs(self, role: Role, github_user_id: int, environment: Environment) -> frozenset[Verb]:
        """What the person may do in one of the environments."""
        return allowed_verbs(role, github_user_id, environment.type, environment.id, self.rules)


def found(rows: Iterable[Row], github_user_id: int, macs: Macs) -> list[Found]:
    """The vaults of a look-up; rows of one vault stand together."""
    real = (row for row in rows if row["vault_id"] is not None)
    return [_found(list(group), github_user_id, macs) for _, group in groupby(real, key=lambda row: row["vault_id"])]


def _found(rows: list[Row], github_user_id: int, macs: Macs) -> Found:
    row = rows[0]
    told = _told(row, github_user_id, macs)
    too_old = (row["asked_at"] - row["role_expires_at"]).total_seconds() if told is not None else 0.0
    return Found(
        _vault(row),
        row["created_by_github_user_id"],
        told if too_old < 0 else None,
        tuple([_environment(one, macs) for one in rows if one["environment_id"] is not None]),
        _rules(next((one for one in rows if one["overrides"] is not None), row), macs),
        told if too_old >= 0 and told is not None and told.role is not None else None,
        too_old,
    )


def _vault(row: Row) -> Vault:
    return Vault(
        row["vault_id"],
        row["github_repo_id"],
        row["github_owner_id"],
        row["owner_login"],
        row["repo_name"],
        row["private"],
    )


def _told(row: Row, github_user_id: int, macs: Macs) -> CachedRole | None:
    """What GitHub said last, fresh or not, if it is ours and no removal was told since."""
    if row["role_mac"] is None:
        return None
    stored = RoleRow(
        github_user_id,
        row["github_repo_id"],
        row["cached_role"],
        row["installation_id"],
        row["role_asked_at"],
        row["role_expires_at"],
        row["role_owner_id"],
    )
    if not macs.fits(row["role_mac"], Purpose.ROLE, *stored.fields):
        integrity_alarm("role_cache", vault_id=str(row["vault_id"]), github_user_id=str(github_user_id))
        return None
    if not row["role_stands"]:
        return None
    if stored.role is not None and stored.owner != row["github_owner_id"]:
        return None  # transferred since, or the vault's row was repointed: GitHub says who owns it
    return CachedRole(Role(stored.role) if stored.role else None, stored.installation)


def type_mac(macs: Macs, vault_id: UUID, environment_id: UUID, kind: EnvironmentType) -> bytes:
    """The code that an environment's row must carry."""
    return macs.make(Purpose.ENVIRONMENT_TYPE, vault_id, environment_id, kind.value)


def _environment(row: Row, macs: Macs) -> Environment:
    fields = (row["vault_id"], row["environment_id"], row["environment_type"])
    proven = _proven(macs, row["type_mac"], row["environment_name"], *fields)
    if proven is None:
        integrity_alarm("environment_type", environment_id=str(row["environment_id"]))
        return Environment(row["environment_id"], row["environment_name"], EnvironmentType.PROTECTED)
    return proven


@lru_cache(maxsize=_KNOWN)
def _proven(
    macs: Macs, mac: bytes, name: str, vault_id: UUID, environment_id: UUID, environment_type: str
) -> Environment | None:
    """The environment of a row with this code; None when the code is not ours. Lists are the same at every request."""
    if not macs.fits(mac, Purpose.ENVIRONMENT_TYPE, vault_id, environment_id, environment_type):
        return None
    return Environment(environment_id, name, EnvironmentType(environment_type))


def _rules(row: Row, macs: Macs) -> Rules:
    if row["overrides"] is None and row["defaults_mac"] is None:
        return NO_RULES
    overrides = [_override(one, row["vault_id"], macs) for one in row["overrides"] or ()]
    return Rules(tuple(one for one in overrides if one is not None), _defaults(row, macs))


def _override(stored: Mapping[str, Any], vault_id: UUID, macs: Macs) -> Override | None:
    id_, scope = UUID(stored["id"]), stored["environment_id"]
    environment_id = UUID(scope) if scope else None
    user, role = stored["target_github_user_id"], stored["target_role"]
    fields = override_fields(id_, vault_id, environment_id, user, role, stored["can_read"], stored["can_write"])
    if not macs.fits(bytes.fromhex(stored["mac"]), Purpose.OVERRIDE, *fields):
        integrity_alarm("permission_override", vault_id=str(vault_id), override_id=str(id_))
        return None
    return Override(environment_id, user, Role(role) if role else None, stored["can_read"], stored["can_write"])


def override_fields(
    id_: UUID, vault_id: UUID, environment_id: UUID | None, user: int | None, role: str | None, *verbs: bool
) -> tuple[UUID | int | str | bool | None, ...]:
    """What the code of an override covers, in this order; `verbs` are can_read, can_write."""
    return id_, vault_id, environment_id, user, role, *verbs


def _defaults(row: Row, macs: Macs) -> Mapping[str, Any] | None:
    if row["defaults_mac"] is None:
        return None
    stored = row["default_permissions"]
    text = json.dumps(stored, sort_keys=True, separators=(",", ":"))
    if not macs.fits(row["defaults_mac"], Purpose.DEFAULTS, row["github_owner_id"], text):
        integrity_alarm("organisation_defaults", github_org_id=str(row["github_owner_id"]))
        return None
    return stored if isinstance(stored, dict) else None
