"""What a person is on a vault, from the database and, where that is not enough, from GitHub. It grants nothing."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final, TypeVar

from keyway_backend.access import binding, refusals, store
from keyway_backend.access.actor import Actor, Binding, Person
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

K = TypeVar("K")


def remembered(vault: Found) -> Standing | None:
    """What the person is on the vault of a row, if GitHub said so not long ago."""
    if (cached := vault.cached) is None:
        return None
    _REMEMBERED_ROLE.inc()
    return Standing(vault, cached.role, cached.installation_id)


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
        self._outside: OrderedDict[tuple[int, str, Binding], float] = OrderedDict()

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
        """Own, foreign and missing vaults outside a binding are refused alike. A name that no vault within it bears is
        followed to its repository, as for everybody else: that may be one of these vaults' under its new name."""
        actor, there = await self.look_up(actor, named, environment)
        if actor.binding is None or any(binding.holds(actor, one.vault.id) for one in there):
            return actor, there
        repository = await self.renamed(actor, actor.person, actor.binding, named)
        if repository is None:
            raise refusals.outside_binding()
        actor, there = await self.look_up(actor, Numbered(repository.id), environment)
        return actor, there

    async def renamed(self, actor: Actor, person: Person, bound: Binding, named: Named) -> Repository | None:
        """The repository that has a name now, if its vault lies within a binding; its label is brought up to date.

        What leads outside is remembered for a while, whatever it is, so that its time tells nothing either. Raises
        Unavailable.
        """
        key = (person.github_user_id, f"{named.owner}/{named.name}".lower(), bound)
        if self._outside.get(key, 0.0) > time.monotonic():
            return None
        answer = await self._roles.ask(person, named.owner, named.name, since=time.monotonic())
        if isinstance(answer, Misconfigured | Unknown):
            raise refusals.undecided(answer)
        repository = answer.repository if isinstance(answer, Granted | Denied) else None
        if repository is not None:
            async with self._database.read() as connection:
                vaults = await store.vaults_of(connection, repository.id)
                if any(binding.holds(actor, one) for one in vaults):
                    await store.relabel(connection, repository)
                    return repository
        _keep(self._outside, key)
        return None

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
        if len(there) == 1 and (known := remembered(there[0])) is not None:
            return known
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
        _keep(self._absent, _key(person, named))


def _keep(refused: OrderedDict[K, float], key: K) -> None:
    """Remembers a refusal for as long as those of GitHub; the oldest makes room."""
    refused[key] = time.monotonic() + DENIED_SECONDS
    refused.move_to_end(key)
    if len(refused) > _REMEMBERED:
        refused.popitem(last=False)


def _former(vault: Found | None, seconds: int) -> CachedRole | None:
    """A role that was told before and is not too old by more than this."""
    return vault.former if vault is not None and vault.former_seconds < seconds else None


def _key(person: Actor | Person, named: Named) -> tuple[int, str]:
    return person.github_user_id, f"{named.owner}/{named.name}".lower()
