"""Rows of rules, and of GitHub's tokens that were used."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from keyway_backend.db.engine import Connection, one, rows, run

_LIVE: Final[LiteralString] = """
    SELECT r.id, r.vault_id, r.environment_id, r.conditions, r.mac, r.created_at, r.updated_at
    FROM oidc_rules AS r JOIN environments AS e ON e.id = r.environment_id AND e.deleted_at IS NULL
    WHERE r.vault_id = %(vault)s"""
_OF_ENVIRONMENTS: Final[LiteralString] = " AND r.environment_id = ANY(%(environments)s) ORDER BY r.created_at, r.id"


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule as it is to be kept."""

    id: UUID
    vault_id: UUID
    environment_id: UUID
    conditions: Mapping[str, Any]
    fingerprint: bytes
    mac: bytes


async def rules(connection: Connection, vault_id: UUID, environments: Collection[UUID]) -> list[DictRow]:
    """The rules of these environments of a vault, oldest first."""
    return await rows(connection, _LIVE + _OF_ENVIRONMENTS, vault=vault_id, environments=list(environments))


async def rule(connection: Connection, vault_id: UUID, rule_id: UUID) -> DictRow | None:
    """A rule of the vault."""
    return await one(connection, _LIVE + " AND r.id = %(id)s", vault=vault_id, id=rule_id)


async def insert_rule(connection: Connection, new: NewRule, author: UUID | None, moment: datetime) -> bool:
    """Keeps a rule; False when the environment has the same one."""
    return (
        await run(
            connection,
            """INSERT INTO oidc_rules (id, vault_id, environment_id, conditions, fingerprint, created_by, created_at,
                                       updated_at, mac)
               VALUES (%(id)s, %(vault)s, %(environment)s, %(conditions)s, %(fingerprint)s, %(author)s, %(now)s,
                       %(now)s, %(mac)s)
               ON CONFLICT (environment_id, fingerprint) DO NOTHING""",
            **_values(new),
            author=author,
            now=moment,
        )
        == 1
    )


async def same_exists(connection: Connection, new: NewRule) -> bool:
    """Whether the environment has the same rule under another id."""
    found = await one(
        connection,
        """SELECT id FROM oidc_rules
           WHERE environment_id = %(environment)s AND fingerprint = %(fingerprint)s AND id <> %(id)s""",
        environment=new.environment_id,
        fingerprint=new.fingerprint,
        id=new.id,
    )
    return found is not None


async def update_rule(connection: Connection, new: NewRule, moment: datetime) -> bool:
    """Changes a rule; what it allowed before ends. False when it is gone."""
    changed = await run(
        connection,
        """UPDATE oidc_rules SET environment_id = %(environment)s, conditions = %(conditions)s,
               fingerprint = %(fingerprint)s, updated_at = %(now)s, mac = %(mac)s
           WHERE id = %(id)s AND vault_id = %(vault)s""",
        **_values(new),
        now=moment,
    )
    await run(connection, "DELETE FROM ci_tokens WHERE rule_id = %(id)s", id=new.id)
    return changed == 1


async def delete_rule(connection: Connection, vault_id: UUID, rule_id: UUID) -> bool:
    """Removes a rule, and with it the tokens that came from it. False when it is gone."""
    statement: LiteralString = "DELETE FROM oidc_rules WHERE id = %(id)s AND vault_id = %(vault)s"
    return await run(connection, statement, id=rule_id, vault=vault_id) == 1


async def was_used(connection: Connection, jti_hash: bytes) -> bool:
    """Whether one of GitHub's tokens was exchanged before."""
    statement: LiteralString = "SELECT 1 AS used FROM oidc_token_uses WHERE jti_hash = %(hash)s"
    return await one(connection, statement, hash=jti_hash) is not None


async def use(connection: Connection, jti_hash: bytes, ends_at: datetime) -> bool:
    """Uses one of GitHub's tokens up; False when somebody else was first."""
    return (
        await run(
            connection,
            """INSERT INTO oidc_token_uses (jti_hash, expires_at) VALUES (%(hash)s, %(ends_at)s)
               ON CONFLICT (jti_hash) DO NOTHING""",
            hash=jti_hash,
            ends_at=ends_at,
        )
        == 1
    )


async def purge(connection: Connection) -> None:
    """Forgets what is over: tokens of workflows, and uses of tokens that nobody can use again."""
    await run(connection, "DELETE FROM ci_tokens WHERE expires_at < now() - interval '1 day'")
    await run(connection, "DELETE FROM oidc_token_uses WHERE expires_at < now()")


def _values(new: NewRule) -> dict[str, Any]:
    return {
        "id": new.id,
        "vault": new.vault_id,
        "environment": new.environment_id,
        "conditions": Jsonb(dict(new.conditions)),
        "fingerprint": new.fingerprint,
        "mac": new.mac,
    }
