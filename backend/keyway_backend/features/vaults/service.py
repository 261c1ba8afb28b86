"""Making and showing vaults (contract.md 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from keyway_core.limits import TRASH_DAYS
from keyway_core.names import NEW_VAULT_ENVIRONMENTS, is_environment
from keyway_core.roles import EnvironmentType, type_from_name

from keyway_backend import audit
from keyway_backend.access.decide import Access
from keyway_backend.access.grants import Environment, PersonGrant, RepositoryGrant, VaultGrant
from keyway_backend.access.macs import Macs
from keyway_backend.access.records import type_mac
from keyway_backend.audit import Action, Event, Subject
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.vaults import store
from keyway_backend.features.vaults.hooks import NoOwners, NoSyncs, Owners, Plans, Sync, Syncs, Unlimited
from keyway_backend.features.vaults.store import NewEnvironment
from keyway_backend.platform import log
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import Conflict, FieldError, Forbidden, NotFound, ValidationFailed
from keyway_backend.platform.ids import new_id

T = TypeVar("T")

_log = log.logger("vaults")
_AVATAR_HOST: Final = "https://github.com"
TRASH: Final = timedelta(days=TRASH_DAYS)
_PURGE_ENVIRONMENTS: Final = 100
_PURGE_VALUES: Final = 1_000
_BAD_NAME: Final = "2 to 30 characters: a small letter, then small letters, digits, - and _."


@dataclass(frozen=True, slots=True)
class _Outside:
    """What billing and integrations say of the vaults that are shown."""

    read_only: Mapping[UUID, str]
    syncs: Mapping[UUID, Sequence[Sync]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page of the list. `words`: all of them stand in the vault's name or in those of its environments. `by_name`:
    in the order of the alphabet instead of the last change."""

    limit: int
    offset: int
    words: Sequence[str] = ()
    by_name: bool = False

    def part(self, every: Sequence[T]) -> list[T]:
        """What stands on the page."""
        return list(every[self.offset : self.offset + self.limit])


