"""The App on accounts of GitHub: what it told us, kept and healed, and what a person's own token shows of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson
from keyway_core.sensitive import Sensitive

from keyway_backend.access.actor import Actor
from keyway_backend.access.grants import PersonGrant
from keyway_backend.clients.github import GitHub, Installation, PermissionMissing, TokenRejected
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.github import store
from keyway_backend.features.github.asking import answered
from keyway_backend.platform.clock import iso
from keyway_backend.platform.errors import Forbidden, Problem

_AT_ONCE: Final = 6
_ORGANIZATION: Final = "Organization"


class PeoplesTokens(Protocol):
    """Hands out people's own GitHub tokens (`features.accounts.user_tokens`)."""

    async def of(self, actor: Actor) -> Sensitive:
        """A fresh one. Raises a Forbidden that asks to sign in again, or Unavailable."""

    async def rejected(self, actor: Actor, token: Sensitive) -> Problem:
        """GitHub did not take it. Returns what to raise."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An installation as GitHub showed it; `repositories` of one for selected repositories, by number."""

    installation: Installation
    count: int
    repositories: tuple[int, ...] = ()

    @property
    def row(self) -> store.Row:
        """What is kept of it."""
        found = self.installation
        return store.Row(
            installation=found.id,
            account=found.account.id,
            login=found.account.login,
            type=found.account.type,
            selection=found.repository_selection,
            count=self.count,
            permissions=orjson.dumps(found.permissions).decode(),
            status="active" if found.active else "suspended",
            repositories=self.repositories,
        )


