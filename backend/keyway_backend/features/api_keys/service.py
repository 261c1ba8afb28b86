"""API keys of a person (contract.md 4.7, policy.yaml `credentials.api_key`).

A session makes whatever its person may do; a key makes keys that may do no more than itself. The token leaves once,
with the answer that makes it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from keyway_core.sensitive import Sensitive
from psycopg.rows import DictRow

from keyway_backend import audit, notify
from keyway_backend.access import api_keys
from keyway_backend.access.actor import Actor, Binding, CredentialKind, Origin, Scope
from keyway_backend.access.api_keys import NewKey
from keyway_backend.access.decide import Access
from keyway_backend.access.grants import PersonGrant
from keyway_backend.access.macs import Macs
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.api_keys import rules, store
from keyway_backend.features.api_keys.rules import Maker, Wanted
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import BadRequest, FieldError, Forbidden, NotFound, Unauthorized, ValidationFailed
from keyway_backend.platform.ids import new_id

_BY_OWNER: Final = "Revoked by its owner"
_LEAKED: Final = "Reported as leaked"


class ApiKeys:
    """API keys."""

    def __init__(self, database: Database, access: Access, macs: Macs) -> None:
        self._database = database
        self._access = access
        self._macs = macs

    async def create(self, grant: PersonGrant, wanted: Wanted) -> dict[str, Any]:
        """A new key, with its token. Raises Forbidden for more than the maker has, ValidationFailed."""
        moment = now()
        expires_at = moment + timedelta(days=rules.lifetime_days(wanted))
        if grant.actor.credential_kind is CredentialKind.API_KEY:
            maker = await self._maker(grant.actor)
            if wanted.days is None:
                expires_at = min(expires_at, maker.expires_at)
            if (more := rules.exceeded(wanted, maker, expires_at)) is not None:
                raise Forbidden(f"A key makes only keys that may do no more than itself: {more}.")
        if wanted.binding is not None:
            await self._check(grant, wanted.binding)
        actor, token = grant.actor, api_keys.mint(wanted.environment)
        key = NewKey(
            new_id(),
            _person(actor),
            actor.github_user_id,
            wanted.name,
            wanted.environment,
            token,
            wanted.scopes,
            wanted.binding,
            wanted.allowed_ips,
            moment,
            expires_at,
        )
        async with self._database.transaction() as connection:
            await api_keys.insert(connection, self._macs, key)
            row = await store.by_id(connection, key.user_id, key.id)
            assert row is not None  # noqa: S101 - it was inserted a statement before
            await _record(connection, audit.Action.API_KEY_CREATED, actor, grant.origin, row)
        return _shown(row) | {"token": token.reveal()}

    async def _maker(self, actor: Actor) -> Maker:
        """The key that asks, as it stands in its row. Raises Unauthorized when it is gone meanwhile."""
        async with self._database.read() as connection:
            row = await store.by_id(connection, _person(actor), actor.credential_id)
        if row is None or not row["active"] or not api_keys.is_ours(self._macs, row):
            raise Unauthorized("Invalid or expired token")
        return Maker(actor.scopes, actor.binding, row["allowed_ips"], row["expires_at"])

    async def _check(self, grant: PersonGrant, binding: Binding) -> None:
        """A key is bound to vaults that its owner reaches, and to environments of these. Foreign is like missing."""
        reached = {one.vault.id for one in await self._access.vaults(grant)}
        faults = [] if binding.vault_ids <= reached else [FieldError("vaultIds", "Not all of these are your vaults.")]
        if binding.environment_ids and not faults:
            wanted = sorted(binding.environment_ids)
            async with self._database.read() as connection:
                found = await store.environments_of(connection, sorted(binding.vault_ids), wanted)
            if found != binding.environment_ids:
                faults = [FieldError("environmentIds", "Not all of these are environments of these vaults.")]
        if faults:
            raise ValidationFailed("Invalid request data", errors=faults)

    async def every(self, grant: PersonGrant) -> list[dict[str, Any]]:
        """The person's keys, revoked ones too, newest first; a bound key sees those within its binding."""
        async with self._database.read() as connection:
            found = await store.every(connection, _person(grant.actor))
        return [_shown(row) for row in found if self._is_seen(row, grant.actor)]

    async def show(self, grant: PersonGrant, key_id: UUID) -> dict[str, Any]:
        """One key, with the addresses that it may be used from. Raises NotFound."""
        async with self._database.read() as connection:
            row = await self._one(connection, grant, key_id)
        return _shown(row) | {"allowedIps": list(row["allowed_ips"])}

    async def revoke(self, grant: PersonGrant, key_id: UUID) -> None:
        """Ends a key. Raises NotFound; BadRequest when it was revoked already."""
        async with self._database.transaction() as connection:
            row = await self._one(connection, grant, key_id)
            if not await self._ended(connection, row, _BY_OWNER):
                raise BadRequest("This API key is revoked already")
            await _record(connection, audit.Action.API_KEY_REVOKED, grant.actor, grant.origin, row, reason=_BY_OWNER)

    async def report_leak(self, token: Sensitive, origin: Origin) -> None:
        """Somebody found a token: it ends, and its owner hears of it. The token itself is kept nowhere.

        Raises BadRequest for what is no key of ours by its form; says nothing about whether there is such a key.
        """
        if not api_keys.is_well_formed(token.reveal()):
            raise BadRequest("This is no API key of Keyway: its form or its checksum is wrong")
        async with self._database.transaction() as connection:
            row = await store.by_hash(connection, api_keys.hash_of(token.reveal()))
            if row is None or not api_keys.is_ours(self._macs, row) or not await self._ended(connection, row, _LEAKED):
                return
            owner = Actor(row["user_id"], row["github_user_id"], row["login"], CredentialKind.API_KEY, row["id"])
            await _record(connection, audit.Action.API_KEY_REVOKED, owner, origin, row, reason=_LEAKED)
            await notify.send(connection, "key_leaked", row["user_id"], key_name=f"“{row['name']}”")

    async def _ended(self, connection: Connection, row: DictRow, reason: str) -> bool:
        mac = api_keys.ended_mac(self._macs, row)
        return await store.revoke(connection, row["id"], reason, now(), mac)

    async def _one(self, connection: Connection, grant: PersonGrant, key_id: UUID) -> DictRow:
        row = await store.by_id(connection, _person(grant.actor), key_id)
        if row is None or not self._is_seen(row, grant.actor):
            raise NotFound("API key not found")
        return row

    def _is_seen(self, row: DictRow, actor: Actor) -> bool:
        """A row that we did not write is no key."""
        binding = rules.binding_of(row["vault_ids"] or (), row["environment_ids"] or ())
        return api_keys.is_ours(self._macs, row) and rules.visible(binding, actor)


