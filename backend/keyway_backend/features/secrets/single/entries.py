"""Secrets that are live: listed, created, changed, revealed, sent to the trash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from keyway_core.sensitive import Sensitive

from keyway_backend.access.grants import EnvironmentGrant, SecretGrant, VaultGrant
from keyway_backend.access.narrow import readable
from keyway_backend.audit import Action, Event, GroupWriter, record
from keyway_backend.db.engine import Database
from keyway_backend.features.secrets import errors as push_errors
from keyway_backend.features.secrets import rules as push_rules
from keyway_backend.features.secrets import store as values
from keyway_backend.features.secrets.moves import Incoming, Move, Moves
from keyway_backend.features.secrets.revising import (
    Revising,
    live_of,
    persist,
    place_of,
    revision,
    subject_of,
    whole,
)
from keyway_backend.features.secrets.rules import Effect, LiveValue, State
from keyway_backend.features.secrets.single import errors, rules, store
from keyway_backend.features.secrets.single.rules import Edit, Entry
from keyway_backend.features.secrets.store import Head, NewRevision, NewValue
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.ids import new_id, new_id_of
from keyway_backend.vault_crypto import Entries, Item, Outcome, VaultCrypto


@dataclass(frozen=True, slots=True)
class Put:
    """What a create did: made a secret, or gave one that was there another value."""

    id: UUID
    created: bool


class LiveSecrets:
    """One secret at a time. Each change is one revision, and one audit row in its transaction."""

    def __init__(self, database: Database, crypto: VaultCrypto, events: GroupWriter) -> None:
        self._database = database
        self._crypto = crypto
        self._events = events
        self._revising = Revising(database, crypto)
        self._moves = Moves(database, crypto)

    async def page(self, grant: VaultGrant, *, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Names of the environments that the caller may read, last changed first, and how many there are."""
        visible = readable(grant)
        names = {id_: environment.name for id_, (environment, _) in grant.environments.items()}
        async with self._database.read() as connection:
            found = await store.page(connection, visible, limit=limit, offset=offset)
            total = await store.count(connection, visible)
        return [_item(row, names[row["environment_id"]]) for row in found], total

    async def value(self, grant: SecretGrant) -> Sensitive:
        """The value of a secret, once the row that says so is committed. Raises NotFound, IntegrityFailed."""
        state, key, live = await self._live(grant)
        opened = await self._crypto.open(
            place_of(grant.environment), Entries([key], [live.value_id]), [_sealed(live)], whole(state)
        )
        details = {"role": grant.environment.role.value, "secretName": key}
        await self._events.record(event(Action.SECRET_VALUE_ACCESSED, grant, key, state.number, **details))
        return opened[0]

    async def put(self, grant: EnvironmentGrant, entry: Entry) -> Put:
        """Creates a secret, or gives the one of that name this value.

        Raises BadRequest, TooLarge, Conflict, Unavailable, IntegrityFailed; then nothing was changed.
        """

        async def attempt() -> Put:
            state = await self._revising.state(grant, [entry.key])
            live = state.live.get(entry.key)
            secret_id = live.secret_id if live else new_id()
            effect = Effect(updated=[entry.key]) if live else Effect(created=[entry.key])
            _refuse_crowd(state, effect)
            item = Item(entry.key, new_id_of(secret_id).bytes, entry.text, _candidates(grant, live))
            outcome = await self._revising.seal(grant, state, [item])
            made = await self._sealed(grant, state, effect, outcome, (item, secret_id, entry.size))
            action = Action.SECRET_UPDATED if live else Action.SECRET_CREATED
            await self._commit(grant, made, _event(action, grant, secret_id, entry.key, made, state))
            # Who may not read there is not told whether the name was taken.
            return Put(secret_id, created=live is None and grant.also_reads)

        return await persist(attempt, grant, gone=_gone)

    async def change(self, grant: SecretGrant, edit: Edit) -> dict[str, Any]:
        """Another name, another value, or both in one revision. The secret as the list shows it.

        Raises NotFound, BadRequest, TooLarge, Conflict, Unavailable, IntegrityFailed; then nothing was changed.
        """
        if edit.text is None:
            await self._rename(grant, edit.name)
        else:
            await self._rewrite(grant, edit, edit.text)
        async with self._database.read() as connection:
            row = await store.item(connection, grant)
        if row is None:
            raise errors.no_secret()
        environment = grant.environment
        told = _item(row, environment.asked_name)
        return told if environment.also_reads else told | {"key": edit.name}

    async def remove(self, grant: SecretGrant) -> dict[str, Any]:
        """Sends a secret to the trash. Raises NotFound, Conflict, Unavailable, IntegrityFailed."""
        environment = grant.environment

        async def attempt() -> tuple[str, datetime]:
            state, key, _ = await self._live(grant)
            effect = Effect(deleted=[key])
            outcome = await self._revising.seal(environment, state, [], [key])
            made = revision(state, effect, [], outcome)
            at = now()
            told = event(Action.SECRET_TRASHED, grant, key, made.number, expiresAt=iso(at + rules.TRASH))
            return key, await self._commit(environment, made, told)

        key, at = await persist(attempt, environment, gone=_gone)
        return {
            "id": str(grant.secret_id),
            "key": key if environment.also_reads else None,
            "environment": environment.asked_name,
            "deletedAt": iso(at),
            "expiresAt": iso(at + rules.TRASH),
            "message": f"The secret is in the trash and can be restored within {rules.TRASH.days} days.",
        }

    # how ---------------------------------------------------------------------------------------------------------

    async def _live(self, grant: SecretGrant) -> tuple[State, str, LiveValue]:
        state = await self._revising.state(grant.environment, secret_id=grant.secret_id)
        found = live_of(grant.environment, state, grant.secret_id)
        if found is None:
            raise errors.no_secret()
        return state, *found

    async def _rename(self, grant: SecretGrant, name: str | None) -> None:
        """The same value in a new row under the new name; without plaintext here, and with its lineage."""
        renamed: list[str] = []

        async def plan(state: State) -> Move:
            found = live_of(grant.environment, state, grant.secret_id)
            if found is None:
                raise errors.no_secret()
            key, live = found
            renamed[:] = [key]
            if name in {None, key}:
                return Move(unchanged=1)
            _refuse_taken(state, name or key)
            async with self._database.read() as connection:
                sealed = await store.sealed_of(connection, UUID(bytes=live.value_id))
            if sealed is None:
                raise values.HeadMovedError
            return Move({name or key: Incoming(key, live.value_id, sealed, grant.secret_id)}, [key], fits=True)

        def told(head: Head, effect: Effect) -> Event:
            (key,) = renamed
            if effect.is_nothing:
                return event(Action.SECRET_UPDATED, grant, key, head.number, unchanged=True)
            return event(Action.SECRET_UPDATED, grant, name or key, head.number, previousKey=key)

        await self._moves.make(grant.environment, plan, told)

    async def _rewrite(self, grant: SecretGrant, edit: Edit, text: Sensitive) -> None:
        environment = grant.environment

        async def attempt() -> None:
            state, key, live = await self._live(grant)
            name = edit.name or key
            item = Item(name, new_id_of(grant.secret_id).bytes, text, _candidates(environment, live))
            if name != key:
                _refuse_taken(state, name)
                if await self._is_same(environment, key, item):
                    return await self._rename(grant, name)
                item = Item(name, item.value_id, text)
            effect = Effect(updated=[key]) if name == key else Effect(created=[name], deleted=[key])
            outcome = await self._revising.seal(environment, state, [item], effect.deleted)
            made = await self._sealed(environment, state, effect, outcome, (item, grant.secret_id, edit.size))
            more = {"previousKey": key} if name != key else {}
            action = Action.SECRET_UPDATED
            told = _event(action, environment, grant.secret_id, name, made, state, **more)
            await self._commit(environment, made, told)
            return None

        await persist(attempt, environment, gone=_gone)

    async def _is_same(self, grant: EnvironmentGrant, key: str, item: Item) -> bool:
        """Whether a renamed secret keeps its value: then it keeps its lineage too. Asked for those who may read."""
        if not item.candidates:
            return False
        return await self._crypto.equals(place_of(grant), Item(key, item.value_id, item.text, item.candidates))

    async def _sealed(
        self, grant: EnvironmentGrant, state: State, effect: Effect, outcome: Outcome, what: tuple[Item, UUID, int]
    ) -> NewRevision | None:
        """The revision, or None when the value is what it was. Raises TooLarge."""
        item, secret_id, size = what
        sealed = outcome.sealed[0]
        if sealed is None:
            return None
        await self._revising.refuse_over(grant, state, effect, {item.key: size})
        is_new = item.key not in state.live and not effect.deleted
        row = NewValue(UUID(bytes=item.value_id), secret_id, item.key, sealed, is_new)
        return revision(state, effect, [row], outcome)

    async def _commit(self, grant: EnvironmentGrant, made: NewRevision | None, told: Event) -> datetime:
        async with self._database.transaction() as connection:
            at = await values.commit(connection, grant, made) if made is not None else now()
            await record(connection, told)
        return at