class Installations:
    """Installations, with their repositories."""

    def __init__(self, database: Database, github: GitHub, tokens: PeoplesTokens, *, install_url: str) -> None:
        self._database = database
        self._github = github
        self._tokens = tokens
        self._install_url = install_url

    # kept and healed -------------------------------------------------------------------------------------------------

    async def look(self, installation_id: int) -> Seen | None:
        """How GitHub shows an installation now; None when it is gone. Raises GitHubUnknown, PermissionMissing."""
        found = await self._github.installation(installation_id)
        return None if found is None else await self._looked(found)

    async def _looked(self, found: Installation) -> Seen:
        if not found.active:
            return Seen(found, 0)
        if found.repository_selection != "selected":
            return Seen(found, await self._github.repository_count(found.id))
        covered = await self._github.repositories(found.id) or []
        return Seen(found, len(covered), tuple(one.id for one in covered))

    async def keep(self, connection: Connection, seen: Seen, *, installed_by: int | None = None) -> bool:
        """Writes down what `look` saw, in the caller's transaction. True when the App is new there."""
        before = await store.status(connection, seen.installation.id)
        await store.keep(connection, seen.row, installed_by=installed_by)
        return before in {None, "deleted"}

    async def end(self, connection: Connection, installation_id: int, status: str, *, account: int | None) -> bool:
        """Suspended or deleted, in the caller's transaction. False when it was already."""
        return await store.end(connection, installation_id, status, account)

    async def remove_repositories(self, connection: Connection, installation_id: int, repositories: set[int]) -> None:
        """Repositories were taken out of the selection."""
        await store.remove_repositories(connection, installation_id, repositories)

    # what a person sees ----------------------------------------------------------------------------------------------

    async def own(self, grant: PersonGrant) -> dict[str, Any]:
        """The installations that the person made, or has on the own account."""
        return await answered(self._own(grant))

    async def _own(self, grant: PersonGrant) -> dict[str, Any]:
        _, shown = await self._listed(grant)
        await self._heal(grant, shown)
        async with self._database.read() as connection:
            kept = await store.installations_of(connection, grant.actor.github_user_id)
        return {"installations": [_installation(row) for row in kept], "installUrl": self._install_url}

    async def _heal(self, grant: PersonGrant, shown: list[Installation]) -> None:
        """A webhook that never came is made up for: what GitHub shows on the person's own account gets its row."""
        mine = [one for one in shown if one.account.id == grant.actor.github_user_id]
        async with self._database.read() as connection:
            known = await store.known(connection, [one.id for one in mine])
        for one in mine:
            if one.id in known:
                continue
            seen = await self._looked(one)
            async with self._database.transaction() as connection:
                await self.keep(connection, seen)

    async def shown_organizations(self, grant: PersonGrant) -> list[int]:
        """The numbers of the organisations whose installations GitHub shows to the person; none for somebody whose
        token is gone. It says nothing about membership. Raises Unavailable."""
        try:
            _, shown = await answered(self._listed(grant))
        except Forbidden:
            return []
        return [one.account.id for one in shown if one.account.type == _ORGANIZATION and one.active]

    async def organizations(self, grant: PersonGrant) -> dict[str, Any]:
        """The organisations that the App is installed on and the person is in."""
        return await answered(self._organizations(grant))

    async def _organizations(self, grant: PersonGrant) -> dict[str, Any]:
        token, shown = await self._listed(grant)
        found = [one for one in shown if one.account.type == _ORGANIZATION and one.active]
        roles = await self._asked(grant, token, *(self._role(token, one) for one in found))
        async with self._database.read() as connection:
            connected = await store.connected(connection, [one.account.id for one in found])
        listed = [
            {
                "login": one.account.login,
                "display_name": one.account.login,
                "avatar_url": one.account.avatar_url,
                "status": "ready",
                "user_role": role,
                "already_connected": one.account.id in connected,
            }
            for one, role in zip(found, roles, strict=True)
            if role is not None
        ]
        return {"organizations": listed, "install_url": self._install_url}

    async def _role(self, token: Sensitive, installation: Installation) -> str | None:
        """admin or member; None for somebody who only works in a repository of the organisation.

        Without the permission Members GitHub does not tell, and everybody whom it lists the installation for counts
        as a member: this is a label, rights are asked of GitHub where they are used.
        """
        try:
            membership = await self._github.membership_of(token, installation.account.login)
        except PermissionMissing:
            return "member"
        if membership is None or membership.state != "active":
            return None
        return "admin" if membership.role == "admin" else "member"

    async def repositories(self, grant: PersonGrant) -> list[dict[str, Any]]:
        """The repositories of the person's installations, with the role, and whether there is a vault; by name."""
        return await answered(self._repositories(grant))

    async def _repositories(self, grant: PersonGrant) -> list[dict[str, Any]]:
        token, shown = await self._listed(grant)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def of(installation: Installation) -> list[dict[str, Any]]:
            async with gate:
                reached = await self._github.repositories_of(token, installation.id)
            return [
                {
                    "id": one.id,
                    "fullName": one.full_name,
                    "owner": one.owner.login,
                    "name": one.name,
                    "private": one.private,
                    "role": one.role.value,
                    "installationId": installation.id,
                }
                for one in reached
                if one.role is not None
            ]

        found = await self._asked(grant, token, *(of(one) for one in shown if one.active))
        listed = sorted((one for some in found for one in some), key=lambda one: str(one["fullName"]).lower())
        async with self._database.read() as connection:
            with_vault = await store.with_vault(connection, [one["id"] for one in listed])
        return [one | {"hasVault": one["id"] in with_vault} for one in listed]

    async def _listed(self, grant: PersonGrant) -> tuple[Sensitive, list[Installation]]:
        token = await self._tokens.of(grant.actor)
        (shown,) = await self._asked(grant, token, self._github.installations_of(token))
        return token, shown

    async def _asked(self, grant: PersonGrant, token: Sensitive, *questions: Any) -> list[Any]:
        """The answers to questions asked side by side with a person's token."""
        try:
            return await asyncio.gather(*questions)
        except TokenRejected:
            raise await self._tokens.rejected(grant.actor, token) from None


def _installation(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "installationId": row["installation_id"],
        "accountLogin": row["account_login"],
        "accountType": str(row["account_type"]).lower(),
        "repositorySelection": row["repository_selection"],
        "repositoryCount": row["repository_count"],
        "installedAt": iso(row["installed_at"]),
    }