class Vaults:
    """The vaults of this instance, as far as a grant reaches."""

    def __init__(
        self,
        database: Database,
        access: Access,
        macs: Macs,
        *,
        github_url: str = _AVATAR_HOST,
        plans: Plans | None = None,
        owners: Owners | None = None,
        syncs: Syncs | None = None,
    ) -> None:
        self._database = database
        self._access = access
        self._macs = macs
        self._github_url = github_url
        self._plans = plans or Unlimited()
        self._owners = owners or NoOwners()
        self._syncs = syncs or NoSyncs()

    async def create(self, grant: RepositoryGrant) -> dict[str, Any]:
        """A vault with its three environments, or nothing. Raises Conflict when the repository has one already."""
        vault_id, moment = new_id(), now()
        environments = [self._new_environment(vault_id, name) for name in NEW_VAULT_ENVIRONMENTS]
        full_name = grant.repository.full_name
        subject = Subject(vault_id=vault_id, repository=full_name)
        details = {"repoFullName": full_name, "isPrivate": grant.repository.private}
        await self._owners.ensure(grant)
        async with self._database.transaction() as connection:
            if not await store.has_vault(connection, grant):
                await self._plans.admit_vault(connection, grant)
            if not await store.insert_vault(connection, grant, vault_id, moment):
                raise Conflict("Vault already exists for this repository")
            await store.insert_environments(connection, vault_id, environments, moment)
            event = Event(Action.VAULT_CREATED, grant.actor, grant.origin, subject, details=details)
            await audit.record(connection, event)
        return {"vaultId": str(vault_id), "repoFullName": full_name, "message": "Vault created successfully"}

    def _new_environment(self, vault_id: UUID, name: str) -> NewEnvironment:
        environment_id, kind = new_id(), type_from_name(name)
        mac = type_mac(self._macs, vault_id, environment_id, kind)
        return NewEnvironment(environment_id, name, kind.value, mac, new_id())

    async def every(self, grant: PersonGrant, wanted: Wanted) -> tuple[list[dict[str, Any]], int]:
        """A page of the vaults on which the person has a role, and how many there are."""
        grants = await self._access.vaults(grant)
        if wanted.words:
            grants = [one for one in grants if _speaks_of(one, wanted.words)]
        total = len(grants)
        if wanted.by_name:
            # The order is known already, so that nothing is asked about vaults of other pages.
            grants = wanted.part(sorted(grants, key=lambda one: _spelled(one.vault.full_name)))
        async with self._database.read() as connection:
            facts = await store.facts(connection, grants)
        present = [(facts[one.vault.id], one) for one in grants if one.vault.id in facts]
        if not wanted.by_name:
            present.sort(key=lambda pair: pair[0]["updated_at"], reverse=True)
            present, total = wanted.part(present), len(present)
        outside = await self._outside([one for _, one in present])
        return [self._item(one, about, outside) for about, one in present], total

    async def show(self, grant: VaultGrant) -> dict[str, Any]:
        """One vault. Its creator sees it also while the App is not installed, marked so."""
        async with self._database.read() as connection:
            facts = (await store.facts(connection, [grant])).get(grant.vault.id)
        if facts is None:
            raise NotFound("Vault not found")
        more = {"repoFullName": grant.vault.full_name, "createdAt": iso(facts["created_at"])}
        return self._item(grant, facts, await self._outside([grant])) | more

    async def delete(self, grant: VaultGrant) -> None:
        """The vault and all in it, softly: what left it stays on record. Raises NotFound when it is gone already."""
        subject = Subject(vault_id=grant.vault.id, repository=grant.vault.full_name)
        details = {"repoFullName": grant.vault.full_name}
        async with self._database.transaction() as connection:
            if not await store.delete_vault(connection, grant, now()):
                raise NotFound("Vault not found")
            event = Event(Action.VAULT_DELETED, grant.actor, grant.origin, subject, details=details)
            await audit.record(connection, event)

    async def _outside(self, grants: Sequence[VaultGrant]) -> _Outside:
        return _Outside(await self._plans.read_only(grants), await self._syncs.of(grants))

    def environments(self, grant: VaultGrant) -> list[dict[str, Any]]:
        """What is told of the environments that the grant shows, in display order."""
        return _details([environment for environment, _ in grant.environments.values()])

    async def create_environment(self, grant: VaultGrant, sent: Mapping[str, Any]) -> dict[str, Any]:
        """One more environment, of the type that its name implies. Raises ValidationFailed, Forbidden, Conflict."""
        name = _wanted_name(sent, "name")
        await self._plans.admit_environment(grant)
        made = self._new_environment(grant.vault.id, name)
        kind = EnvironmentType(made.type)
        subject = _subject(grant, Environment(made.id, name, kind))
        async with self._database.transaction() as connection:
            await _hold(connection, grant)
            try:
                await store.insert_environment(connection, grant, made, now())
            except store.NameTakenError:
                raise _taken(name) from None
            details = {"environment": name, "type": kind.value}
            event = Event(Action.ENVIRONMENT_CREATED, grant.actor, grant.origin, subject, details=details)
            await audit.record(connection, event)
        every = _details([*_environments(grant), Environment(made.id, name, kind)])
        return {"environment": every[-1], "environments": every}

    async def rename_environment(self, grant: VaultGrant, name: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Another name; everything else follows the id. Raises NotFound, ValidationFailed, Conflict."""
        environment = _environment(grant, name)
        wanted = _wanted_name(sent, "newName")
        renamed = replace(environment, name=wanted)
        async with self._database.transaction() as connection:
            await _hold(connection, grant)
            try:
                there = await store.rename_environment(connection, environment.id, wanted)
            except store.NameTakenError:
                raise _taken(wanted) from None
            if not there:
                raise _no_environment()
            details = {"oldName": name, "newName": wanted, "environment": wanted}
            event = Event(
                Action.ENVIRONMENT_RENAMED, grant.actor, grant.origin, _subject(grant, renamed), details=details
            )
            await audit.record(connection, event)
        every = [renamed if one.id == environment.id else one for one in _environments(grant)]
        return {"oldName": name, "newName": wanted, "environments": _details(every)}

    async def retype_environment(self, grant: VaultGrant, name: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """How much an environment is guarded. Raises NotFound, ValidationFailed."""
        environment = _environment(grant, name)
        kind = _wanted_type(sent)
        mac = type_mac(self._macs, grant.vault.id, environment.id, kind)
        details = {"environment": name, "oldType": environment.type.value, "newType": kind.value}
        async with self._database.transaction() as connection:
            await _hold(connection, grant)
            if not await store.retype_environment(connection, environment.id, kind.value, mac):
                raise _no_environment()
            event = Event(
                Action.ENVIRONMENT_TYPE_CHANGED,
                grant.actor,
                grant.origin,
                _subject(grant, environment),
                details=details,
            )
            await audit.record(connection, event)
        return details

    async def delete_environment(self, grant: VaultGrant, name: str) -> dict[str, Any]:
        """An environment and its values, softly; purged in 30 days. Raises NotFound, and Forbidden for the last."""
        environment = _environment(grant, name)
        async with self._database.transaction() as connection:
            await _hold(connection, grant)
            if await store.live_environments(connection, grant) < 2:
                raise Forbidden("Cannot delete the last environment")
            if not await store.delete_environment(connection, environment.id, now()):
                raise _no_environment()
            event = Event(
                Action.ENVIRONMENT_DELETED,
                grant.actor,
                grant.origin,
                _subject(grant, environment),
                details={"environment": name},
            )
            await audit.record(connection, event)
        every = [one for one in _environments(grant) if one.id != environment.id]
        return {"deleted": name, "environments": _details(every)}

    async def purge_deleted(self) -> None:
        """A job: forgets the ciphertext of environments that were deleted more than 30 days ago.

        Goes in small steps, each of which is done for good, so that it may be stopped and called again at any time.
        """
        purged = 0
        async with self._database.read() as connection:
            due = await store.due_for_purge(connection, now() - TRASH, _PURGE_ENVIRONMENTS)
        for environment_id in due:
            step = _PURGE_VALUES
            while step == _PURGE_VALUES:
                async with self._database.read() as connection:
                    step = await store.purge_values(connection, environment_id, now(), _PURGE_VALUES)
                purged += step
            async with self._database.read() as connection:
                await store.mark_purged(connection, environment_id, now())
        if due:
            _log.info("deleted_environments_purged", environments=len(due), values=purged)

    def _item(self, grant: VaultGrant, facts: Mapping[str, Any], outside: _Outside) -> dict[str, Any]:
        """What a list shows of a vault; fields as the public clients read them."""
        reason = outside.read_only.get(grant.vault.id)
        item = {
            "id": str(grant.vault.id),
            "repoOwner": grant.vault.owner_login,
            "repoName": grant.vault.repo_name,
            "repoAvatar": f"{self._github_url}/{grant.vault.owner_login}.png",
            "secretCount": facts["secrets"],
            "environments": [environment.name for environment in _environments(grant)],
            "environmentDetails": self.environments(grant),
            "permission": grant.role.value if grant.role is not None else None,
            "isPrivate": grant.vault.private,
            "isReadOnly": reason is not None,
            "readonlyReason": reason,
            "syncs": list(outside.syncs.get(grant.vault.id, ())),
            "updatedAt": iso(facts["updated_at"]),
        }
        return item if grant.role is not None else item | {"warning": "repo_inaccessible"}


def _speaks_of(grant: VaultGrant, words: Sequence[str]) -> bool:
    text = " ".join([grant.vault.full_name, *(one.name for one in _environments(grant))]).lower()
    return all(word in text for word in words)


def _spelled(full_name: str) -> tuple[str, str]:
    return full_name.lower(), full_name


async def _hold(connection: Connection, grant: VaultGrant) -> None:
    """Before anything of a vault's environments is changed. Raises NotFound when it was deleted meanwhile."""
    if not await store.touch(connection, grant, now()):
        raise NotFound("Vault not found")


def _environments(grant: VaultGrant) -> list[Environment]:
    return [environment for environment, _ in grant.environments.values()]


def _details(environments: Sequence[Environment]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(environment.id),
            "name": environment.name,
            "type": environment.type.value,
            "displayOrder": place,
        }
        for place, environment in enumerate(environments)
    ]


def _environment(grant: VaultGrant, name: str) -> Environment:
    found = next((one for one in _environments(grant) if one.name == name), None)
    if found is None:
        raise _no_environment()
    return found


def _subject(grant: VaultGrant, environment: Environment) -> Subject:
    return Subject(grant.vault.id, grant.vault.full_name, environment.id, environment.name)


def _wanted_name(sent: Mapping[str, Any], field: str) -> str:
    name = sent.get(field)
    if not isinstance(name, str) or not is_environment(name):
        raise ValidationFailed("Invalid request data", errors=[FieldError(field, _BAD_NAME)])
    return name


def _wanted_type(sent: Mapping[str, Any]) -> EnvironmentType:
    if (kind := sent.get("type")) in [one.value for one in EnvironmentType]:
        return EnvironmentType(kind)
    sentence = "development, standard or protected."
    raise ValidationFailed("Invalid request data", errors=[FieldError("type", sentence)])


def _taken(name: str) -> Conflict:
    return Conflict(f"The vault has an environment {name} already.")


def _no_environment() -> NotFound:
    return NotFound("Environment not found")
