"""The statements of the secrets feature. Each change is a constant number of them, however many secrets it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

from keyway_core.limits import IDEMPOTENCY_HOURS
from keyway_core.sealed import Sealed
from psycopg.rows import TupleRow, tuple_row
from psycopg.types.json import Jsonb

from keyway_backend.access.actor import source_of
from keyway_backend.access.grants import EnvironmentGrant
from keyway_backend.db.engine import Connection, one, rows, run
from keyway_backend.features.secrets.legacy import Base, Bases, PastValue
from keyway_backend.features.secrets.rules import Effect, LiveValue, State
from keyway_backend.platform.clock import now
from keyway_backend.platform.ids import is_id_of

BASES_MAX: Final = 50
IDEMPOTENCY: Final = timedelta(hours=IDEMPOTENCY_HOURS)

# The index `secret_values_live` answers the first half alone; the few large values come from the heap. One statement,
# so one snapshot.
_PULL: Final[LiteralString] = """
    SELECT e.head_revision, e.head_revision_id, e.manifest,
        s.keys, s.ids, s.sealed, l.keys, l.ids, l.sealed
    FROM environments AS e,
        LATERAL (
            SELECT array_agg(v.key) AS keys, array_agg(uuid_send(v.id)) AS ids, array_agg(v.sealed) AS sealed
            FROM secret_values AS v
            WHERE v.environment_id = e.id AND v.to_revision IS NULL AND octet_length(v.sealed) <= 1200) AS s,
        LATERAL (
            SELECT array_agg(v.key) AS keys, array_agg(uuid_send(v.id)) AS ids, array_agg(v.sealed) AS sealed
            FROM secret_values AS v
            WHERE v.environment_id = e.id AND v.to_revision IS NULL AND NOT (octet_length(v.sealed) <= 1200)) AS l
    WHERE e.id = %b AND e.deleted_at IS NULL
"""
_HEAD: Final[LiteralString] = """
    SELECT head_revision, head_revision_id FROM environments WHERE id = %b AND deleted_at IS NULL
"""
_VIEW: Final[LiteralString] = """
    SELECT e.head_revision, e.head_revision_id, e.manifest, v.keys, v.ids,
        (SELECT array_agg(w.sealed) FROM secret_values AS w
         WHERE w.environment_id = e.id AND w.key = %(key)s AND w.to_revision IS NULL)
    FROM environments AS e,
        LATERAL (
            SELECT array_agg(v.key) AS keys, array_agg(uuid_send(v.id)) AS ids
            FROM secret_values AS v WHERE v.environment_id = e.id AND v.to_revision IS NULL) AS v
    WHERE e.id = %(environment)b AND e.deleted_at IS NULL
"""
_STATE: Final[LiteralString] = """
    SELECT e.head_revision, e.head_revision_id, e.manifest,
        v.keys, v.ids, v.secrets, v.since, v.bytes, v.sealed
    FROM environments AS e,
        LATERAL (
            SELECT array_agg(v.key) AS keys, array_agg(uuid_send(v.id)) AS ids, array_agg(v.secret_id) AS secrets,
                array_agg(v.from_revision) AS since, array_agg(coalesce(octet_length(v.sealed), 0)) AS bytes,
                array_agg(CASE WHEN v.key = ANY(%(keys)s) OR v.secret_id = %(secret)s THEN v.sealed END) AS sealed
            FROM secret_values AS v WHERE v.environment_id = e.id AND v.to_revision IS NULL) AS v
    WHERE e.id = %(environment)b AND e.deleted_at IS NULL
"""
_PULLED: Final[LiteralString] = """
    SELECT DISTINCT revision, keys FROM audit_events
    WHERE action = 'secrets_pulled' AND credential_id = %(credential)s AND environment_id = %(environment)s
        AND at > %(since)s AND revision <= %(head)s
    ORDER BY revision DESC LIMIT %(most)s
"""
_PAST: Final[LiteralString] = """
    SELECT key, uuid_send(id) AS id, from_revision, to_revision, sealed FROM secret_values
    WHERE environment_id = %(environment)s AND from_revision <= %(newest)s
        AND (to_revision IS NULL OR to_revision > %(oldest)s)
"""
_OWN: Final[LiteralString] = """
    SELECT number FROM revisions
    WHERE environment_id = %(environment)s AND number > %(oldest)s AND credential_id = %(credential)s
"""
_LOCK: Final[LiteralString] = """
    SELECT e.head_revision, e.head_revision_id FROM environments AS e JOIN vaults AS v ON v.id = e.vault_id
    WHERE e.id = %(environment)s AND e.deleted_at IS NULL AND v.deleted_at IS NULL
    FOR NO KEY UPDATE OF e
