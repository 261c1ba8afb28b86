"""Who has a role on a vault's repository, as GitHub says now, and how far it reaches here. Apart from the service of
overrides because it asks GitHub, and that one never does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keyway_core.roles import Role

from keyway_backend.access import refusals
from keyway_backend.access.grants import VaultGrant
from keyway_backend.access.matrix import Override, Rules, allowed_verbs
from keyway_backend.clients.github import Collaborator, GitHub
from keyway_backend.db.engine import Database
from keyway_backend.features.github.asking import answered
from keyway_backend.features.permissions import rules, store
from keyway_backend.features.permissions.service import Permissions


class Collaborators:
    """The people of a repository."""

    def __init__(self, database: Database, github: GitHub, permissions: Permissions) -> None:
        self._database = database
        self._github = github
        self._permissions = permissions

    async def collaborators(self, grant: VaultGrant) -> dict[str, Any]:
        """Everybody, with what they can do in the vault."""
        people = await self._people(grant)
        said = await self._rules(grant)
        async with self._database.read() as connection:
            known = await store.people_by_number(connection, [person.id for person in people])
        shown = [
            _labels(person)
            | {
                "userId": str(known[person.id]) if person.id in known else None,
                "githubPermission": person.role.value if person.role is not None else person.role_name,
                "keywayPermissions": _reach(grant, person, said),
                "type": "bot" if person.type == "Bot" else "user",
            }
            for person in people
        ]
        return {"repoFullName": grant.vault.full_name, "provider": "github", "collaborators": shown}

    async def contributors(self, grant: VaultGrant) -> dict[str, Any]:
        """Everybody, in short."""
        shown = [
            _labels(person) | {"permission": person.role.value if person.role is not None else person.role_name}
            for person in await self._people(grant)
        ]
        return {"repoId": grant.vault.full_name, "provider": "github", "contributors": shown}

    async def _people(self, grant: VaultGrant) -> list[Collaborator]:
        vault = grant.vault
        if vault.installation_id is None:
            raise refusals.no_vault_in_path()
        people = await answered(self._github.collaborators(vault.installation_id, vault.owner_login, vault.repo_name))
        if people is None:
            raise refusals.no_vault_in_path()
        return people

    async def _rules(self, grant: VaultGrant) -> Rules:
        """What stands above the matrix for everybody; a grant knows it for its actor alone."""
        async with self._database.read() as connection:
            found = await store.every(connection, grant)
        ours = [_override(row) for row in found if self._permissions.is_ours(grant, row)]
        return Rules(tuple(ours), grant.rules.defaults)


def _override(row: Mapping[str, Any]) -> Override:
    role = Role(row["target_role"]) if row["target_role"] else None
    return Override(row["environment_id"], row["target_github_user_id"], role, row["can_read"], row["can_write"])


def _reach(grant: VaultGrant, person: Collaborator, said: Rules) -> dict[str, bool]:
    role = person.role
    if role is None:
        return rules.reach((), manages=False)
    verbs = [
        allowed_verbs(role, person.id, environment.type, environment.id, said)
        for environment, _ in grant.environments.values()
    ]
    return rules.reach(verbs, manages=role is Role.ADMIN)


def _labels(person: Collaborator) -> dict[str, Any]:
    return {"login": person.login, "avatarUrl": person.avatar_url or "", "htmlUrl": person.html_url or ""}
