"""Making and showing vaults (contract.md 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from keyway_core.names import NEW_VAULT_ENVIRONMENTS
from keyway_core.roles import type_from_name

from keyway_backend import audit
from keyway_backend.access.decide import Access
from keyway_backend.access.grants import PersonGrant, RepositoryGrant, VaultGrant
from keyway_backend.access.macs import Macs
from keyway_backend.access.records import type_mac
from keyway_backend.audit import Action, Event, Subject
from keyway_backend.db.engine import Database
from keyway_backend.features.vaults import store
from keyway_backend.features.vaults.store import NewEnvironment
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import Conflict, NotFound
from keyway_backend.platform.ids import new_id

_AVATAR_HOST: Final = "https://github.com"


class Vaults:
    """The vaults of this instance, as far as a grant reaches."""

    def __init__(self, database: Database, access: Access, macs: Macs, *, github_url: str = _AVATAR_HOST) -> None:
        self._database = database
        self._access = access
        self._macs = macs
        self._github_url = github_url

    async def create(self, grant: RepositoryGrant) -> dict[str, Any]:
        """A vault with its three environments, or nothing. Raises Conflict when the repository has one already."""
        vault_id, moment = new_id(), now()
        environments = [self._new_environment(vault_id, name) for name in NEW_VAULT_ENVIRONMENTS]
        full_name = grant.repository.full_name
        subject = Subject(vault_id=vault_id, repository=full_name)
        details = {"repoFullName": full_name, "isPrivate": grant.repository.private}
        async with self._database.transaction() as connection:
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

    async def every(self, grant: PersonGrant, *, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """A page of the vaults on which the person has a role, last changed first, and how many there are."""
        grants = await self._access.vaults(grant)
        async with self._database.read() as connection:
            facts = await store.facts(connection, grants)
        present = [(facts[one.vault.id], one) for one in grants if one.vault.id in facts]
        present.sort(key=lambda pair: pair[0]["updated_at"], reverse=True)
        return [self._item(one, about) for about, one in present[offset : offset + limit]], len(present)

    async def show(self, grant: VaultGrant) -> dict[str, Any]:
        """One vault. Its creator sees it also while the App is not installed, marked so."""
        async with self._database.read() as connection:
            facts = (await store.facts(connection, [grant])).get(grant.vault.id)
        if facts is None:
            raise NotFound("Vault not found")
        more = {"repoFullName": grant.vault.full_name, "createdAt": iso(facts["created_at"])}
        return self._item(grant, facts) | more

    def _item(self, grant: VaultGrant, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What a list shows of a vault; fields as the public clients read them, billing off."""
        environments = [environment for environment, _ in grant.environments.values()]
        details = [
            {"name": environment.name, "type": environment.type.value, "displayOrder": place}
            for place, environment in enumerate(environments)
        ]
        item = {
            "id": str(grant.vault.id),
            "repoOwner": grant.vault.owner_login,
            "repoName": grant.vault.repo_name,
            "repoAvatar": f"{self._github_url}/{grant.vault.owner_login}.png",
            "secretCount": facts["secrets"],
            "environments": [environment.name for environment in environments],
            "environmentDetails": details,
            "permission": grant.role.value if grant.role is not None else None,
            "isPrivate": grant.vault.private,
            "isReadOnly": False,
            "readonlyReason": None,
            "syncs": [],
            "updatedAt": iso(facts["updated_at"]),
        }
        return item if grant.role is not None else item | {"warning": "repo_inaccessible"}