"""
_CLOSE: Final[LiteralString] = """
    UPDATE secret_values SET to_revision = %(number)s WHERE id = ANY(%(ids)b) AND to_revision IS NULL
"""
_IDENTITIES: Final[LiteralString] = """
    INSERT INTO secrets (id, vault_id, label)
    SELECT n.id, %(vault)s, n.label FROM unnest(%(ids)b::uuid[], %(labels)b::text[]) AS n (id, label)
"""
_RELABEL: Final[LiteralString] = """
    UPDATE secrets AS s SET label = n.label FROM unnest(%(ids)b::uuid[], %(labels)b::text[]) AS n (id, label)
    WHERE s.id = n.id AND s.label <> n.label
"""
_KEPT: Final[LiteralString] = """
    SELECT count(*) AS count FROM secret_values WHERE id = ANY(%(ids)b) AND sealed IS NOT NULL
"""
_VALUES: Final[LiteralString] = """
    INSERT INTO secret_values (
        id, secret_id, environment_id, key, from_revision, sealed, key_version, author_user_id, origin_value_id,
        created_at)
    SELECT n.id, n.secret_id, %(environment)s, n.key, %(number)s, n.sealed, %(key_version)s, %(author)s,
        (SELECT coalesce(o.origin_value_id, o.id) FROM secret_values AS o WHERE o.id = n.origin), %(at)s
    FROM unnest(%(ids)b::uuid[], %(secrets)b::uuid[], %(keys)b::text[], %(sealed)b::bytea[], %(origins)b::uuid[])
        AS n (id, secret_id, key, sealed, origin)
"""
_REVISION: Final[LiteralString] = """
    INSERT INTO revisions (
        id, environment_id, number, author_user_id, author_github_user_id, credential_kind, credential_id, source,
        message, created, updated, deleted, created_at)
    VALUES (
        %(id)s, %(environment)s, %(number)s, %(user)s, %(github_user)s, %(kind)s, %(credential)s, %(source)s,
        %(message)s, %(created)s, %(updated)s, %(deleted)s, %(at)s)
"""
_ADVANCE: Final[LiteralString] = """
    UPDATE environments SET head_revision = %(number)s, head_revision_id = %(id)s, manifest = %(manifest)s
    WHERE id = %(environment)s
