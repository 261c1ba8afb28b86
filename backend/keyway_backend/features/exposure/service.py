"""Exposure reports, as far as the caller may see them. Free for everyone; no plan is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from keyway_core.roles import Verb

from keyway_backend import audit
from keyway_backend.access.decide import Access
from keyway_backend.access.grants import EnvironmentGrant, OrgGrant, PersonGrant, SecretGrant, VaultGrant
from keyway_backend.access.narrow import narrow
from keyway_backend.access.rows import Rows, all_rows, bound_environments, rows_of
from keyway_backend.audit import Action, Event, Subject
from keyway_backend.db.engine import Database
from keyway_backend.features.exposure import rules, store
from keyway_backend.features.exposure.store import Part, Window
from keyway_backend.platform.clock import now
from keyway_backend.platform.errors import NotFound

ONE: Final = Part(1)
Pairs = Sequence[Mapping[str, Any]]


class Exposure:
    """Who saw what."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    # whose vaults --------------------------------------------------------------------------------------------------

    async def managed(self, grant: PersonGrant, window: Window, part: Part) -> dict[str, Any]:
        """The people who saw something in vaults that the caller manages."""
        return await self._people(await self._access.managed_numbers(grant), window, part)

    async def managed_report(self, grant: PersonGrant, username: str, part: Part) -> dict[str, Any] | None:
        """What one person saw in them; None when that is nothing."""
        return await self._report(await self._managed(grant), username, part)

    async def summary(self, shown: Rows) -> tuple[int, int, datetime | None]:
        """How many people saw how many secrets, and when last."""
        async with self._database.transaction() as connection:
            found = await store.people(connection, shown, Window(), ONE)
        last = found["page"][0]["last_at"] if found["page"] else None
        return found["users"], found["secrets"], datetime.fromtimestamp(float(last), UTC) if last else None

    async def organization(self, grant: OrgGrant, vault_id: UUID | None, window: Window, part: Part) -> dict[str, Any]:
        """The people who saw something in the organisation's vaults, by its number; deleted vaults are among them."""
        shown = await self._organization(grant)
        if vault_id is not None:
            shown = replace(shown, vaults=[one for one in shown.vaults if one == vault_id])
        return await self._people(_counted(shown), window, part)

    async def organization_report(self, grant: OrgGrant, username: str, part: Part) -> dict[str, Any]:
        """What one person saw in them. Raises NotFound when that is nothing."""
        found = await self._report(await self._organization(grant), username, part)
        if found is None:
            raise NotFound("Nothing is known of this person here.")
        return found

    async def vault(self, grant: VaultGrant, part: Part) -> tuple[Pairs, int]:
        """Who saw what in one vault: a page of people, and how many they are. For others than managers, themselves."""
        shown = rows_of(grant.actor, [grant], everybody=bool(grant.manage))
        async with self._database.transaction() as connection:
            found = await store.pairs(connection, shown, part)
        return found, found[0]["users"] if found else 0

    async def history(self, grant: SecretGrant, part: Part) -> dict[str, Any]:
        """Who saw one secret, last seen first. For others than managers, themselves."""
        here = grant.environment
        everybody = await self._access.manages(here)
        place = [here.environment.id] if here.environment is not None else []
        shown = Rows(here.actor, [here.vault.id], place, place, everybody)
        async with self._database.transaction() as connection:
            found = await store.pairs(connection, shown, part, secret_id=grant.secret_id)
        return {"accesses": [rules.access(row) for row in found], "total": found[0]["users"] if found else 0}

    async def _managed(self, grant: PersonGrant) -> Rows:
        return rows_of(grant.actor, await self._access.managed(grant), everybody=True)

    async def _organization(self, grant: OrgGrant) -> Rows:
        """What is readable is decided by the person's role on each repository; owning the organisation is none."""
        number = grant.organization.github_org_id
        grants = [one for one in await self._access.vaults(grant) if one.vault.github_owner_id == number]
        shown = rows_of(grant.actor, grants, everybody=True)
        async with self._database.read() as connection:
            everything = await store.vaults_of(connection, number)
            live = await store.environments_of(connection, everything)
        return replace(shown, vaults=everything, live=live)

    async def _people(self, shown: Rows, window: Window, part: Part) -> dict[str, Any]:
        async with self._database.transaction() as connection:
            found = await store.people(connection, shown, window, part)
        summary = {"users": found["users"], "secrets": found["secrets"], "accesses": found["accesses"]}
        return {"summary": summary, "users": [rules.listed(row) for row in found["page"]]}

    async def _report(self, shown: Rows, username: str, part: Part) -> dict[str, Any] | None:
        async with self._database.transaction() as connection:
            found = await store.report(connection, shown, username, part)
            if not found and part.offset:
                # Nothing is left there; the sums are told all the same.
                first = rules.report(await store.report(connection, shown, username, ONE))
                return first | {"vaults": []} if first is not None else None
        return rules.report(found)

    # what was dealt with ---------------------------------------------------------------------------------------------

    async def tick(self, grant: VaultGrant, user_id: UUID | None, secret_id: UUID | None, *, done: bool) -> None:
        """Notes that what a person saw of a secret was dealt with, or takes that back.

        Raises NotFound when there is no such person or secret, Forbidden without reading in its environment.
        """
        if user_id is None or secret_id is None:
            raise NotFound("Secret not found")
        async with self._database.read() as connection:
            place = await store.place_of(connection, grant, user_id, secret_id)
        if place is None:
            raise NotFound("Secret not found")
        here = narrow(grant, place["environment_id"], Verb.READ, missing=NotFound("Secret not found"))
        async with self._database.transaction() as connection:
            if done:
                await store.tick(connection, grant, user_id, secret_id, now())
            else:
                await store.untick(connection, grant, user_id, secret_id)
            await audit.record(connection, _ticked(here, user_id, secret_id, place["key"], done=done))

    # by jobs ---------------------------------------------------------------------------------------------------------

    async def roll_up(self) -> None:
        """Sums up what was read and what was changed since the last time. Reports are right without, and fast with."""
        for step in (store.roll_up, store.sum_lives):
            more = True
            while more:
                async with self._database.transaction() as connection:
                    more = await step(connection)


def _counted(shown: Rows) -> Rows:
    """For numbers without a name: all environments of the vaults, unless the credential is bound to some."""
    return all_rows(shown.actor, shown.vaults) if bound_environments(shown.actor) is None else shown


def _ticked(here: EnvironmentGrant, user_id: UUID, secret_id: UUID, key: str, *, done: bool) -> Event:
    action = Action.EXPOSURE_TICKED if done else Action.EXPOSURE_UNTICKED
    environment = here.environment
    place = (environment.id, environment.name) if environment is not None else (None, None)
    subject = Subject(here.vault.id, here.vault.full_name, *place)
    details = {"userId": str(user_id), "secretId": str(secret_id), "key": key, "secretName": key}
    return Event(action, here.actor, here.origin, subject, [key], details)
