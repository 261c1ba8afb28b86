"""History, rollback and copies (policy.yaml `own_routes`). No value passes through here: crypto seals it anew for where
it goes, and what a request is told are names, numbers and kinds of change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from keyway_core.limits import KEY_LENGTH
from keyway_core.roles import Verb
from psycopg.rows import DictRow

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import EnvironmentGrant, VaultGrant
from keyway_backend.access.narrow import narrow
from keyway_backend.audit import Action, Event, Subject
from keyway_backend.db.engine import Database
from keyway_backend.features.revisions import errors, rules, store
from keyway_backend.features.revisions.rules import Held, WrongBodyError
from keyway_backend.features.secrets.moves import HeadMovedError, Incoming, Move, Moved, Moves, place_of
from keyway_backend.features.secrets.revising import refuse_foreign
from keyway_backend.features.secrets.rules import Effect, State, key_fault
from keyway_backend.platform.clock import iso
from keyway_backend.platform.errors import ValidationFailed
from keyway_backend.vault_crypto import Entries, Manifest, Stored, VaultCrypto


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy answers, and whether a key came to be by it."""

    answer: dict[str, Any]
    created: bool


@dataclass(frozen=True, slots=True)
class _Copy:
    """A copy as it was asked for: keys of the source by the key that they get in the target."""

    source: EnvironmentGrant
    target: EnvironmentGrant
    keys: Mapping[str, str] | None
    overwrite: bool
    message: str | None


