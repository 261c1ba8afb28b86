"""What push, pull and view do, between a grant and an answer.

No transaction is open while crypto is asked (design.md 6), and no value is returned before the row that says so is
committed (design.md 1).
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from keyway_core.limits import LEGACY_BASE_MINUTES
from keyway_core.sealed import Sealed
from keyway_core.sensitive import Sensitive

from keyway_backend.access import refusals
from keyway_backend.access.grants import Environment, EnvironmentGrant
from keyway_backend.audit import Action, Event, GroupWriter, record, record_once
from keyway_backend.db.engine import Database
from keyway_backend.features.secrets import errors, legacy, rules, store
from keyway_backend.features.secrets.revising import Revising, persist, revision, subject_of
from keyway_backend.features.secrets.rules import Effect, Mode, Push, State, Stats
from keyway_backend.features.secrets.store import Head, NewRevision, NewValue
from keyway_backend.platform.clock import now
from keyway_backend.platform.ids import new_id, new_id_of
from keyway_backend.vault_crypto import Entries, Item, Manifest, Place, VaultCrypto

UNCHANGED_PULL_SECONDS: Final = 900

_BASE_AGE: Final = timedelta(minutes=LEGACY_BASE_MINUTES)


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of an environment that is asked for, in the order of its keys."""

    limit: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Pulled:
    """Values that may leave: their pull event is committed."""

    head: Head
    values: Mapping[str, Sensitive]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The caller has this revision already."""

    head: Head


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold for a push: the revision that it started from, and the key that makes it happen once."""

    revision: UUID | None = None
    idempotency_key: str | None = None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did. `revision` and `unchanged` are None for those who may not read there."""

    stats: Stats
    revision: Head | None

    def to_json(self) -> dict[str, Any]:
        """As it is kept for an Idempotency-Key."""
        revision = self.revision and {"number": self.revision.number, "id": str(self.revision.revision_id)}
        return {"stats": asdict(self.stats), "revision": revision}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Pushed:
        """The opposite of `to_json`."""
        revision = kept["revision"]
        return cls(Stats(**kept["stats"]), revision and Head(revision["number"], UUID(revision["id"])))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try at a push: the state that it starts from, and what crypto is asked."""

    state: State
    items: Sequence[Item]
    secrets: Mapping[str, UUID]
    leaving: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Decision:
    """What a push does; `revision` is None when nothing changes."""

    state: State
    effect: Effect
    revision: NewRevision | None

    @property
    def head(self) -> Head:
        """Where the environment stands afterwards."""
        if self.revision is None:
            return Head(self.state.number, self.state.revision_id)
        return Head(self.revision.number, self.revision.id)


@dataclass(frozen=True, slots=True)
class _Once:
    """An Idempotency-Key and what it stands for."""

    key: str
    fingerprint: bytes


