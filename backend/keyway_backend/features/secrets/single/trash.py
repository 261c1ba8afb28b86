"""What was deleted: listed for 30 days, restored, or forgotten for good."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from keyway_backend.access.grants import SecretGrant, VaultGrant
from keyway_backend.access.narrow import readable
from keyway_backend.audit import Action, Event, Subject, record, record_all
from keyway_backend.db.engine import Database
from keyway_backend.features.secrets import store as values
from keyway_backend.features.secrets.moves import Incoming, Move, Moves
from keyway_backend.features.secrets.revising import refuse_foreign
from keyway_backend.features.secrets.rules import Effect, State
from keyway_backend.features.secrets.single import errors, rules, store
from keyway_backend.features.secrets.single.entries import event
from keyway_backend.features.secrets.single.store import LastValue
from keyway_backend.features.secrets.store import Head
from keyway_backend.platform.clock import iso
from keyway_backend.vault_crypto import VaultCrypto


class Trash:
    """The trash of a vault."""

    def __init__(self, database: Database, crypto: VaultCrypto) -> None:
        self._database = database
        self._moves = Moves(database, crypto)

    async def page(self, grant: VaultGrant, *, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """What was deleted from the environments that the caller may read, last deleted first, and how much it is."""
        visible = readable(grant)
        names = {id_: environment.name for id_, (environment, _) in grant.environments.items()}
        async with self._database.read() as connection:
            found = await store.trash(connection, visible, limit=limit, offset=offset)
            total = await store.trash_count(connection, visible)
        return [_shown(row, names[row["environment_id"]]) for row in found], total

    async def restore(self, grant: SecretGrant) -> dict[str, Any]:
        """Brings a secret back under the name that it had, with its versions.

        Raises NotFound, Conflict when the name is taken, BadRequest and TooLarge over the limits, Unavailable,
        IntegrityFailed; then nothing was changed.
        """
        keys: list[str] = []

        async def plan(state: State) -> Move:
            last = await self._last(grant)
            if last is None or last.sealed is None:
                raise errors.no_secret()
            if last.to_revision is None:
                raise values.HeadMovedError if state.live.get(last.key) is None else errors.key_is_back(last.key)
            if last.key in state.live:
                raise errors.key_is_back(last.key)
            keys[:] = [last.key]
            return Move({last.key: Incoming(last.key, last.id.bytes, last.sealed, grant.secret_id)})

        def told(head: Head, _effect: Effect) -> Event:
            return event(Action.SECRET_RESTORED, grant, keys[0], head.number)

        await self._moves.make(grant.environment, plan, told)
        return {
            "id": str(grant.secret_id),
            "key": keys[0] if grant.environment.also_reads else None,
            "environment": grant.environment.asked_name,
            "message": "The secret is restored.",
        }

    async def purge(self, grant: SecretGrant) -> None:
        """Forgets a secret in the trash, and its versions, for good. Raises NotFound."""
        environment = values.environment_of(grant.environment)
        async with self._database.transaction() as connection:
            try:
                await values.lock(connection, environment)
            except values.EnvironmentGoneError:
                raise errors.no_secret() from None
            last = await store.last_value(connection, grant)
            if last is None or last.to_revision is None or last.sealed is None:
                raise errors.no_secret()
            await store.purge_secrets(connection, [environment], [grant.secret_id])
            told = event(Action.SECRET_PERMANENTLY_DELETED, grant, last.key, last.to_revision)
            await record(connection, told)

    async def empty(self, grant: VaultGrant) -> int:
        """Forgets everything in the trash of the vault. How many secrets that were."""
        async with self._database.transaction() as connection:
            held = await store.lock_all(connection, grant.environments)
            found = await store.all_trash(connection, held)
            await store.purge_secrets(connection, held, [row["secret_id"] for row in found])
            by_environment: dict[UUID, list[str]] = defaultdict(list)
            for row in found:
                by_environment[row["environment_id"]].append(row["key"])
            events = [_emptied(grant, environment, keys) for environment, keys in by_environment.items()]
            await record_all(connection, events)
        return len(found)

    async def _last(self, grant: SecretGrant) -> LastValue | None:
        async with self._database.read() as connection:
            last = await store.last_value(connection, grant)
        if last is not None:
            refuse_foreign(grant.environment, grant.secret_id, last.id)
        return last


def _emptied(grant: VaultGrant, environment: UUID, keys: list[str]) -> Event:
    """One row per environment, so that each is shown to those alone who may read there."""
    name = grant.environments[environment][0].name
    subject = Subject(grant.vault.id, grant.vault.full_name, environment, name)
    details = {"bulk": True, "count": len(keys), "keys": sorted(keys)}
    return Event(Action.SECRET_PERMANENTLY_DELETED, grant.actor, grant.origin, subject, sorted(keys), details)


def _shown(row: Any, environment: str) -> dict[str, Any]:
    deleted_at = row["deleted_at"]
    return {
        "id": str(row["secret_id"]),
        "key": row["key"],
        "environment": environment,
        "deletedAt": iso(deleted_at),
        "expiresAt": iso(deleted_at + rules.TRASH),
        "daysRemaining": rules.days_left(deleted_at, row["now"]),
    }
