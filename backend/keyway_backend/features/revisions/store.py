"""Statements over revisions and the values that belong to them. Each answer is a constant number of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString
from uuid import UUID

from keyway_core.sealed import Sealed
from psycopg.rows import DictRow

from keyway_backend.db.engine import Connection, one, rows
from keyway_backend.features.revisions.rules import Held

_HEAD: Final[LiteralString] = """
    SELECT head_revision AS number, head_revision_id AS id FROM environments
    WHERE id = %(environment)s AND deleted_at IS NULL
"""
_REVISION: Final[LiteralString] = """
    SELECT r.id, r.number, r.author_user_id, u.login, u.avatar_url, r.credential_kind, r.source, r.message,
        r.created, r.updated, r.deleted, r.created_at
    FROM revisions AS r LEFT JOIN users AS u ON u.id = r.author_user_id
    WHERE r.environment_id = %(environment)s
"""
_PAGE: Final[LiteralString] = _REVISION + " ORDER BY r.number DESC LIMIT %(limit)s OFFSET %(offset)s"
_BY_NUMBER: Final[LiteralString] = _REVISION + " AND r.number = %(number)s"
_BY_ID: Final[LiteralString] = _REVISION + " AND r.id = %(id)s"
_COUNT: Final[LiteralString] = "SELECT count(*) AS total FROM revisions WHERE environment_id = %(environment)s"
_CHANGED: Final[LiteralString] = """
    SELECT key, bool_or(from_revision = %(number)s) AS came, bool_or(to_revision = %(number)s) AS went
    FROM (
        SELECT key, from_revision, to_revision FROM secret_values
        WHERE environment_id = %(environment)s AND from_revision = %(number)s
        UNION ALL
        SELECT key, from_revision, to_revision FROM secret_values
        WHERE environment_id = %(environment)s AND to_revision = %(number)s
    ) AS touched
    GROUP BY key ORDER BY key
"""
_HELD: Final[LiteralString] = """
    SELECT id, secret_id, key, from_revision AS since, to_revision AS until, purged_at IS NOT NULL AS purged,
        coalesce(origin_value_id, id) AS root
    FROM secret_values
    WHERE environment_id = %(environment)s AND from_revision <= %(newest)s
        AND (to_revision IS NULL OR to_revision > %(oldest)s)
"""
_SEALED: Final[LiteralString] = "SELECT id, sealed FROM secret_values WHERE id = ANY(%(ids)s) AND sealed IS NOT NULL"
_LIVE: Final[LiteralString] = """
    SELECT e.head_revision AS number, e.head_revision_id AS id, e.manifest,
        (SELECT coalesce(json_agg(json_build_array(v.key, v.id, v.secret_id) ORDER BY v.key), '[]')
         FROM secret_values AS v WHERE v.environment_id = e.id AND v.to_revision IS NULL) AS entries,
        (SELECT array_agg(v.sealed ORDER BY v.key)
         FROM secret_values AS v WHERE v.environment_id = e.id AND v.to_revision IS NULL) AS sealed
    FROM environments AS e WHERE e.id = %(environment)s AND e.deleted_at IS NULL
"""
_ONE_LIVE: Final[LiteralString] = """
    SELECT v.environment_id, v.key FROM secret_values AS v JOIN environments AS e ON e.id = v.environment_id
    WHERE v.secret_id = %(secret)s AND v.to_revision IS NULL AND e.vault_id = %(vault)s AND e.deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class LiveValue:
    """A value of the present revision."""

    value_id: UUID
    secret_id: UUID
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Live:
    """An environment at its head, with all its values in the order of their keys, in one snapshot."""

    number: int
    revision_id: UUID
    manifest: bytes
    values: dict[str, LiveValue]


async def head(connection: Connection, environment_id: UUID) -> DictRow | None:
    """number and id of the present revision; None when the environment is gone."""
    return await one(connection, _HEAD, environment=environment_id)


async def page(connection: Connection, environment_id: UUID, *, limit: int, offset: int) -> tuple[list[DictRow], int]:
    """A page of the revisions, newest first, and how many there are."""
    found = await rows(connection, _PAGE, environment=environment_id, limit=limit, offset=offset)
    counted = await one(connection, _COUNT, environment=environment_id)
    return found, counted["total"] if counted is not None else 0


async def revision(connection: Connection, environment_id: UUID, named: int | UUID) -> DictRow | None:
    """One revision, by number or by id."""
    if isinstance(named, UUID):
        return await one(connection, _BY_ID, environment=environment_id, id=named)
    return await one(connection, _BY_NUMBER, environment=environment_id, number=named)


async def changed(connection: Connection, environment_id: UUID, number: int) -> list[DictRow]:
    """The keys whose rows began (`came`) or ended (`went`) with a revision."""
    return await rows(connection, _CHANGED, environment=environment_id, number=number)


async def held(connection: Connection, environment_id: UUID, oldest: int, newest: int) -> list[Held]:
    """Every row that was there at some time between two revisions."""
    found = await rows(connection, _HELD, environment=environment_id, oldest=oldest, newest=newest)
    return [Held(**row) for row in found]


async def sealed(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Sealed]:
    """Ciphertext by row; rows that were purged are left out."""
    found = await rows(connection, _SEALED, ids=list(ids))
    return {row["id"]: Sealed(row["sealed"]) for row in found}


async def live(connection: Connection, environment_id: UUID) -> Live | None:
    """What an environment holds now; None when it is gone."""
    row = await one(connection, _LIVE, environment=environment_id)
    if row is None:
        return None
    entries: list[tuple[str, str, str]] = row["entries"]
    values = {
        key: LiveValue(UUID(value_id), UUID(secret_id), Sealed(blob or b""))
        for (key, value_id, secret_id), blob in zip(entries, row["sealed"] or (), strict=True)
    }
    return Live(row["number"], row["id"], row["manifest"], values)


async def live_secret(connection: Connection, vault_id: UUID, secret_id: UUID) -> tuple[UUID, str] | None:
    """The environment and the key of a live secret of a vault."""
    row = await one(connection, _ONE_LIVE, vault=vault_id, secret=secret_id)
    return None if row is None else (row["environment_id"], row["key"])
