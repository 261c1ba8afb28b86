"""Deliveries of GitHub: taken once, believed at once where they take away, and finished by a job (contract.md 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from keyway_backend import audit, jobs
from keyway_backend.access import store as access_store
from keyway_backend.access.actor import Actor, CredentialKind, Origin
from keyway_backend.access.generations import forget_generations, raise_generations
from keyway_backend.clients.github import GitHub, Repository
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.accounts import authorization
from keyway_backend.features.github.installations import Installations, Seen
from keyway_backend.features.organizations.service import ROSTER_JOB, Organizations
from keyway_backend.features.webhooks import rules, store
from keyway_backend.features.webhooks.rules import Facts
from keyway_backend.platform import log
from keyway_backend.platform.errors import Forbidden, Problem

APPLY: Final = "webhooks.apply"
_ORGANIZATION: Final = "Organization"
_KEEP_DAYS: Final = 30  # GitHub sends a delivery again for three
_log = log.logger("webhooks")


class NoSecret(Problem):
    """GITHUB_APP_WEBHOOK_SECRET is empty: the feature is off, so there is nothing to try again for."""


@dataclass(frozen=True, slots=True)
class Found:
    """What GitHub showed when the job asked it, before the transaction."""

    installation: Seen | None = None
    repository: Repository | None = None


class Webhooks:
    """Takes deliveries, and applies them."""

    def __init__(
        self,
        database: Database,
        github: GitHub,
        installations: Installations,
        organizations: Organizations,
        *,
        secret: str,
    ) -> None:
        self._database = database
        self._github = github
        self._installations = installations
        self._organizations = organizations
        self._secret = secret.encode()

    def verify(self, body: bytes, signature: bytes) -> None:
        """Raises NoSecret, or Forbidden for what GitHub did not sign."""
        if not self._secret:
            raise NoSecret("Webhooks are off: GITHUB_APP_WEBHOOK_SECRET is not set.")
        if not rules.signed(self._secret, body, signature):
            raise Forbidden("The signature does not match.")

    # the delivery ----------------------------------------------------------------------------------------------------

    async def receive(self, delivery: str, event: str, payload: Mapping[str, Any]) -> None:
        """Takes a delivery, once. What it takes away is gone when this returns; the rest is a job's, and cannot be
        lost. When this fails nothing happened, and GitHub's next attempt finds it undone."""
        facts = rules.facts_of(event, payload)
        async with self._database.transaction() as connection:
            if not await store.take(connection, delivery, facts):
                _log.info("delivery_again", delivery=delivery)
                return
            await self._end(connection, delivery, facts)
            if rules.leaves_work(facts):
                await jobs.defer(connection, APPLY, delivery=delivery)
            else:
                await store.apply(connection, delivery)

    async def _end(self, connection: Connection, delivery: str, facts: Facts) -> None:
        ends = rules.ending(facts)
        if ends is None:
            return
        raised = await raise_generations(
            connection,
            repositories=ends.repositories,
            people=ends.people,
            owners=ends.owners,
            installations=[ends.installation] if ends.installation and ends.status else [],
        )
        _log.info("access_ended", delivery=delivery, name=facts.name, raised=raised)
        if ends.signed_out is not None:
            await authorization.end(connection, ends.signed_out, _origin(delivery))
        await self._off_the_roster(connection, facts)
        if ends.installation is None:
            return
        if ends.status is None:
            await self._installations.remove_repositories(connection, ends.installation, set(ends.repositories))
        else:
            await self._end_installation(connection, delivery, facts, ends.status)

    async def _off_the_roster(self, connection: Connection, facts: Facts) -> None:
        if facts.organization is None:
            return
        if facts.name == "organization.member_removed" and facts.person is not None:
            await self._organizations.member_removed(connection, facts.organization, facts.person)
        elif facts.name == "organization.deleted":
            await self._organizations.deleted(connection, facts.organization)

    async def _end_installation(self, connection: Connection, delivery: str, facts: Facts, status: str) -> None:
        """The first word of an end is recorded, and no other: not a repetition, nor a removal noticed before."""
        if facts.installation is None:
            return
        news = await self._installations.end(connection, facts.installation, status, account=facts.account)
        if news and status == "deleted":
            await self._record(connection, audit.Action.VCS_APP_UNINSTALLED, delivery, facts)

    # the job ---------------------------------------------------------------------------------------------------------

    async def apply(self, delivery: str) -> None:
        """Does what a delivery left. Run twice, also at the same time, it has its effect once.

        GitHub is asked first, with no transaction open; what it shows is written together with the mark that the
        delivery is done. Raises what GitHub's silence raises, so that the job is tried again.
        """
        async with self._database.read() as connection:
            facts = await store.waiting(connection, delivery)
        if facts is None:
            return
        found = await self._found(facts)
        async with self._database.transaction() as connection:
            if await store.apply(connection, delivery):
                await self._write(connection, delivery, facts, found)

    async def _found(self, facts: Facts) -> Found:
        if rules.concerns_installation(facts) and facts.installation is not None:
            return Found(installation=await self._installations.look(facts.installation))
        if rules.concerns_repository(facts) and facts.installation is not None and facts.repository is not None:
            async with self._database.read() as connection:
                if not await store.has_vault(connection, facts.repository):
                    return Found()
            return Found(repository=await self._github.repository_numbered(facts.installation, facts.repository))
        return Found()

    async def _write(self, connection: Connection, delivery: str, facts: Facts, found: Found) -> None:
        if found.installation is not None:
            await self._write_installation(connection, delivery, facts, found.installation)
        elif rules.concerns_installation(facts):
            await self._end_installation(connection, delivery, facts, "deleted")
        if found.repository is not None:
            await access_store.relabel(connection, found.repository)
        if rules.concerns_roster(facts):
            await jobs.defer(connection, ROSTER_JOB, github_org_id=facts.organization)

    async def _write_installation(self, connection: Connection, delivery: str, facts: Facts, seen: Seen) -> None:
        account = seen.installation.account
        by = facts.sender if facts.name == "installation.created" else None
        news = await self._installations.keep(connection, seen, installed_by=by)
        await store.relabel_owner(connection, account.id, account.login)
        if account.type == _ORGANIZATION:
            await self._organizations.renamed(connection, account.id, account.login)
        if news:
            await self._record(connection, audit.Action.VCS_APP_INSTALLED, delivery, facts)
        # The page that a person comes back to from GitHub may have been first, and makes no organisation.
        if account.type == _ORGANIZATION and (news or facts.name == "installation.created"):
            await self._organizations.installed(connection, account.id, account.login)

    async def purge(self) -> None:
        """Forgets old deliveries, and what they ended so long ago that nobody could remember it."""
        more = True
        while more:
            async with self._database.read() as connection:
                more = await store.purge(connection, _KEEP_DAYS) > 0
        async with self._database.read() as connection:
            await forget_generations(connection)

    async def _record(self, connection: Connection, action: audit.Action, delivery: str, facts: Facts) -> None:
        """Who sent it acted: a person whom we know, or one whom we know by number and login only."""
        known = await authorization.known(connection, facts.sender)
        actor = Actor(
            known.id if known is not None else None,
            facts.sender or 0,
            facts.sender_login or "github",
            CredentialKind.GITHUB_SIGNATURE,
            _credential(delivery),
        )
        details = {"installationId": facts.installation, "accountId": facts.account}
        await audit.record(connection, audit.Event(action, actor, _origin(delivery), details=details))


def _origin(delivery: str) -> Origin:
    return Origin(
        request_id=delivery, ip="", user_agent="GitHub-Hookshot", platform="api", source="webhook", device_id=""
    )


def _credential(delivery: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"github-delivery:{delivery}")