async def _record(
    connection: Connection, action: audit.Action, actor: Actor, origin: Origin, row: DictRow, **more: str
) -> None:
    details = {"keyId": str(row["id"]), "keyName": row["name"], "prefix": row["prefix"], "scopes": list(row["scopes"])}
    await audit.record(connection, audit.Event(action, actor, origin, details=details | more))


def _shown(row: DictRow) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "prefix": row["prefix"],
        "environment": row["environment"],
        "scopes": [scope for scope in map(str, rules.SCOPES) if scope in row["scopes"]],
        "vaultIds": [str(one) for one in row["vault_ids"] or ()],
        "environmentIds": [str(one) for one in row["environment_ids"] or ()],
        "expiresAt": iso(row["expires_at"]),
        "lastUsedAt": iso(row["last_used_at"]) if row["last_used_at"] else None,
        "usageCount": row["usage_count"],
        "createdAt": iso(row["created_at"]),
        "revokedAt": iso(row["revoked_at"]) if row["revoked_at"] else None,
        "revokedReason": row["revoked_reason"],
        "isActive": row["active"],
    }


def _person(actor: Actor) -> UUID:
    """Whoever may come here is a person."""
    if actor.user_id is None or Scope.API_KEYS not in actor.scopes:
        raise Forbidden("This credential may not manage API keys.")
    return actor.user_id
