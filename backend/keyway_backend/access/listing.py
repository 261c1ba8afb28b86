"""Which vaults could be a person's own: by the person's own listing at GitHub, and by what is remembered of the person.

Nobody's list costs more with the vaults of others. The listing is asked for with the person's own token, at most once
in as long as a role is believed; what it tells of private repositories, and of those where somebody may do more than
read, is a role (policy.yaml `github.calls`). `read` on an open repository is told of many: there the usual way decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from keyway_core.roles import Role
from keyway_core.sensitive import Sensitive

from keyway_backend.access import store
from keyway_backend.access.actor import Actor
from keyway_backend.access.macs import Macs, Purpose
from keyway_backend.access.records import CachedRole, Found, found
from keyway_backend.access.roles import REQUEST_SECONDS, lifetime
from keyway_backend.clients.github import GitHub, GitHubUnknown, PermissionMissing, ReachedRepository, TokenRejected
from keyway_backend.db.engine import Database
from keyway_backend.platform.errors import Forbidden, Unavailable

_REMEMBERED: Final = 2000
LISTING: Final = 0
"""Stands for the listing itself where the number of a repository stands; GitHub gives no repository this number."""


class PersonTokens(Protocol):
    """People's own GitHub tokens."""

    async def of(self, actor: Actor) -> Sensitive:
        """The actor's token. Raises Forbidden when there is none any more, Unavailable."""

    async def rejected(self, actor: Actor, token: Sensitive) -> Forbidden:
        """GitHub did not take it."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A repository of the person's listing."""

    repository: ReachedRepository
    installation_id: int

    @property
    def role(self) -> Role | None:
        """The role, where the listing is enough to tell."""
        role = self.repository.role
        return None if role is Role.READ and self.repository.open_to_many else role


@dataclass(frozen=True, slots=True)
class Candidates:
    """Vaults that could be the person's. `complete`: GitHub left nothing open about which these are."""

    vaults: list[Found]
    complete: bool


class Listings:
    """Finds candidates."""

    def __init__(
        self, database: Database, github: GitHub, tokens: PersonTokens, macs: Macs, *, role_seconds: int
    ) -> None:
        self._database = database
        self._github = github
        self._tokens = tokens
        self._macs = macs
        self._role_seconds = role_seconds

    async def candidates(self, actor: Actor, known: Sequence[Found]) -> Candidates:
        """`known` are the vaults on which a role of the person was seen before, fresh or not."""
        async with self._database.read() as connection:
            asked_at = await store.database_time(connection)
            marker = await store.fresh_role(connection, actor.github_user_id, LISTING)
        if marker is not None and self._macs.fits(marker[1], Purpose.ROLE, *marker[0].fields):
            return Candidates(list(known), complete=True)
        try:
            reached, complete = await self._listing(actor)
        except Forbidden:
            return Candidates(list(known), complete=True)
        except (Unavailable, GitHubUnknown, PermissionMissing):
            return Candidates(list(known), complete=False)
        return Candidates(await self._with(actor, known, reached, asked_at, complete=complete), complete)

    async def _listing(self, actor: Actor) -> tuple[dict[int, Reached], bool]:
        """Repositories by number, and whether every installation answered."""
        token = await self._tokens.of(actor)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                installations = [one for one in await self._github.installations_of(token) if one.active]
                asked = [self._github.repositories_of(token, one.id) for one in installations]
                answers = await asyncio.gather(*asked, return_exceptions=True)
        except TokenRejected:
            raise await self._tokens.rejected(actor, token) from None
        except TimeoutError:
            raise GitHubUnknown("listing of a person's repositories: too slow") from None
        reached: dict[int, Reached] = {}
        for installation, answer in zip(installations, answers, strict=True):
            if not isinstance(answer, BaseException):
                reached |= {one.id: Reached(one, installation.id) for one in answer}
            elif not isinstance(answer, GitHubUnknown | PermissionMissing | TokenRejected):
                raise answer
        return reached, not any(isinstance(answer, BaseException) for answer in answers)

    async def _with(
        self,
        actor: Actor,
        known: Sequence[Found],
        reached: Mapping[int, Reached],
        asked_at: datetime,
        *,
        complete: bool,
    ) -> list[Found]:
        """The known ones, and those that the listing adds, each with the role that it tells. Two statements and one
        write, however many there are. Roles are remembered of repositories without a vault too: one that is made there
        meanwhile is in the next list."""
        person = actor.github_user_id
        async with self._database.read() as connection:
            rows = await store.look_up(connection, actor, store.Listed(list(reached)))
            listed = found(rows, person, self._macs)
            roles = [one for one in reached.values() if one.role is not None][:_REMEMBERED]
            events = await store.events(connection, person, [one.repository.id for one in roles])
            told = [self._row(person, one, asked_at, events.get(one.repository.id)) for one in roles]
            if complete:
                ends = asked_at + lifetime(asked_at, events.get(LISTING), self._role_seconds)
                told.append(store.RoleRow(person, LISTING, None, None, asked_at, ends))
            await store.remember_roles(connection, [(row, self._macs.make(Purpose.ROLE, *row.fields)) for row in told])
        return _merged(known, (_told(vault, reached[vault.vault.github_repo_id]) for vault in listed))

    def _row(self, person: int, one: Reached, asked_at: datetime, event: datetime | None) -> store.RoleRow:
        role = one.role.value if one.role is not None else None
        ends = asked_at + lifetime(asked_at, event, self._role_seconds)
        owner = one.repository.owner.id
        return store.RoleRow(person, one.repository.id, role, one.installation_id, asked_at, ends, owner)


def _told(vault: Found, one: Reached) -> Found:
    """The vault with its role by the listing; without one it has to be asked for."""
    if one.role is None or one.repository.owner.id != vault.vault.github_owner_id:
        return vault
    return replace(vault, cached=CachedRole(one.role, one.installation_id))


def _merged(known: Iterable[Found], listed: Iterable[Found]) -> list[Found]:
    found_by_id = {one.vault.id: one for one in known}
    return list((found_by_id | {one.vault.id: one for one in listed}).values())
