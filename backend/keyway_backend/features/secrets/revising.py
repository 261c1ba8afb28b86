"""How values change, whoever changes them: read the head, ask crypto, write one revision, once more if the head moved.

No transaction is open while crypto is asked (design.md 6). What the environment held is verified by crypto before it
signs what follows, so a change never covers up what somebody else did to the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

from keyway_core.sealed import Sealed

from keyway_backend.access.grants import EnvironmentGrant
from keyway_backend.audit import Subject
from keyway_backend.db.engine import Database
from keyway_backend.features.secrets import errors, rules, store
from keyway_backend.features.secrets.rules import Effect, LiveValue, State
from keyway_backend.features.secrets.store import NewRevision, NewValue
from keyway_backend.platform.errors import NotFound
from keyway_backend.platform.ids import is_id_of, new_id
from keyway_backend.vault_crypto import Change, Entries, Item, Manifest, Outcome, Place, VaultCrypto, alarm

ATTEMPTS: Final = 4

T = TypeVar("T")


class Revising:
    """The steps of a change that ask the database or crypto."""

    def __init__(self, database: Database, crypto: VaultCrypto) -> None:
        self._database = database
        self._crypto = crypto

    async def state(self, grant: EnvironmentGrant, keys: Sequence[str] = (), secret_id: UUID | None = None) -> State:
        """The head, with the ciphertext of these keys and of this secret. Raises store.EnvironmentGoneError."""
        async with self._database.read() as connection:
            state = await store.read_state(connection, store.environment_of(grant), keys, secret_id)
        if state is None:
            raise store.EnvironmentGoneError
        return state

    async def seal(
        self,
        grant: EnvironmentGrant,
        state: State,
        items: Sequence[Item],
        leaving: Sequence[str] = (),
        *,
        echo: bool = False,
    ) -> Outcome:
        """Seals what is new, and makes the manifest that follows."""
        change = Change(whole(state), state.number + 1, leaving)
        return await self._crypto.seal(place_of(grant), items, change, echo=echo)

    async def refuse_over(
        self, grant: EnvironmentGrant, state: State, effect: Effect, sizes: Mapping[str, int]
    ) -> None:
        """Raises TooLarge when the environment would hold too much, by true sizes.

        Exact, and cheap: only when padded sizes could be over the limit are the true ones looked at.
        """
        if effect.is_nothing or not rules.may_be_over(state, effect, sizes):
            return
        kept_bytes = await self.measure_kept(grant, state, effect)
        try:
            rules.refuse_over(kept_bytes, effect, sizes)
        except rules.OverLimitError:
            raise errors.over_limit() from None

    async def measure_kept(self, grant: EnvironmentGrant, state: State, effect: Effect) -> int:
        """The bytes of the values that a change leaves alone. Raises store.HeadMovedError."""
        kept = rules.kept(state, effect)
        fresh = await self.state(grant, kept)
        if fresh.revision_id != state.revision_id:
            raise store.HeadMovedError
        values = [fresh.live[key] for key in kept]
        return await self._crypto.measure(
            place_of(grant),
            Entries(kept, [value.value_id for value in values]),
            [value.sealed or Sealed() for value in values],
            whole(fresh),
        )


async def persist(
    attempt: Callable[[], Awaitable[T]], grant: EnvironmentGrant, gone: Callable[[], Awaitable[Exception]]
) -> T:
    """Tries a change until it is made for the head that is there. Raises Conflict when others are always faster."""
    for _ in range(ATTEMPTS):
        try:
            return await attempt()
        except (store.HeadMovedError, store.KeyTakenError):
            continue
        except store.EnvironmentGoneError:
            raise await gone() from None
        except store.StoredValuesError:
            raise alarm("live_rows_changed", store.environment_of(grant)) from None
    raise errors.busy()


def revision(state: State, effect: Effect, values: Sequence[NewValue], outcome: Outcome) -> NewRevision:
    """What is written after crypto has answered. Rows of the keys that are updated or deleted end with it."""
    closed = [UUID(bytes=state.live[key].value_id) for key in (*effect.updated, *effect.deleted)]
    return NewRevision(new_id(), state, effect, closed, values, outcome.manifest or b"", outcome.key_version)


def place_of(grant: EnvironmentGrant) -> Place:
    """The environment, as crypto names it. Raises NotFound when there is none."""
    if grant.environment is None:
        raise NotFound("Environment not found")
    return Place(grant.vault.id, grant.vault.github_repo_id, grant.environment.id)


def subject_of(grant: EnvironmentGrant, revision: int) -> Subject:
    """The granted environment at a revision, as the record names it."""
    vault, environment = grant.vault, grant.environment
    if environment is None:
        return Subject(vault.id, vault.full_name)
    return Subject(vault.id, vault.full_name, environment.id, environment.name, revision)


def whole(state: State) -> Manifest:
    """The manifest of a state with all its entries."""
    entries = Entries(list(state.live), [value.value_id for value in state.live.values()])
    return Manifest(state.number, state.manifest, entries)


def live_of(grant: EnvironmentGrant, state: State, secret_id: UUID) -> tuple[str, LiveValue] | None:
    """Key and value of a secret that is live. Raises IntegrityFailed when its row belongs to another secret."""
    for key, value in state.live.items():
        if value.secret_id == secret_id:
            refuse_foreign(grant, secret_id, UUID(bytes=value.value_id))
            return key, value
    return None


def refuse_foreign(grant: EnvironmentGrant, secret_id: UUID, value_id: UUID) -> None:
    """Raises IntegrityFailed for a value row that was made for another secret than the one that it hangs on."""
    if not is_id_of(secret_id, value_id):
        raise alarm("foreign_value_row", store.environment_of(grant))
