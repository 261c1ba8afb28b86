"""The statements of the secrets feature. Each change is a constant number of them, however many secrets it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

from keyway_core.limits import IDEMPOTENCY_HOURS
from keyway_core.sealed import Sealed
from psycopg.rows import TupleRow, tuple_row
from psycopg.types.json import Jsonb

from keyway_backend.access.grants import EnvironmentGrant
from keyway_backend.db.engine import Connection, one, rows, run
from keyway_backend.features.secrets.legacy import Base, Bases, PastValue
from keyway_backend.features.secrets.rules import Effect, LiveValue, State
from keyway_backend.platform.clock import now
from keyway_backend.platform.ids import new_ids

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
                array_agg(CASE WHEN v.key = ANY(%(keys)s) THEN v.sealed END) AS sealed
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
_VALUES: Final[LiteralString] = """
    INSERT INTO secret_values (
        id, secret_id, environment_id, key, from_revision, sealed, key_version, author_user_id, origin_value_id,
        created_at)
    SELECT n.id, n.secret_id, %(environment)s, n.key, %(number)s, n.sealed, %(key_version)s, %(author)s, n.origin,
        %(at)s
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
class NewRevision:
    """A change as it is written. `sealed` has the created and updated keys, `value_ids` what they were sealed for.

    `origins` names the values that some of them were made from, inside crypto. `identities` are of created keys that
    come back as what they were (a rename, a restore); every other created key is a new identity.
    """

    id: UUID
    base: State
    effect: Effect
    sealed: Mapping[str, Sealed]
    value_ids: Mapping[str, UUID]
    manifest: bytes
    key_version: int
    message: str | None
    origins: Mapping[str, UUID] = field(default_factory=dict)
    identities: Mapping[str, UUID] = field(default_factory=dict)

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


async def read_state(connection: Connection, environment_id: UUID, keys: Sequence[str]) -> State | None:
    """The head with its values, sealed only for `keys`; None when the environment is gone."""
    row = await _tuple(connection, _STATE, {"environment": environment_id, "keys": list(keys)})
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
    place = {"environment": _environment(grant), "credential": grant.actor.credential_id}
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


async def commit(connection: Connection, grant: EnvironmentGrant, change: NewRevision) -> None:
    """Writes a revision in the caller's transaction: the lock first, and what it guards in later statements.

    Raises HeadMovedError, EnvironmentGoneError, StoredValuesError; then the transaction must not be committed.
    """
    environment = _environment(grant)
    locked = await one(connection, _LOCK, environment=environment)
    if locked is None:
        raise EnvironmentGoneError
    if locked["head_revision_id"] != change.base.revision_id:
        raise HeadMovedError
    effect, at = change.effect, now()
    gone = [UUID(bytes=change.base.live[key].value_id) for key in (*effect.updated, *effect.deleted)]
    if gone and await run(connection, _CLOSE, ids=gone, number=change.number) != len(gone):
        raise StoredValuesError
    if change.sealed:
        await _insert_values(connection, grant, change, at)
    await _insert_revision(connection, grant, change, at)
    advance = {"environment": environment, "number": change.number, "id": change.id, "manifest": change.manifest}
    await run(connection, _ADVANCE, **advance)


async def _insert_values(connection: Connection, grant: EnvironmentGrant, change: NewRevision, at: datetime) -> None:
    """A key that was there keeps its identity; one that is created, also after a deletion, is a new one, unless the
    change says which one comes back."""
    fresh = [key for key in change.effect.created if key not in change.identities]
    identities = dict(zip(fresh, new_ids(len(fresh)), strict=True))
    if fresh:
        await run(connection, _IDENTITIES, vault=grant.vault.id, ids=list(identities.values()), labels=fresh)
    identities |= change.identities
    keys = list(change.sealed)
    live = change.base.live
    await run(
        connection,
        _VALUES,
        environment=_environment(grant),
        number=change.number,
        key_version=change.key_version,
        author=grant.actor.user_id,
        at=at,
        ids=[change.value_ids[key] for key in keys],
        secrets=[identities[key] if key in identities else live[key].secret_id for key in keys],
        keys=keys,
        sealed=[bytes(change.sealed[key]) for key in keys],
        origins=[change.origins.get(key) for key in keys],
    )


async def _insert_revision(connection: Connection, grant: EnvironmentGrant, change: NewRevision, at: datetime) -> None:
    actor, effect = grant.actor, change.effect
    await run(
        connection,
        _REVISION,
        id=change.id,
        environment=_environment(grant),
        number=change.number,
        user=actor.user_id,
        github_user=actor.github_user_id,
        kind=actor.credential_kind.value,
        credential=actor.credential_id,
        source=grant.origin.source,
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
    """The environments of the grant's vault, in their order."""
    found = await rows(
        connection,
        "SELECT name FROM environments WHERE vault_id = %(vault)s AND deleted_at IS NULL ORDER BY display_order, name",
        vault=grant.vault.id,
    )
    return [row["name"] for row in found]


def _environment(grant: EnvironmentGrant) -> UUID:
    if grant.environment is None:
        raise EnvironmentGoneError
    return grant.environment.id


async def _tuple(connection: Connection, statement: LiteralString, values: Any) -> TupleRow | None:
    """A row as it comes off the wire, in binary: arrays of bytes without a detour over text."""
    async with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        return await (await cursor.execute(statement, values)).fetchone()
