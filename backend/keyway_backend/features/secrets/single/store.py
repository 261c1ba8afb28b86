"""The statements about single secrets. No list costs more of them when it is longer.

A version of a secret is a row that another one has followed. What lies in the trash is a last row that has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from keyway_core.limits import PAGE_DEFAULT_LONG, TRASH_DAYS, VERSION_DAYS, VERSIONS_KEPT
from keyway_core.sealed import Sealed
from psycopg.rows import DictRow

from keyway_backend.access.grants import SecretGrant
from keyway_backend.db.engine import Connection, one, rows, run
from keyway_backend.features.secrets.store import environment_of

_ITEM: Final[LiteralString] = """
    SELECT p.secret_id, p.environment_id, p.key, p.created_at AS updated_at, f.created_at, u.login, u.avatar_url
    FROM p
    LEFT JOIN revisions AS r ON r.environment_id = p.environment_id AND r.number = p.from_revision
    LEFT JOIN users AS u ON u.id = r.author_user_id
    CROSS JOIN LATERAL (
        SELECT v.created_at FROM secret_values AS v WHERE v.secret_id = p.secret_id ORDER BY v.from_revision LIMIT 1
    ) AS f
    ORDER BY p.created_at DESC, p.key, p.secret_id"""
_PAGE: Final[LiteralString] = """
    WITH p AS (
        SELECT secret_id, environment_id, key, created_at, from_revision FROM secret_values
        WHERE environment_id = ANY(%(environments)s) AND to_revision IS NULL
        ORDER BY created_at DESC, key, secret_id LIMIT %(limit)s OFFSET %(offset)s
    )"""
_ONE: Final[LiteralString] = """
    WITH p AS (
        SELECT secret_id, environment_id, key, created_at, from_revision FROM secret_values
        WHERE environment_id = %(environment)s AND secret_id = %(secret)s AND to_revision IS NULL
    )"""
_COUNT: Final[LiteralString] = """
    SELECT count(*) AS count FROM secret_values WHERE environment_id = ANY(%(environments)s) AND to_revision IS NULL"""

_HISTORY: Final[LiteralString] = """
    SELECT h.id, h.number, h.key, h.from_revision, h.to_revision, h.kept, h.created_at, u.login, u.avatar_url
    FROM (
        SELECT v.id, v.environment_id, v.key, v.from_revision, v.to_revision, v.created_at,
            v.sealed IS NOT NULL AS kept, row_number() OVER (ORDER BY v.from_revision, v.id) AS number
        FROM secret_values AS v WHERE v.environment_id = %(environment)s AND v.secret_id = %(secret)s
    ) AS h
    LEFT JOIN revisions AS r ON r.environment_id = h.environment_id AND r.number = h.from_revision
    LEFT JOIN users AS u ON u.id = r.author_user_id"""
_VERSIONS: Final[LiteralString] = """
    WHERE h.to_revision IS NOT NULL AND h.kept ORDER BY h.number DESC LIMIT %(most)s"""
_VERSION: Final[LiteralString] = """
    WHERE h.id = %(version)s"""

_TRASH: Final[LiteralString] = """
    FROM secret_values AS v
    JOIN revisions AS r ON r.environment_id = v.environment_id AND r.number = v.to_revision
    WHERE v.environment_id = ANY(%(environments)s) AND v.to_revision IS NOT NULL AND v.sealed IS NOT NULL
        AND r.created_at > now() - interval '30 days'
        AND NOT EXISTS (
            SELECT FROM secret_values AS n WHERE n.secret_id = v.secret_id AND n.from_revision >= v.to_revision)"""
_TRASH_PAGE: Final[LiteralString] = """
    SELECT v.secret_id, v.environment_id, v.key, r.created_at AS deleted_at, now() AS now"""
_TRASH_ORDER: Final[LiteralString] = """
    ORDER BY r.created_at DESC, v.key, v.secret_id LIMIT %(limit)s OFFSET %(offset)s"""

_LAST: Final[LiteralString] = """
    SELECT id, key, sealed, to_revision FROM secret_values
    WHERE environment_id = %(environment)s AND secret_id = %(secret)s ORDER BY from_revision DESC, id DESC LIMIT 1"""
_LOCK_ALL: Final[LiteralString] = """
    SELECT id FROM environments WHERE id = ANY(%(environments)s) AND deleted_at IS NULL
    ORDER BY id FOR NO KEY UPDATE"""
_PURGE_VERSION: Final[LiteralString] = """
    UPDATE secret_values SET sealed = NULL, purged_at = now()
    WHERE id = %(version)s AND to_revision IS NOT NULL AND sealed IS NOT NULL"""
_PURGE_SECRETS: Final[LiteralString] = """
    UPDATE secret_values SET sealed = NULL, purged_at = now()
    WHERE secret_id = ANY(%(secrets)s) AND environment_id = ANY(%(environments)s) AND sealed IS NOT NULL"""

_SECRETS_AFTER: Final[LiteralString] = """
    SELECT id FROM secrets WHERE id > %(cursor)s ORDER BY id LIMIT %(most)s"""
_PURGED: Final[LiteralString] = """ RETURNING v.environment_id)
    SELECT e.vault_id, w.owner_login || '/' || w.repo_name AS repository, e.id AS environment_id,
        e.name AS environment, count(*) AS count
    FROM gone JOIN environments AS e ON e.id = gone.environment_id JOIN vaults AS w ON w.id = e.vault_id
    GROUP BY e.vault_id, w.owner_login, w.repo_name, e.id, e.name"""
_PURGE_OLD_VERSIONS: Final[LiteralString] = """
    WITH gone AS (UPDATE secret_values AS v SET sealed = NULL, purged_at = now()
    FROM (
        SELECT w.id, w.environment_id, w.to_revision,
            row_number() OVER (PARTITION BY w.secret_id ORDER BY w.from_revision DESC, w.id DESC) AS place
        FROM secret_values AS w
        WHERE w.secret_id = ANY(%(secrets)s) AND w.to_revision IS NOT NULL AND w.sealed IS NOT NULL
    ) AS h
    JOIN revisions AS r ON r.environment_id = h.environment_id AND r.number = h.to_revision
    WHERE v.id = h.id AND h.place > %(kept)s AND r.created_at < now() - make_interval(days => %(days)s)"""
_PURGE_OLD_TRASH: Final[LiteralString] = """
    WITH gone AS (UPDATE secret_values AS v SET sealed = NULL, purged_at = now()
    WHERE v.secret_id = ANY(%(secrets)s) AND v.sealed IS NOT NULL AND EXISTS (
        SELECT FROM secret_values AS l
        JOIN revisions AS r ON r.environment_id = l.environment_id AND r.number = l.to_revision
        WHERE l.secret_id = v.secret_id AND r.created_at < now() - make_interval(days => %(days)s)
            AND NOT EXISTS (
                SELECT FROM secret_values AS n WHERE n.secret_id = l.secret_id AND n.from_revision >= l.to_revision))"""


@dataclass(frozen=True, slots=True)
class Version:
    """A row of a secret's history. `number` counts from its first value on; `kept` is False once it was purged."""

    id: UUID
    number: int
    key: str
    from_revision: int
    to_revision: int | None
    kept: bool
    created_at: datetime
    login: str | None
    avatar_url: str | None


@dataclass(frozen=True, slots=True)
class LastValue:
    """The newest row of a secret. Live without `to_revision`, purged without `sealed`."""

    id: UUID
    key: str
    sealed: Sealed | None
    to_revision: int | None


async def page(connection: Connection, environments: Iterable[UUID], *, limit: int, offset: int) -> list[DictRow]:
    """Live secrets of these environments, last changed first."""
    return await rows(connection, _PAGE + _ITEM, environments=list(environments), limit=limit, offset=offset)


async def count(connection: Connection, environments: Iterable[UUID]) -> int:
    """How many live secrets these environments hold."""
    return _figure(await one(connection, _COUNT, environments=list(environments)))


async def item(connection: Connection, grant: SecretGrant) -> DictRow | None:
    """A live secret as the list shows it."""
    where = {"environment": environment_of(grant.environment), "secret": grant.secret_id}
    return await one(connection, _ONE + _ITEM, **where)


async def versions(connection: Connection, grant: SecretGrant) -> list[Version]:
    """The kept versions of a secret, newest first."""
    where = {"environment": environment_of(grant.environment), "secret": grant.secret_id}
    found = await rows(connection, _HISTORY + _VERSIONS, **where, most=PAGE_DEFAULT_LONG)
    return [Version(**row) for row in found]


async def version(connection: Connection, grant: SecretGrant, version_id: UUID) -> Version | None:
    """One row of a secret's history, the live one too."""
    where = {"environment": environment_of(grant.environment), "secret": grant.secret_id}
    found = await one(connection, _HISTORY + _VERSION, **where, version=version_id)
    return None if found is None else Version(**found)


async def sealed_of(connection: Connection, value_id: UUID) -> Sealed | None:
    """The ciphertext of a value row; None once it was purged."""
    row = await one(connection, "SELECT sealed FROM secret_values WHERE id = %(id)s", id=value_id)
    return None if row is None or row["sealed"] is None else Sealed(row["sealed"])


async def trash(connection: Connection, environments: Iterable[UUID], *, limit: int, offset: int) -> list[DictRow]:
    """What was deleted from these environments less than 30 days ago, last deleted first."""
    statement = _TRASH_PAGE + _TRASH + _TRASH_ORDER
    return await rows(connection, statement, environments=list(environments), limit=limit, offset=offset)


async def trash_count(connection: Connection, environments: Iterable[UUID]) -> int:
    """How much lies in the trash of these environments."""
    return _figure(await one(connection, "SELECT count(*) AS count" + _TRASH, environments=list(environments)))


async def last_value(connection: Connection, grant: SecretGrant) -> LastValue | None:
    """The newest row of a secret, live or not."""
    where = {"environment": environment_of(grant.environment), "secret": grant.secret_id}
    row = await one(connection, _LAST, **where)
    if row is None:
        return None
    sealed = None if row["sealed"] is None else Sealed(row["sealed"])
    return LastValue(row["id"], row["key"], sealed, row["to_revision"])


async def lock_all(connection: Connection, environments: Iterable[UUID]) -> list[UUID]:
    """Holds environments to the end of the transaction, in the order of their ids; those that are still there."""
    return [row["id"] for row in await rows(connection, _LOCK_ALL, environments=list(environments))]


async def all_trash(connection: Connection, environments: Iterable[UUID]) -> list[DictRow]:
    """Everything in the trash of environments that the transaction holds."""
    return await rows(connection, _TRASH_PAGE + _TRASH, environments=list(environments))


async def purge_version(connection: Connection, version_id: UUID) -> bool:
    """Forgets a superseded value for good. What it was, and when, stays. False when there is nothing to forget."""
    return await run(connection, _PURGE_VERSION, version=version_id) == 1


async def purge_secrets(connection: Connection, environments: Iterable[UUID], secrets: Sequence[UUID]) -> None:
    """Forgets all values of secrets in the trash, their versions too."""
    await run(connection, _PURGE_SECRETS, environments=list(environments), secrets=list(secrets))


async def secrets_after(connection: Connection, cursor: UUID, most: int) -> list[UUID]:
    """The next secrets in the order of their ids."""
    return [row["id"] for row in await rows(connection, _SECRETS_AFTER, cursor=cursor, most=most)]


async def purge_old_versions(connection: Connection, secrets: Sequence[UUID]) -> list[DictRow]:
    """Forgets the versions of these secrets that are kept for neither reason. How many, by environment."""
    values = {"secrets": list(secrets), "kept": VERSIONS_KEPT, "days": VERSION_DAYS}
    return await rows(connection, _PURGE_OLD_VERSIONS + _PURGED, **values)


async def purge_old_trash(connection: Connection, secrets: Sequence[UUID]) -> list[DictRow]:
    """Forgets those of these secrets that lay in the trash for long enough. How many values, by environment."""
    return await rows(connection, _PURGE_OLD_TRASH + _PURGED, secrets=list(secrets), days=TRASH_DAYS)


def _figure(row: DictRow | None) -> int:
    return 0 if row is None else int(row["count"])