async def _gone() -> Exception:
    return errors.no_secret()


def event(action: Action, grant: SecretGrant, key: str, at_revision: int, **more: Any) -> Event:
    """What is recorded of a single secret."""
    previous = [more["previousKey"]] if "previousKey" in more else []
    details = {"key": key, "secretId": str(grant.secret_id)} | more
    subject = subject_of(grant.environment, at_revision)
    return Event(action, grant.environment.actor, grant.environment.origin, subject, [*previous, key], details)


def _event(
    action: Action,
    grant: EnvironmentGrant,
    secret_id: UUID,
    key: str,
    made: NewRevision | None,
    state: State,
    **more: Any,
) -> Event:
    details = {"key": key, "secretId": str(secret_id)} | more | ({} if made else {"unchanged": True})
    keys = [more["previousKey"], key] if "previousKey" in more else [key]
    subject = subject_of(grant, made.number if made else state.number)
    return Event(action, grant.actor, grant.origin, subject, keys, details)


def _candidates(grant: EnvironmentGrant, live: LiveValue | None) -> Sequence[Any]:
    """What a value is compared with; nothing for those who may not read there."""
    return [(live.value_id, _sealed(live))] if live is not None and grant.also_reads else ()


def _sealed(live: LiveValue) -> Any:
    if live.sealed is None:
        raise values.StoredValuesError
    return live.sealed


def _refuse_crowd(state: State, effect: Effect) -> None:
    try:
        push_rules.refuse_crowd(state, effect)
    except push_rules.InvalidPushError as error:
        raise push_errors.invalid(error.faults) from None


def _refuse_taken(state: State, name: str) -> None:
    if name in state.live:
        raise errors.name_taken(name)


def _item(row: Mapping[str, Any], environment: str) -> dict[str, Any]:
    return {
        "id": str(row["secret_id"]),
        "key": row["key"],
        "environment": environment,
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
        "lastModifiedBy": person(row["login"], row["avatar_url"]),
    }


def person(login: str | None, avatar_url: str | None) -> dict[str, str | None] | None:
    """Somebody as lists show them; None for nobody known."""
    return None if login is None else {"username": login, "avatarUrl": avatar_url}