class SecretsService:
    """Values in, values out. `fingerprint_key` is of the backend alone: 32 bytes that no database writer has."""

    def __init__(self, database: Database, crypto: VaultCrypto, events: GroupWriter, fingerprint_key: bytes) -> None:
        self._database = database
        self._crypto = crypto
        self._revising = Revising(database, crypto)
        self._events = events
        self._fingerprint_key = fingerprint_key

    async def pull(
        self, grant: EnvironmentGrant, *, known: Collection[UUID] = (), part: Slice | None = None
    ) -> Pulled | Unchanged:
        """All values of the granted environment, or a part of them, or the news that the caller knows them already.

        Raises NotFound for an empty or missing environment, Unavailable, IntegrityFailed.
        """
        environment = _existing(grant)
        if known and (head := await self._unchanged(grant, environment, known)) is not None:
            return Unchanged(head)
        async with self._database.read() as connection:
            live = await store.read_live(connection, environment.id)
        if live is None:
            raise errors.no_secrets(environment.name)
        here = (live.head.revision_id, live.head.number)
        if not live.keys and not live.head.number and not live.manifest:
            raise errors.no_secrets(environment.name, here)
        everything = Entries(live.keys, live.value_ids)
        wanted, sealed = (everything, live.sealed) if part is None else _cut(live, part)
        entries = None if part is None else everything
        manifest = Manifest(live.head.number, live.manifest, entries)
        texts = await self._crypto.open(_place(grant, environment), wanted, sealed, manifest)
        if not live.keys:
            raise errors.no_secrets(environment.name, here)
        await self._events.record(_read_event(grant, live.head.number, len(texts), wanted if part else None))
        return Pulled(live.head, dict(zip(wanted.keys, texts, strict=True)))

    async def look(self, grant: EnvironmentGrant) -> Pulled:
        """All values, for a comparison within this process: nothing of them leaves, so nothing is recorded.

        Raises NotFound for a missing environment, Unavailable, IntegrityFailed.
        """
        environment = _existing(grant)
        async with self._database.read() as connection:
            live = await store.read_live(connection, environment.id)
        if live is None:
            raise errors.no_secrets(environment.name)
        if not live.keys and not live.head.number and not live.manifest:
            return Pulled(live.head, {})
        everything, manifest = Entries(live.keys, live.value_ids), Manifest(live.head.number, live.manifest)
        texts = await self._crypto.open(_place(grant, environment), everything, live.sealed, manifest)
        return Pulled(live.head, dict(zip(live.keys, texts, strict=True)))

    async def _unchanged(
        self, grant: EnvironmentGrant, environment: Environment, known: Collection[UUID]
    ) -> Head | None:
        """The head if it is a known one; recorded once in a quarter of an hour."""
        async with self._database.read() as connection:
            head = await store.read_head(connection, environment.id)
            if head is None or head.revision_id not in known:
                return None
            event = Event(
                Action.SECRETS_PULLED,
                grant.actor,
                grant.origin,
                subject_of(grant, head.number),
                details={"notModified": True},
            )
            await record_once(connection, event, seconds=UNCHANGED_PULL_SECONDS)
        return head

    async def view(self, grant: EnvironmentGrant, key: str) -> Sensitive:
        """One value. Raises NotFound when there is no such key, Unavailable, IntegrityFailed."""
        if grant.environment is None:
            raise errors.no_such_key(key, grant.asked_name)
        environment = grant.environment
        async with self._database.read() as connection:
            found = await store.read_one(connection, environment.id, key)
        if found is None or (not found.keys and not found.head.number and not found.manifest):
            raise errors.no_such_key(key, environment.name)
        ids = dict(zip(found.keys, found.value_ids, strict=True))
        manifest = Manifest(found.head.number, found.manifest, Entries(found.keys, found.value_ids))
        wanted = Entries([key], [ids[key]]) if key in ids else Entries()
        sealed = [found.sealed] if found.sealed is not None and key in ids else []
        texts = await self._crypto.open(_place(grant, environment), wanted, sealed, manifest)
        if not texts:
            raise errors.no_such_key(key, environment.name)
        details = {"key": key, "secretName": key, "role": grant.role.value}
        subject = subject_of(grant, found.head.number)
        event = Event(Action.SECRET_VALUE_ACCESSED, grant.actor, grant.origin, subject, [key], details)
        await self._events.record(event)
        return texts[0]

    async def push(self, grant: EnvironmentGrant, push: Push, conditions: Preconditions) -> Pushed:
        """Makes the granted environment hold what the push says: one revision, or none when nothing changes.

        Raises BadRequest, Conflict, TooLarge, Unavailable, IntegrityFailed; then nothing was changed.
        """
        if push.mode is Mode.REPLACE and conditions.revision is None:
            raise errors.replace_needs_revision()
        if grant.environment is None:
            raise await self._missing(grant)
        once = self._once(grant.environment, conditions)

        async def attempt() -> Pushed:
            if (before := await self._remembered(grant, once)) is not None:
                return before
            return await self._commit(grant, await self._decide(grant, push, conditions.revision), push, once)

        return await persist(attempt, grant, gone=lambda: self._missing(grant))

    async def _decide(self, grant: EnvironmentGrant, push: Push, started_from: UUID | None) -> _Decision:
        """Everything up to the transaction: read, seal and compare, judge the limits."""
        made = await self._prepare(grant, push, started_from)
        state = made.state
        # Crypto verifies what the environment holds before it signs anything new.
        outcome = await self._revising.seal(grant, state, made.items, made.leaving, echo=push.mode is Mode.LEGACY)
        pairs = zip(made.items, outcome.sealed, strict=True)
        sealed = {item.key: one for item, one in pairs if one is not None}
        try:
            effect = rules.effect(state, sealed, made.leaving, len(push.values))
        except rules.InvalidPushError as error:
            raise errors.invalid(error.faults) from None
        await self._revising.refuse_over(grant, state, effect, push.sizes)
        if effect.is_nothing:
            return _Decision(state, effect, None)
        values = [
            NewValue(UUID(bytes=item.value_id), made.secrets[item.key], item.key, one, item.key not in state.live)
            for item, one in zip(made.items, outcome.sealed, strict=True)
            if one is not None
        ]
        return _Decision(state, effect, replace(revision(state, effect, values, outcome), message=push.message))

    async def _prepare(self, grant: EnvironmentGrant, push: Push, started_from: UUID | None) -> _Attempt:
        """Reads the head and decides what crypto must compare."""
        state = await self._revising.state(grant, list(push.values))
        bases = legacy.Bases()
        if push.mode is Mode.LEGACY:
            async with self._database.read() as connection:
                bases = await store.read_bases(connection, grant, state.number, now() - _BASE_AGE)
        if started_from not in {None, state.revision_id}:
            raise errors.moved(state.revision_id, state.number)
        if push.mode is Mode.LEGACY and legacy.is_nothing(push, bases):
            raise errors.nothing_to_push()
        leaving = _leaving(grant, push, state, bases)
        # A key that was there keeps its identity; one that is created, also after a deletion, is a new one.
        secrets = {key: state.live[key].secret_id if key in state.live else new_id() for key in push.values}
        items = [
            Item(key, new_id_of(secrets[key]).bytes, text, _candidates(grant, key, state, bases))
            for key, text in push.values.items()
        ]
        return _Attempt(state, items, secrets, leaving)

    async def _commit(self, grant: EnvironmentGrant, decision: _Decision, push: Push, once: _Once | None) -> Pushed:
        pushed = _without_comparison(push)
        if grant.also_reads:
            pushed = Pushed(decision.effect.stats(), decision.head)
        async with self._database.transaction() as connection:
            if once is not None:
                await store.remember(connection, grant, once.key, once.fingerprint, pushed.to_json())
            if decision.revision is not None:
                await store.commit(connection, grant, decision.revision)
            await record(connection, _pushed_event(grant, decision))
        return pushed

    async def _remembered(self, grant: EnvironmentGrant, once: _Once | None) -> Pushed | None:
        if once is None:
            return None
        async with self._database.read() as connection:
            kept = await store.remembered(connection, grant, once.key)
        if kept is None:
            return None
        if not hmac.compare_digest(kept[0], once.fingerprint):
            raise errors.key_reused()
        return Pushed.from_json(kept[1])

    def _once(self, environment: Environment, conditions: Preconditions) -> _Once | None:
        """The fingerprint is under a key of the backend: to the database it tells nothing about a value."""
        if conditions.idempotency_key is None:
            return None
        revision = conditions.revision.bytes if conditions.revision else b""
        keyed = hmac.new(self._fingerprint_key, digestmod="sha256")
        for part in (environment.id.bytes, revision, conditions.body):
            keyed.update(len(part).to_bytes(8, "big") + part)
        return _Once(conditions.idempotency_key, keyed.digest())

    async def _missing(self, grant: EnvironmentGrant) -> Exception:
        async with self._database.read() as connection:
            names = await store.environment_names(connection, grant)
        # A vault keeps its last environment: without any it was deleted meanwhile.
        return errors.missing_environment(grant.asked_name, names) if names else refusals.no_vault_in_secrets()


