"""Changes made of values that are stored already: rollback, copy, restore, rename.

Crypto seals them anew for where they go (`Reseal`), so that no plaintext comes here. Each change is one revision of one
environment, and records from which values it was made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from keyway_core.limits import PLAINTEXT_BYTES_PER_ENVIRONMENT
from keyway_core.sealed import Sealed

from keyway_backend.access.grants import EnvironmentGrant
from keyway_backend.audit import Event, record
from keyway_backend.db.engine import Database
from keyway_backend.features.secrets import errors, rules, store
from keyway_backend.features.secrets.revising import Revising, persist, revision
from keyway_backend.features.secrets.revising import place_of as place_of  # noqa: PLC0414 - part of this surface
from keyway_backend.features.secrets.revising import whole as whole  # noqa: PLC0414 - part of this surface
from keyway_backend.features.secrets.rules import Effect, State
from keyway_backend.features.secrets.store import Head, NewRevision, NewValue
from keyway_backend.features.secrets.store import HeadMovedError as HeadMovedError  # noqa: PLC0414 - part of this surface
from keyway_backend.platform.errors import NotFound
from keyway_backend.platform.ids import new_id, new_id_of
from keyway_backend.vault_crypto import Change, Entries, Manifest, Place, Stored, VaultCrypto


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
        self._revising = Revising(database, crypto)

    async def make(self, grant: EnvironmentGrant, plan: Plan, told: Told, *, started_from: UUID | None = None) -> Moved:
        """One revision of the granted environment, or none when the plan changes nothing; one audit row either way.

        Raises Conflict when `started_from` is not the present revision, NotFound, BadRequest, TooLarge, Unavailable,
        IntegrityFailed; then nothing was changed.
        """
        place = place_of(grant)

        async def attempt() -> Moved:
            state = await self._state(grant, started_from)
            move = await plan(state)
            return await self._commit(grant, await self._revision(grant, place, state, move), state, move, told)

        return await persist(attempt, grant, gone=_gone)

    async def _state(self, grant: EnvironmentGrant, started_from: UUID | None) -> State:
        state = await self._revising.state(grant)
        if started_from not in {None, state.revision_id}:
            raise errors.moved(state.revision_id, state.number)
        return state

    async def _revision(self, grant: EnvironmentGrant, place: Place, state: State, move: Move) -> NewRevision | None:
        """Everything up to the transaction. None when nothing changes."""
        effect = _effect(state, move)
        if effect.is_nothing:
            return None
        await self._check_size(grant, place, state, effect, move)
        secrets = {key: _identity(state, key, one) for key, one in move.values.items()}
        ids = {key: new_id_of(secret) for key, secret in secrets.items()}
        into = Entries(list(ids), [one.bytes for one in ids.values()])
        change = Change(whole(state), state.number + 1, move.leaving)
        outcome = await self._crypto.reseal(_stored(place, move), place, into, change)
        values = [
            NewValue(
                ids[key],
                secrets[key],
                key,
                sealed or Sealed(),
                is_new=one.identity is None and key not in state.live,
                origin=UUID(bytes=one.value_id),
            )
            for (key, one), sealed in zip(move.values.items(), outcome.sealed, strict=True)
        ]
        return replace(revision(state, effect, values, outcome), message=move.message)

    async def _check_size(
        self, grant: EnvironmentGrant, place: Place, state: State, effect: Effect, move: Move
    ) -> None:
        """Exact, and cheap: only when padded sizes could be over the limit are the true ones looked at, in crypto."""
        coming = {key: rules.padded_bytes(len(one.sealed)) for key, one in move.values.items()}
        if move.fits or not rules.may_be_over(state, effect, coming):
            return
        size = await self._revising.measure_kept(grant, state, effect)
        source = _stored(place, move)
        size += await self._crypto.measure(source.place, source.entries, source.sealed, source.manifest)
        if size > PLAINTEXT_BYTES_PER_ENVIRONMENT:
            raise errors.over_limit()

    async def _commit(
        self, grant: EnvironmentGrant, made: NewRevision | None, state: State, move: Move, told: Told
    ) -> Moved:
        head = Head(made.number, made.id) if made else Head(state.number, state.revision_id)
        effect = made.effect if made else Effect(unchanged=move.unchanged)
        async with self._database.transaction() as connection:
            if made is not None:
                await store.commit(connection, grant, made)
            await record(connection, told(head, effect))
        return Moved(head, effect)


async def _gone() -> Exception:
    return NotFound("Environment not found")


def _identity(state: State, key: str, coming: Incoming) -> UUID:
    """A key that is live keeps its identity; another one comes back as what it was, or is a new one."""
    return state.live[key].secret_id if key in state.live else coming.identity or new_id()


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
