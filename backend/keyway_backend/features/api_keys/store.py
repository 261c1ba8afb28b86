"""Rows of API keys, as their owner sees them. Making and verifying them is `access.api_keys`'."""

from __future__ import annotations

from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from keyway_backend.db.engine import Connection, one, rows, run

# How often a key was used is counted from what it did; what leaves no event (a list, say) is noted once a minute.
_SEEN: Final[LiteralString] = """
    SELECT k.id, k.user_id, k.name, k.environment, k.prefix, k.token_hash, k.scopes, k.vault_ids, k.environment_ids,
        k.allowed_ips, k.created_at, k.expires_at, k.revoked_at, k.revoked_reason, k.mac, u.github_user_id, u.login,
        greatest(k.last_used_at, used.last) AS last_used_at, greatest(k.usage_count, used.times) AS usage_count,
        k.revoked_at IS NULL AND k.expires_at > now() AS active
    FROM api_keys AS k JOIN users AS u ON u.id = k.user_id
    LEFT JOIN LATERAL (
        SELECT count(*) AS times, max(at) AS last FROM audit_events
        WHERE credential_kind = 'api_key' AND credential_id = k.id
    ) AS used ON true"""
_OF_A_PERSON: Final[LiteralString] = " WHERE k.user_id = %(user)s ORDER BY k.created_at DESC, k.id DESC LIMIT 1000"
_BY_ID: Final[LiteralString] = " WHERE k.user_id = %(user)s AND k.id = %(id)s"
_BY_HASH: Final[LiteralString] = " WHERE k.token_hash = %(hash)s"
_EVERY: Final[LiteralString] = _SEEN + _OF_A_PERSON
_ONE: Final[LiteralString] = _SEEN + _BY_ID
_HASHED: Final[LiteralString] = _SEEN + _BY_HASH


async def every(connection: Connection, user_id: UUID) -> list[DictRow]:
    """A person's keys, revoked ones too, newest first."""
    return await rows(connection, _EVERY, user=user_id)


async def by_id(connection: Connection, user_id: UUID, key_id: UUID) -> DictRow | None:
    """A key of a person."""
    return await one(connection, _ONE, user=user_id, id=key_id)


async def by_hash(connection: Connection, token_hash: bytes) -> DictRow | None:
    """The key of a token, whoever's it is."""
    return await one(connection, _HASHED, hash=token_hash)


async def revoke(connection: Connection, key_id: UUID, reason: str, moment: datetime, mac: bytes) -> bool:
    """Ends a key, which gets another code with it; False when it was revoked already."""
    statement = """UPDATE api_keys SET revoked_at = %(now)s, revoked_reason = %(reason)s, mac = %(mac)s
                   WHERE id = %(id)s AND revoked_at IS NULL"""
    return await run(connection, statement, id=key_id, reason=reason, now=moment, mac=mac) == 1


async def environments_of(connection: Connection, vault_ids: list[UUID], environment_ids: list[UUID]) -> set[UUID]:
    """Which of these environments are there, in these vaults."""
    found = await rows(
        connection,
        """SELECT id FROM environments
           WHERE id = ANY(%(environments)s) AND vault_id = ANY(%(vaults)s) AND deleted_at IS NULL""",
        environments=environment_ids,
        vaults=vault_ids,
    )
    return {row["id"] for row in found}
