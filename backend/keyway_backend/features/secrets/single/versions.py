"""The values that a secret had: listed, revealed, restored, purged."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from keyway_core.sealed import Sealed
from keyway_core.sensitive import Sensitive

from keyway_backend.access.grants import SecretGrant
from keyway_backend.audit import Action, Event, GroupWriter, record
from keyway_backend.db.engine import Database
from keyway_backend.features.secrets import store as values
from keyway_backend.features.secrets.moves import Incoming, Move, Moves
from keyway_backend.features.secrets.revising import live_of, place_of, refuse_foreign
from keyway_backend.features.secrets.rules import Effect, State
from keyway_backend.features.secrets.single import errors, store
from keyway_backend.features.secrets.single.entries import event, person
from keyway_backend.features.secrets.single.store import Version
from keyway_backend.features.secrets.store import Head
from keyway_backend.platform.clock import iso
from keyway_backend.vault_crypto import Entries, VaultCrypto


class Versions:
    """The history of one secret. A row that was made for another secret is no version of this one: it alarms."""

    def __init__(self, database: Database, crypto: VaultCrypto, events: GroupWriter) -> None:
        self._database = database
        self._crypto = crypto
        self._events = events
        self._moves = Moves(database, crypto)

    async def every(self, grant: SecretGrant) -> list[dict[str, Any]]:
        """The versions that are kept, newest first. Raises IntegrityFailed."""
        async with self._database.read() as connection:
            found = await store.versions(connection, grant)
        for version in found:
            refuse_foreign(grant.environment, grant.secret_id, version.id)
        return [_shown(version) for version in found]

    async def value(self, grant: SecretGrant, version_id: UUID | None) -> tuple[Sensitive, int]:
        """The value of a version, once the row that says so is committed, and its number.

        Raises NotFound, IntegrityFailed, Unavailable.
        """
        version, sealed = await self._kept(grant, version_id)
        place = place_of(grant.environment)
        opened = await self._crypto.open(place, Entries([version.key], [version.id.bytes]), [sealed], None)
        more = _named(version) | {"role": grant.environment.role.value}
        # The revision at which this value stood: that is what was seen.
        told = event(Action.SECRET_VERSION_VALUE_ACCESSED, grant, version.key, version.from_revision, **more)
        await self._events.record(told)
        return opened[0], version.number

    async def restore(self, grant: SecretGrant, version_id: UUID | None) -> dict[str, Any]:
        """Gives the secret, under its present name, the value of a version; the present one becomes a version.

        Raises NotFound, TooLarge, Conflict, Unavailable, IntegrityFailed; then nothing was changed.
        """
        done: list[tuple[str, Version]] = []

        async def plan(state: State) -> Move:
            found = live_of(grant.environment, state, grant.secret_id)
            if found is None:
                raise errors.no_secret()
            version, sealed = await self._kept(grant, version_id)
            done[:] = [(found[0], version)]
            return Move({found[0]: Incoming(version.key, version.id.bytes, sealed)})

        def told(head: Head, _effect: Effect) -> Event:
            ((key, version),) = done
            return event(Action.SECRET_VERSION_RESTORED, grant, key, head.number, **_named(version))

        await self._moves.make(grant.environment, plan, told)
        ((key, version),) = done
        return {
            "message": f"Version {version.number} is the live value again.",
            "key": key if grant.environment.also_reads else None,
            "versionNumber": version.number,
        }

    async def purge(self, grant: SecretGrant, version_id: UUID | None) -> None:
        """Forgets the value of a version for good. Raises NotFound, and Conflict for the live value."""
        async with self._database.transaction() as connection:
            try:
                await values.lock(connection, values.environment_of(grant.environment))
            except values.EnvironmentGoneError:
                raise errors.no_version() from None
            version = await store.version(connection, grant, version_id) if version_id else None
            if version is None:
                raise errors.no_version()
            if version.to_revision is None:
                raise errors.is_live()
            if not await store.purge_version(connection, version.id):
                raise errors.no_version()
            at = version.from_revision
            await record(connection, event(Action.SECRET_VERSION_PURGED, grant, version.key, at, **_named(version)))

    async def _kept(self, grant: SecretGrant, version_id: UUID | None) -> tuple[Version, Sealed]:
        """A superseded row that still has its value. Raises NotFound, IntegrityFailed."""
        if version_id is None:
            raise errors.no_version()
        async with self._database.read() as connection:
            version = await store.version(connection, grant, version_id)
            sealed = await store.sealed_of(connection, version_id)
        if version is None or version.to_revision is None or sealed is None:
            raise errors.no_version()
        refuse_foreign(grant.environment, grant.secret_id, version.id)
        return version, sealed


def _named(version: Version) -> dict[str, Any]:
    return {"versionId": str(version.id), "versionNumber": version.number}


def _shown(version: Version) -> dict[str, Any]:
    return {
        "id": str(version.id),
        "versionNumber": version.number,
        "createdAt": iso(version.created_at),
        "createdBy": person(version.login, version.avatar_url),
    }
