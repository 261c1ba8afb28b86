"""Changes made of values that are stored already: rollback, copy, restore, rename.

Crypto seals them anew for where they go (`Reseal`), so that no plaintext comes here. Each change is one revision of one
environment, and records from which values it was made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from keyway_core.limits import PLAINTEXT_BYTES_PER_ENVIRONMENT
from keyway_core.sealed import Sealed

from keyway_backend.access.grants import EnvironmentGrant
from keyway_backend.audit import Event, record
from keyway_backend.db.engine import Database
from keyway_backend.features.secrets import errors, rules, store
from keyway_backend.features.secrets.rules import Effect, State
from keyway_backend.features.secrets.store import Head, NewRevision
from keyway_backend.platform.errors import NotFound
from keyway_backend.platform.ids import new_id, new_ids
from keyway_backend.vault_crypto import Change, Entries, Manifest, Outcome, Place, Stored, VaultCrypto, alarm

ATTEMPTS: Final = 4


@dataclass(frozen=True, slots=True)
class Incoming:
    """A stored value, and the name that it was sealed under. `identity`: what its key comes back as; None for a key
    that is live, which keeps its own, and for one that shall be a new identity."""

    key: str
    value_id: bytes
    sealed: Sealed
    identity: UUID | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """What shall become of a state: values by the key that they come under, and keys that leave.

    `source` is None for values of the same environment. `manifest` covers the values where they come from; None for
    rows of history, which no manifest holds. `fits` says that the result is known to keep the limit of bytes.
    """

    values: Mapping[str, Incoming] = field(default_factory=dict)
    leaving: Sequence[str] = ()
    source: Place | None = None
    manifest: Manifest | None = None
    message: str | None = None
    unchanged: int = 0
    fits: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """What happened. When nothing changed, `head` is the one from before."""

    head: Head
    effect: Effect


Plan = Callable[[State], Awaitable[Move]]
"""Decides from the present state. Called again when the environment moved meanwhile; may raise `store.HeadMovedError`
when it sees another state, and problems."""

Told = Callable[[Head, Effect], Event]
"""The audit row of a change, written in its transaction."""


class Moves:
    """Makes revisions of stored values."""

    def __init__(self, database: Database, crypto: VaultCrypto) -> None:
        self._database = database
        self._crypto = crypto

    async def make(self, grant: EnvironmentGrant, plan: Plan, told: Told, *, started_from: UUID | None = None) -> Moved:
        """One revision of the granted environment, or none when the plan changes nothing; one audit row either way.

        Raises Conflict when `started_from` is not the present revision, NotFound, BadRequest, TooLarge, Unavailable,
        IntegrityFailed; then nothing was changed.
        """
        place = place_of(grant)
        for _ in range(ATTEMPTS):
            try:
                state = await self._state(grant, started_from)
                move = await plan(state)
                return await self._commit(grant, await self._revision(place, state, move), state, move, told)
            except store.HeadMovedError:
                continue
            except store.EnvironmentGoneError:
                raise NotFound("Environment not found") from None
            except store.StoredValuesError:
                raise alarm("live_rows_changed", place.environment_id) from None
        raise errors.busy()

    async def _state(self, grant: EnvironmentGrant, started_from: UUID | None) -> State:
        async with self._database.read() as connection:
            state = await store.read_state(connection, place_of(grant).environment_id, [])
        if state is None:
            raise store.EnvironmentGoneError
        if started_from not in {None, state.revision_id}:
            raise errors.moved(state.revision_id, state.number)
        return state

    async def _revision(self, place: Place, state: State, move: Move) -> NewRevision | None:
        """Everything up to the transaction. None when nothing changes."""
        effect = _effect(state, move)
        if effect.is_nothing:
            return None
        await self._check_size(place, state, effect, move)
        keys = list(move.values)
        ids = dict(zip(keys, new_ids(len(keys)), strict=True))
        into = Entries(keys, [ids[key].bytes for key in keys])
        change = Change(whole(state), state.number + 1, move.leaving)
        outcome = await self._crypto.reseal(_stored(place, move), place, into, change)
        return _new_revision(state, effect, move, ids, outcome)

    async def _check_size(self, place: Place, state: State, effect: Effect, move: Move) -> None:
        """Exact, and cheap: only when padded sizes could be over the limit are the true ones looked at, in crypto."""
        coming = {key: rules.padded_bytes(len(one.sealed)) for key, one in move.values.items()}
        if move.fits or not rules.may_be_over(state, effect, coming):
            return
        kept = rules.kept(state, effect)
        async with self._database.read() as connection:
            fresh = await store.read_state(connection, place.environment_id, kept)
        if fresh is None or fresh.revision_id != state.revision_id:
            raise store.HeadMovedError
        entries = Entries(kept, [fresh.live[key].value_id for key in kept])
        sealed = [fresh.live[key].sealed or Sealed() for key in kept]
        size = await self._crypto.measure(place, entries, sealed, whole(state))
        source = _stored(place, move)
        if source.manifest is None:
            size += sum(coming.values())
        else:
            size += await self._crypto.measure(source.place, source.entries, source.sealed, source.manifest)
        if size > PLAINTEXT_BYTES_PER_ENVIRONMENT:
            raise errors.over_limit()

    async def _commit(
        self, grant: EnvironmentGrant, revision: NewRevision | None, state: State, move: Move, told: Told
    ) -> Moved:
        head = Head(revision.number, revision.id) if revision else Head(state.number, state.revision_id)
        effect = revision.effect if revision else Effect(unchanged=move.unchanged)
        async with self._database.transaction() as connection:
            if revision is not None:
                await store.commit(connection, grant, revision)
            await record(connection, told(head, effect))
        return Moved(head, effect)


def place_of(grant: EnvironmentGrant) -> Place:
    """The environment, as crypto names it. Raises NotFound when there is none."""
    if grant.environment is None:
        raise NotFound("Environment not found")
    return Place(grant.vault.id, grant.vault.github_repo_id, grant.environment.id)


def whole(state: State) -> Manifest:
    """The manifest of a state with all its entries."""
    entries = Entries(list(state.live), [value.value_id for value in state.live.values()])
    return Manifest(state.number, state.manifest, entries)


def _effect(state: State, move: Move) -> Effect:
    for key in move.values:
        if (wrong := rules.key_fault(key)) is not None:
            raise errors.invalid([rules.Fault(f"keys.{key}", wrong)])
    sealed = {key: one.sealed for key, one in move.values.items()}
    try:
        return rules.effect(state, sealed, move.leaving, len(sealed) + move.unchanged)
    except rules.InvalidPushError as error:
        raise errors.invalid(error.faults) from None


def _stored(place: Place, move: Move) -> Stored:
    values = list(move.values.values())
    entries = Entries([one.key for one in values], [one.value_id for one in values])
    return Stored(move.source or place, entries, [one.sealed for one in values], move.manifest)


def _new_revision(state: State, effect: Effect, move: Move, ids: Mapping[str, UUID], outcome: Outcome) -> NewRevision:
    return NewRevision(
        id=new_id(),
        base=state,
        effect=effect,
        sealed={key: one for key, one in zip(move.values, outcome.sealed, strict=True) if one is not None},
        value_ids=ids,
        manifest=outcome.manifest or b"",
        key_version=outcome.key_version,
        message=move.message,
        origins={key: UUID(bytes=one.value_id) for key, one in move.values.items()},
        identities={
            key: one.identity for key, one in move.values.items() if one.identity is not None and key not in state.live
        },
    )