class Revisions:
    """The history of environments, and new revisions made of it."""

    def __init__(self, database: Database, crypto: VaultCrypto) -> None:
        self._database = database
        self._crypto = crypto
        self._moves = Moves(database, crypto)

    # history -----------------------------------------------------------------------------------------------------

    async def head(self, grant: EnvironmentGrant) -> tuple[UUID, int]:
        """Where the environment stands. Raises NotFound."""
        async with self._database.read() as connection:
            row = await store.head(connection, place_of(grant).environment_id)
        if row is None:
            raise errors.no_environment()
        return row["id"], row["number"]

    async def every(self, grant: EnvironmentGrant, *, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """A page of the revisions, newest first, and how many there are."""
        async with self._database.read() as connection:
            found, total = await store.page(connection, place_of(grant).environment_id, limit=limit, offset=offset)
        return [_shown(row) for row in found], total

    async def show(self, grant: EnvironmentGrant, named: str) -> dict[str, Any]:
        """One revision with the keys that it changed. Raises NotFound."""
        row = await self._revision(grant, named)
        async with self._database.read() as connection:
            touched = await store.changed(connection, place_of(grant).environment_id, row["number"])
        keys = {
            "created": [one["key"] for one in touched if one["came"] and not one["went"]],
            "updated": [one["key"] for one in touched if one["came"] and one["went"]],
            "deleted": [one["key"] for one in touched if one["went"] and not one["came"]],
        }
        return _shown(row) | {"keys": keys}

    async def diff(self, grant: EnvironmentGrant, named: str, against: str | None) -> dict[str, Any]:
        """What is different in a revision, seen from another one; without one, from the one before. Names only.

        Raises NotFound.
        """
        row = await self._revision(grant, named)
        base = row["number"] - 1 if against is None else await self._base(grant, against)
        oldest, newest = sorted((base, row["number"]))
        async with self._database.read() as connection:
            held = await store.held(connection, place_of(grant).environment_id, oldest, newest)
        found = rules.difference(rules.state_at(held, base), rules.state_at(held, row["number"]))
        return {
            "revision": {"id": row["id"], "number": row["number"]},
            "against": {"number": base},
            "added": found.added,
            "changed": found.changed,
            "removed": found.removed,
            "unchanged": found.unchanged,
        }

    async def _revision(self, grant: EnvironmentGrant, named: str) -> DictRow:
        number_or_id = rules.number_or_id(named)
        if number_or_id is None:
            raise errors.no_revision()
        async with self._database.read() as connection:
            row = await store.revision(connection, place_of(grant).environment_id, number_or_id)
        if row is None:
            raise errors.no_revision()
        return row

    async def _base(self, grant: EnvironmentGrant, against: str) -> int:
        """Number 0 is the environment that nobody had written to."""
        return 0 if against == "0" else int((await self._revision(grant, against))["number"])

    # rollback ----------------------------------------------------------------------------------------------------

    async def roll_back(
        self, grant: EnvironmentGrant, named: str, sent: Mapping[str, Any], started_from: UUID | None
    ) -> dict[str, Any]:
        """Makes the environment hold again what it held at a revision: new rows, one revision, no row reopened.

        Raises NotFound, BadRequest, Conflict, Unavailable, IntegrityFailed; then nothing was changed.
        """
        row = await self._revision(grant, named)
        with errors.of_body():
            rules.only(sent, "skipPurged", "message")
            skip, message = rules.flag(sent, "skipPurged"), rules.message(sent)
        skipped: list[str] = []

        async def plan(state: State) -> Move:
            wanted = await self._rollback_of(grant, row["number"], state)
            if wanted.purged and not skip:
                raise errors.purged(wanted.purged if reads(grant) else ())
            skipped[:] = wanted.purged
            return await self._restored(grant, wanted, state, message)

        def told(head: Any, effect: Effect) -> Event:
            details = {"to": row["number"], "skipped": len(skipped)} | _counts(effect)
            return _event(Action.ENVIRONMENT_ROLLED_BACK, grant, head.number, effect.keys, details)

        moved = await self._moves.make(grant, plan, told, started_from=started_from)
        answer: dict[str, Any] = {"rolledBackTo": {"id": row["id"], "number": row["number"]}}
        return answer | _made(grant, moved, skipped)

    async def _rollback_of(self, grant: EnvironmentGrant, number: int, state: State) -> rules.Rollback:
        async with self._database.read() as connection:
            held = await store.held(connection, place_of(grant).environment_id, number, number)
        live = {key: UUID(bytes=value.value_id) for key, value in state.live.items()}
        return rules.rollback(rules.state_at(held, number), live)

    async def _restored(
        self, grant: EnvironmentGrant, wanted: rules.Rollback, state: State, message: str | None
    ) -> Move:
        """What was held once fitted the limits then, and some of it does now too."""
        async with self._database.read() as connection:
            sealed = await store.sealed(connection, [row.id for row in wanted.values.values()])
        if len(sealed) < len(wanted.values):
            raise HeadMovedError  # purged a moment ago: look again
        secrets = {key: value.secret_id for key, value in state.live.items()}
        back = rules.identities(wanted.values, secrets, wanted.leaving)
        for row in wanted.values.values():
            refuse_foreign(grant, row.secret_id, row.id)

        def incoming(key: str, row: Held) -> Incoming:
            return Incoming(row.key, row.id.bytes, sealed[row.id], back.get(key))

        values = {key: incoming(key, row) for key, row in wanted.values.items()}
        return Move(values, wanted.leaving, message=message, unchanged=wanted.unchanged, fits=not wanted.purged)

    # copies ------------------------------------------------------------------------------------------------------

    async def copy(
        self, grant: VaultGrant, name: str, sent: Mapping[str, Any], started_from: UUID | None
    ) -> dict[str, Any]:
        """Values of one environment into another of the vault: all of them or some, over what is there or around it.

        Raises NotFound, Forbidden, BadRequest, Conflict, TooLarge, Unavailable, IntegrityFailed.
        """
        _refuse_target(grant, sent)
        source = narrow(grant, name, Verb.READ, missing=errors.no_environment())
        target = _target(grant, sent)
        with errors.of_body():
            rules.only(sent, "target", "keys", "overwrite", "message")
            keys, overwrite, message = rules.keys(sent), rules.flag(sent, "overwrite"), rules.message(sent)
            if place_of(source) == place_of(target):
                raise WrongBodyError("target", "Another environment than the source.")
        by_key = None if keys is None else {key: key for key in keys}
        wish = _Copy(source, target, by_key, overwrite, message)
        moved, skipped = await self._copy(wish, Action.ENVIRONMENT_COPIED, started_from)
        return {"source": source.asked_name, "target": target.asked_name} | _made(target, moved, skipped)

    async def copy_secret(
        self, grant: VaultGrant, secret_id: UUID | None, sent: Mapping[str, Any], started_from: UUID | None
    ) -> Copied:
        """One value into another environment, or under another key. What is there under that key is replaced.

        Raises NotFound, Forbidden, BadRequest, Conflict, TooLarge, Unavailable, IntegrityFailed.
        """
        _refuse_target(grant, sent)
        if secret_id is None:
            raise errors.no_secret()
        async with self._database.read() as connection:
            found = await store.live_secret(connection, grant.vault.id, secret_id)
        if found is None:
            raise errors.no_secret()
        environment_id, key = found
        source = narrow(grant, environment_id, Verb.READ, missing=errors.no_secret())
        target = _target(grant, sent)
        with errors.of_body():
            rules.only(sent, "target", "key", "message")
            into = rules.text(sent, "key", most=KEY_LENGTH) if "key" in sent else key
            if (wrong := key_fault(into)) is not None:
                raise WrongBodyError("key", wrong)
            if place_of(source) == place_of(target) and into == key:
                raise WrongBodyError("target", "Another environment, or another key.")
            wish = _Copy(source, target, {into: key}, overwrite=True, message=rules.message(sent))
        moved, _ = await self._copy(wish, Action.SECRET_COPIED, started_from)
        answer = {"key": into, "source": source.asked_name, "target": target.asked_name} | _made(target, moved, ())
        return Copied(answer, created=bool(moved.effect.created) and reads(target))

    async def _copy(self, wish: _Copy, action: Action, started_from: UUID | None) -> tuple[Moved, list[str]]:
        skipped: list[str] = []
        seen: list[int] = [0]

        async def plan(state: State) -> Move:
            live = await self._live(wish.source)
            keys = {key: key for key in live.values} if wish.keys is None else wish.keys
            if missing := sorted(set(keys.values()) - live.values.keys()):
                raise errors.no_such_keys(missing)
            for key in keys.values():
                refuse_foreign(wish.source, live.values[key].secret_id, live.values[key].value_id)
            kept = [key for key in keys if key in state.live and not wish.overwrite]
            wanted = {into: key for into, key in keys.items() if into not in set(kept)}
            same = await self._same(wish, live, wanted, state)
            skipped[:], seen[:] = kept, [live.number]
            return _incoming(wish, live, {into: key for into, key in wanted.items() if into not in same}, len(same))

        def told(head: Any, effect: Effect) -> Event:
            source = wish.source.environment
            details = {
                "source": wish.source.asked_name,
                "sourceId": str(source.id) if source else None,
                "sourceRevision": seen[0],
            } | _counts(effect)
            return _event(action, wish.target, head.number, effect.keys, details)

        return await self._moves.make(wish.target, plan, told, started_from=started_from), skipped

    async def _live(self, grant: EnvironmentGrant) -> store.Live:
        async with self._database.read() as connection:
            live = await store.live(connection, place_of(grant).environment_id)
        if live is None:
            raise errors.no_environment()
        return live

    async def _same(self, wish: _Copy, live: store.Live, wanted: Mapping[str, str], state: State) -> set[str]:
        """The keys that hold the value already. Compared inside crypto, for those who may read the target alone."""
        both = [into for into in wanted if into in state.live]
        if not both or not reads(wish.target):
            return set()
        there = await self._live(wish.target)
        if there.revision_id != state.revision_id:
            raise HeadMovedError
        left = stored(wish.source, live, [wanted[into] for into in both])
        right = stored(wish.target, there, both)
        differing = await self._crypto.differing(left, right)
        return {into for into in both if wanted[into] not in differing}


def stored(grant: EnvironmentGrant, live: store.Live, keys: Sequence[str]) -> Stored:
    """Some values of an environment, with the manifest of all of them."""
    values = [live.values[key] for key in keys]
    entries = Entries(list(keys), [value.value_id.bytes for value in values])
    return Stored(place_of(grant), entries, [value.sealed for value in values], manifest_of(live))


def manifest_of(live: store.Live) -> Manifest:
    """The manifest of an environment at its head, with all entries."""
    entries = Entries(list(live.values), [value.value_id.bytes for value in live.values.values()])
    return Manifest(live.number, live.manifest, entries)


def reads(grant: EnvironmentGrant) -> bool:
    """Whether the actor may be told what a comparison shows (policy.yaml `comparison_needs_read`)."""
    return grant.also_reads and Scope.READ in grant.actor.scopes


def subject(grant: EnvironmentGrant, revision: int) -> Subject:
    """The environment at a revision, for the audit row."""
    place = place_of(grant)
    return Subject(grant.vault.id, grant.vault.full_name, place.environment_id, grant.asked_name, revision)


def _event(
    action: Action, grant: EnvironmentGrant, revision: int, keys: Sequence[str], details: Mapping[str, Any]
) -> Event:
    return Event(action, grant.actor, grant.origin, subject(grant, revision), keys, details)


def _target(grant: VaultGrant, sent: Mapping[str, Any]) -> EnvironmentGrant:
    with errors.of_body():
        name = rules.text(sent, "target")
    return narrow(grant, name, Verb.WRITE, missing=errors.no_target())


def _refuse_target(grant: VaultGrant, sent: Mapping[str, Any]) -> None:
    """The right on the target comes before what the path names is looked for. What is wrong with it else, comes later.

    Raises Forbidden.
    """
    name = sent.get("target")
    if isinstance(name, str):
        with suppress(ValidationFailed):
            narrow(grant, name, Verb.WRITE, missing=errors.no_target())


def _incoming(wish: _Copy, live: store.Live, wanted: Mapping[str, str], unchanged: int) -> Move:
    values = {
        into: Incoming(key, live.values[key].value_id.bytes, live.values[key].sealed) for into, key in wanted.items()
    }
    return Move(
        values, source=place_of(wish.source), manifest=manifest_of(live), message=wish.message, unchanged=unchanged
    )


def _counts(effect: Effect) -> dict[str, Any]:
    return {
        "created": len(effect.created),
        "updated": len(effect.updated),
        "deleted": len(effect.deleted),
        "count": len(effect.keys),
    }


def _made(grant: EnvironmentGrant, moved: Moved, skipped: Sequence[str]) -> dict[str, Any]:
    """What a change answers. Who may not read there is not told what there was to change."""
    if not reads(grant):
        return {"success": True}
    effect = moved.effect
    return {
        "success": True,
        "revision": {"id": moved.head.revision_id, "number": moved.head.number},
        "stats": {
            "created": len(effect.created),
            "updated": len(effect.updated),
            "deleted": len(effect.deleted),
            "unchanged": effect.unchanged,
        },
        "keys": {"created": effect.created, "updated": effect.updated, "deleted": effect.deleted},
        "skipped": list(skipped),
    }


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    author = None
    if row["author_user_id"] is not None and row["login"] is not None:
        author = {"id": row["author_user_id"], "username": row["login"], "avatarUrl": row["avatar_url"]}
    return {
        "id": row["id"],
        "number": row["number"],
        "author": author,
        "credentialKind": row["credential_kind"],
        "source": row["source"],
        "message": row["message"],
        "counts": {"created": row["created"], "updated": row["updated"], "deleted": row["deleted"]},
        "createdAt": iso(row["created_at"]),
    }
