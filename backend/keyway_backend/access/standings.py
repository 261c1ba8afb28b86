"""What a person is on a vault, from the database and, where that is not enough, from GitHub. It grants nothing."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

from keyway_backend.access import binding, refusals, store
from keyway_backend.access.actor import Actor, Person
from keyway_backend.access.callers import Callers
from keyway_backend.access.macs import Macs
from keyway_backend.access.records import CachedRole, Found, found
from keyway_backend.access.roles import DENIED_SECONDS, Denied, Granted, Misconfigured, NotInstalled, Roles, Unknown
from keyway_backend.access.standing import Standing
from keyway_backend.access.store import Named, Numbered, Where
from keyway_backend.clients.github import Repository
from keyway_backend.db.engine import Database
from keyway_backend.platform import metrics

_REMEMBERED: Final = 4096
_REMEMBERED_ROLE: Final = metrics.ROLES.labels("remembered")
_ASKED_ROLE: Final = metrics.ROLES.labels("asked")


class Standings:
    """Finds out what people are on vaults."""

    def __init__(
        self, database: Database, roles: Roles, callers: Callers, macs: Macs, *, grace_seconds: int = 0
    ) -> None:
        self._database = database
        self._roles = roles
        self._callers = callers
        self._macs = macs
        self._grace_seconds = grace_seconds
        self._absent: OrderedDict[tuple[int, str], float] = OrderedDict()

    def forget_absent(self) -> None:
        """A vault is about to be made where there was none."""
        self._absent.clear()

    async def look_up(self, actor: Actor, where: Where, environment: str | None = None) -> tuple[Actor, list[Found]]:
        """The actor, proven, and what the database knows. Raises Unauthorized."""
        async with self._database.read() as connection:
            rows = await store.look_up(connection, actor, where, environment)
            proven = await self._callers.proven(connection, actor, rows[0]) if rows else actor
        if not rows:
            proven = await self._callers.live(actor)
        return proven, found(rows, actor.github_user_id, self._macs)

    async def of(
        self, actor: Actor, named: Named, environment: str | None = None, *, only_reads: bool = False
    ) -> tuple[Actor, Standing]:
        """What the actor is on the vault of a name. Raises Unauthorized, Forbidden outside a binding, Unavailable."""
        since = time.monotonic()
        actor, there = await self.look_up_bound(actor, named, environment)
        standing = await self.decided(actor, named, there, environment, since=since, only_reads=only_reads)
        if standing.vault is not None and not binding.holds(actor, standing.vault.vault.id):
            raise refusals.outside_binding()
        return actor, standing

    async def look_up_bound(
        self, actor: Actor, named: Named, environment: str | None = None
    ) -> tuple[Actor, list[Found]]:
        """Own, foreign and missing vaults outside a binding are refused alike, before GitHub is asked."""
        actor, there = await self.look_up(actor, named, environment)
        if actor.binding is not None and not any(binding.holds(actor, one.vault.id) for one in there):
            raise refusals.outside_binding()
        return actor, there

    async def decided(
        self,
        person: Actor | Person,
        named: Named,
        there: list[Found],
        environment: str | None = None,
        *,
        since: float,
        only_reads: bool = False,
    ) -> Standing:
        """The vault of that name now, and what the person is there. No connection is held while GitHub is asked."""
        if len(there) == 1 and (cached := there[0].cached) is not None:
            _REMEMBERED_ROLE.inc()
            return Standing(there[0], cached.role, cached.installation_id)
        if not there and self._absent.get(_key(person, named), 0.0) > time.monotonic():
            return Standing(None, None, None)
        _ASKED_ROLE.inc()
        expected = there[0] if len(there) == 1 else None
        repository_id = expected.vault.github_repo_id if expected is not None else None
        whom = person.person if isinstance(person, Actor) else person
        answer = await self._roles.ask(whom, named.owner, named.name, since=since, expected=repository_id)
        match answer:
            case Granted(role, repository, installation):
                vault = await self._vault_of(person, named, there, repository, environment)
                return Standing(vault, role, installation)
            case Denied(repository, installation) if repository is not None:
                vault = await self._vault_of(person, named, there, repository, environment)
                return Standing(vault, None, installation)
            case Denied() | NotInstalled():
                self._note_absent(person, named, there)
                return Standing(expected, None, answer.installation_id if isinstance(answer, Denied) else None)
            case Unknown(_, True) if only_reads and (former := _former(expected, self._grace_seconds)) is not None:
                return Standing(expected, former.role, former.installation_id, in_grace=True)
            case Misconfigured() | Unknown():
                raise refusals.undecided(answer)

    async def _vault_of(
        self, person: Actor | Person, named: Named, there: list[Found], repository: Repository, environment: str | None
    ) -> Found | None:
        """Follows the repository's number: a renamed one is found under its new name, and a name that was taken again
        leads nowhere (policy.yaml `roles.resolution`)."""
        async with self._database.read() as connection:
            await store.relabel(connection, repository)
        for vault in there:
            if (vault.vault.github_repo_id, vault.vault.github_owner_id) == (repository.id, repository.owner.id):
                return vault
        async with self._database.read() as connection:
            rows = await store.look_up(connection, person, Numbered(repository.id), environment)
        by_number = found(rows, person.github_user_id, self._macs)
        self._note_absent(person, named, by_number)
        return by_number[0] if by_number else None

    def _note_absent(self, person: Actor | Person, named: Named, there: list[Found]) -> None:
        """A name without a vault costs GitHub one question in ten seconds per person, as a refusal on a vault does:
        kept for all, a second account could tell by the time whether a stranger's vault is there."""
        if there:
            return
        self._absent[_key(person, named)] = time.monotonic() + DENIED_SECONDS
        if len(self._absent) > _REMEMBERED:
            self._absent.popitem(last=False)


def _former(vault: Found | None, seconds: int) -> CachedRole | None:
    """A role that was told before and is not too old by more than this."""
    return vault.former if vault is not None and vault.former_seconds < seconds else None


def _key(person: Actor | Person, named: Named) -> tuple[int, str]:
    return person.github_user_id, f"{named.owner}/{named.name}".lower()