def _existing(grant: EnvironmentGrant) -> Environment:
    """A missing environment that the caller could read counts as empty (policy.yaml `secrets_404`)."""
    if grant.environment is None:
        raise errors.no_secrets(grant.asked_name)
    return grant.environment


def _place(grant: EnvironmentGrant, environment: Environment) -> Place:
    return Place(grant.vault.id, grant.vault.github_repo_id, environment.id)


def _cut(live: store.LiveValues, part: Slice) -> tuple[Entries, Sequence[Sealed]]:
    order = sorted(range(len(live.keys)), key=live.keys.__getitem__)[part.offset : part.offset + part.limit]
    wanted = Entries([live.keys[i] for i in order], [live.value_ids[i] for i in order])
    return wanted, [live.sealed[i] for i in order]


def _leaving(grant: EnvironmentGrant, push: Push, state: State, bases: legacy.Bases) -> list[str]:
    if push.mode is not Mode.LEGACY:
        return rules.removed(push, state)
    additive = grant.origin.user_agent.lower().startswith(legacy.ADDITIVE_AGENT)
    return legacy.removed(push, state, bases, additive=additive)


def _candidates(grant: EnvironmentGrant, key: str, state: State, bases: legacy.Bases) -> Sequence[tuple[bytes, Sealed]]:
    """Without the right to read there is nothing to compare: every value that is sent counts as changed."""
    return legacy.candidates(key, state.live.get(key), bases) if grant.also_reads else ()


def _without_comparison(push: Push) -> Pushed:
    return Pushed(Stats(0, len(push.values), len(push.delete), None), None)


def _read_event(grant: EnvironmentGrant, revision: int, count: int, part: Entries | None) -> Event:
    details = {"secretCount": count, "role": grant.role.value}
    keys = part.keys if part else None
    return Event(Action.SECRETS_PULLED, grant.actor, grant.origin, subject_of(grant, revision), keys, details)


def _pushed_event(grant: EnvironmentGrant, decision: _Decision) -> Event:
    details, keys = asdict(decision.effect.stats()), decision.effect.keys
    subject = subject_of(grant, decision.head.number)
    return Event(Action.SECRETS_PUSHED, grant.actor, grant.origin, subject, keys, details)