"""


_REMEMBER: Final[LiteralString] = """
    INSERT INTO idempotency_keys AS i (credential_id, key, fingerprint, result, created_at)
    VALUES (%(credential)s, %(key)s, %(fingerprint)s, %(result)s, %(at)s)
    ON CONFLICT (credential_id, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, result = excluded.result, created_at = excluded.created_at
        WHERE i.created_at <= %(since)s
"""
_REMEMBERED: Final[LiteralString] = """
    SELECT fingerprint, result FROM idempotency_keys
    WHERE credential_id = %(credential)s AND key = %(key)s AND created_at > %(since)s
"""


class HeadMovedError(Exception):
    """The environment is at another revision than the one that a change was made for."""


class KeyTakenError(Exception):
    """An Idempotency-Key was used a moment ago by another request."""


class EnvironmentGoneError(Exception):
    """The environment was deleted after the request was granted."""


class StoredValuesError(Exception):
    """Live rows are not what they were a moment ago under the same head: somebody else writes to this database."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where an environment stands."""

    number: int
    revision_id: UUID


@dataclass(frozen=True, slots=True)
class LiveValues:
    """All values of an environment in one snapshot: parallel arrays, ids of 16 bytes, in no order."""

    head: Head
    manifest: bytes
    keys: Sequence[str]
    value_ids: Sequence[bytes]
    sealed: Sequence[Sealed]


@dataclass(frozen=True, slots=True)
class OneValue:
    """One value, and which others stand beside it."""

    head: Head
    manifest: bytes
    keys: Sequence[str]
    value_ids: Sequence[bytes]
    sealed: Sealed | None


@dataclass(frozen=True, slots=True)
class NewValue:
    """A row to write: an id of `new_id_of(secret_id)`, and what was sealed for it under this key.

    `is_new` is a secret that was not there before. `origin` is the row whose value this is, re-sealed: who saw that one
    has seen this one.
    """

    id: UUID
    secret_id: UUID
    key: str
    sealed: Sealed
    is_new: bool = False
    origin: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewRevision:
    """A change as it is written: value rows that end, and those that begin."""

    id: UUID
    base: State
    effect: Effect
    closed: Sequence[UUID]
    values: Sequence[NewValue]
    manifest: bytes
    key_version: int
    message: str | None = None

    @property
    def number(self) -> int:
        """The one after the base's."""
        return self.base.number + 1


async def read_live(connection: Connection, environment_id: UUID) -> LiveValues | None:
    """What a pull needs; None when the environment is gone."""
    row = await _tuple(connection, _PULL, (environment_id,))
    if row is None:
        return None
    number, revision_id, manifest, keys, ids, sealed, large_keys, large_ids, large_sealed = row
    if large_keys:
        keys, ids, sealed = [*(keys or ()), *large_keys], [*(ids or ()), *large_ids], [*(sealed or ()), *large_sealed]
    return LiveValues(Head(number, revision_id), manifest, keys or [], ids or [], Sealed.many(sealed or []))


async def read_head(connection: Connection, environment_id: UUID) -> Head | None:
    """Where an environment stands; None when it is gone."""
    row = await _tuple(connection, _HEAD, (environment_id,))
    return Head(*row) if row else None


async def read_one(connection: Connection, environment_id: UUID, key: str) -> OneValue | None:
    """What a view needs; None when the environment is gone."""
    row = await _tuple(connection, _VIEW, {"environment": environment_id, "key": key})
    if row is None:
        return None
    number, revision_id, manifest, keys, ids, found = row
    sealed = Sealed(found[0] or b"") if found else None
    return OneValue(Head(number, revision_id), manifest, keys or [], ids or [], sealed)


async def read_state(
    connection: Connection, environment_id: UUID, keys: Sequence[str] = (), secret_id: UUID | None = None
) -> State | None:
    """The head with its values, sealed only for `keys` and that secret; None when the environment is gone."""
    row = await _tuple(connection, _STATE, {"environment": environment_id, "keys": list(keys), "secret": secret_id})
    if row is None:
        return None
    number, revision_id, manifest, *columns = row
    live = {
        key: LiveValue(value_id, secret_id, since, size, None if sealed is None else Sealed(sealed))
        for key, value_id, secret_id, since, size, sealed in zip(*[column or () for column in columns], strict=True)
    }
    return State(number, revision_id, manifest, live)


async def read_bases(connection: Connection, grant: EnvironmentGrant, head: int, since: datetime) -> Bases:
    """What the grant's credential pulled from its environment since then, and the revisions that it made."""
    place = {"environment": environment_of(grant), "credential": grant.actor.credential_id}
    pulled = await rows(connection, _PULLED, **place, since=since, head=head, most=BASES_MAX)
    if not pulled:
        return Bases()
    revisions = [row["revision"] for row in pulled]
    oldest, newest = min(revisions), max(revisions)
    past = await rows(connection, _PAST, environment=place["environment"], oldest=oldest, newest=newest)
    own = await rows(connection, _OWN, **place, oldest=oldest)
    values = [(row["key"], _past(row)) for row in past]
    seen = [Base(row["revision"], _as_of(values, row["revision"], row["keys"])) for row in pulled]
    return Bases(seen, frozenset(row["number"] for row in own))


def _past(row: Mapping[str, Any]) -> PastValue:
    sealed = None if row["sealed"] is None else Sealed(row["sealed"])
    return PastValue(row["id"], row["from_revision"], row["to_revision"], sealed)


def _as_of(values: Sequence[tuple[str, PastValue]], revision: int, keys: Sequence[str] | None) -> dict[str, PastValue]:
    """The values with from <= revision < to, as far as they were read."""
    read = None if keys is None else frozenset(keys)
    return {
        key: value
        for key, value in values
        if value.since <= revision and (value.until is None or revision < value.until) and (read is None or key in read)
    }


async def commit(connection: Connection, grant: EnvironmentGrant, change: NewRevision) -> datetime:
    """Writes a revision in the caller's transaction: the lock first, and what it guards in later statements. Its time.

    Raises HeadMovedError, EnvironmentGoneError, StoredValuesError; then the transaction must not be committed.
    """
    environment = environment_of(grant)
    await lock(connection, environment, change.base.revision_id)
    at = now()
    await _refuse_purged(connection, change)
    if change.closed and await run(connection, _CLOSE, ids=list(change.closed), number=change.number) != len(
        change.closed
    ):
        raise StoredValuesError
    if change.values:
        await _insert_values(connection, grant, change, at)
    await _insert_revision(connection, grant, change, at)
    advance = {"environment": environment, "number": change.number, "id": change.id, "manifest": change.manifest}
    await run(connection, _ADVANCE, **advance)
    return at


async def lock(connection: Connection, environment: UUID, revision_id: UUID | None = None) -> None:
    """Holds an environment to the end of the transaction. Read what it guards in later statements.

    Raises EnvironmentGoneError, and HeadMovedError when it is not at the given revision.
    """
    locked = await one(connection, _LOCK, environment=environment)
    if locked is None:
        raise EnvironmentGoneError
    if revision_id not in {None, locked["head_revision_id"]}:
        raise HeadMovedError


async def _refuse_purged(connection: Connection, change: NewRevision) -> None:
    """Values that were purged after they had been read for this change do not come back by it."""
    origins = {value.origin for value in change.values if value.origin is not None}
    if not origins:
        return
    kept = await one(connection, _KEPT, ids=list(origins))
    if kept is None or kept["count"] != len(origins):
        raise HeadMovedError


async def _insert_values(connection: Connection, grant: EnvironmentGrant, change: NewRevision, at: datetime) -> None:
    values = change.values
    if not all(is_id_of(value.secret_id, value.id) for value in values):
        raise ValueError("ids of value rows come from new_id_of(secret_id)")
    new = [value for value in values if value.is_new]
    if new:
        ids, labels = [value.secret_id for value in new], [value.key for value in new]
        await run(connection, _IDENTITIES, vault=grant.vault.id, ids=ids, labels=labels)
    back = [value for value in values if not value.is_new and value.key in change.effect.created]
    if back:
        ids, labels = [value.secret_id for value in back], [value.key for value in back]
        await run(connection, _RELABEL, ids=ids, labels=labels)
    await run(
        connection,
        _VALUES,
        environment=environment_of(grant),
        number=change.number,
        key_version=change.key_version,
        author=grant.actor.user_id,
        at=at,
        ids=[value.id for value in values],
        secrets=[value.secret_id for value in values],
        keys=[value.key for value in values],
        sealed=[bytes(value.sealed) for value in values],
        origins=[value.origin for value in values],
    )


async def _insert_revision(connection: Connection, grant: EnvironmentGrant, change: NewRevision, at: datetime) -> None:
    actor, effect = grant.actor, change.effect
    await run(
        connection,
        _REVISION,
        id=change.id,
        environment=environment_of(grant),
        number=change.number,
        user=actor.user_id,
        github_user=actor.github_user_id,
        kind=actor.credential_kind.value,
        credential=actor.credential_id,
        source=source_of(actor, grant.origin),
        message=change.message,
        created=len(effect.created),
        updated=len(effect.updated),
        deleted=len(effect.deleted),
        at=at,
    )


async def remembered(connection: Connection, grant: EnvironmentGrant, key: str) -> tuple[bytes, Any] | None:
    """The fingerprint and the result of the push that used an Idempotency-Key in the last 24 hours."""
    since = now() - IDEMPOTENCY
    row = await one(connection, _REMEMBERED, credential=grant.actor.credential_id, key=key, since=since)
    return None if row is None else (bytes(row["fingerprint"]), row["result"])


async def remember(
    connection: Connection, grant: EnvironmentGrant, key: str, fingerprint: bytes, result: Mapping[str, Any]
) -> None:
    """Binds an Idempotency-Key to what the transaction does. Raises KeyTakenError when another push has it."""
    at = now()
    written = await run(
        connection,
        _REMEMBER,
        credential=grant.actor.credential_id,
        key=key,
        fingerprint=fingerprint,
        result=Jsonb(result),
        at=at,
        since=at - IDEMPOTENCY,
    )
    if not written:
        raise KeyTakenError


async def environment_names(connection: Connection, grant: EnvironmentGrant) -> list[str]:
    """The environments of the grant's vault, in their order; none of a vault that was deleted."""
    found = await rows(
        connection,
        """SELECT e.name FROM environments AS e JOIN vaults AS v ON v.id = e.vault_id
           WHERE v.id = %(vault)s AND v.deleted_at IS NULL AND e.deleted_at IS NULL ORDER BY e.display_order, e.name""",
        vault=grant.vault.id,
    )
    return [row["name"] for row in found]


def environment_of(grant: EnvironmentGrant) -> UUID:
    """The granted environment. Raises EnvironmentGoneError when there is none of the name that was asked for."""
    if grant.environment is None:
        raise EnvironmentGoneError
    return grant.environment.id


async def _tuple(connection: Connection, statement: LiteralString, values: Any) -> TupleRow | None:
    """A row as it comes off the wire, in binary: arrays of bytes without a detour over text."""
    async with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        return await (await cursor.execute(statement, values)).fetchone()
