"""What plans allow: the hooks of accounts, organisations and vaults, filled in while billing is on.

Apart from the service, which sells plans: this one is asked on the way of other requests, and never asks Stripe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from keyway_backend.access.grants import RepositoryGrant, Vault, VaultGrant
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.accounts.hooks import Limit, PersonPlan
from keyway_backend.features.billing import rules, store
from keyway_backend.features.billing.errors import plan_limit_reached
from keyway_backend.features.billing.rules import ORGANIZATION, PERSON, Owner
from keyway_backend.features.organizations.rules import TRIAL_DAYS, OrganizationPlan, Plan, Trial, effective
from keyway_backend.platform.clock import now

_LOCKED = "plan_limit_exceeded"
_LOCKED_ORGANIZATION = "org_free_plan"


class Plans:
    """The plans of people and organisations."""

    def __init__(self, database: Database, *, upgrade_url: str) -> None:
        self._database = database
        self._upgrade_url = upgrade_url

    # who has which -----------------------------------------------------------------------------------------------

    async def of_organizations(self, connection: Connection, numbers: Sequence[int]) -> Mapping[int, OrganizationPlan]:
        """By GitHub's number. A customer that has bought nothing pays nothing; a trial stays one until it ends."""
        bought: dict[int, list[Mapping[str, Any]]] = {number: [] for number in numbers}
        for row in await store.subscriptions_of(connection, ORGANIZATION, numbers):
            bought[row["github_owner_id"]].append(row)
        trials = await store.trials(connection, numbers)
        customers = await store.customers(connection, ORGANIZATION, numbers)
        moment = now()
        found = {}
        for number in numbers:
            trial, paid = _trial(trials.get(number)), rules.paid_plan(bought[number])
            found[number] = OrganizationPlan(paid, effective(paid, trial, moment), customers.get(number), trial)
        return found

    async def paid_by_people(self, connection: Connection, numbers: Sequence[int]) -> dict[int, Plan]:
        """By GitHub's number."""
        bought: dict[int, list[Mapping[str, Any]]] = {number: [] for number in numbers}
        for row in await store.subscriptions_of(connection, PERSON, numbers):
            bought[row["github_owner_id"]].append(row)
        return {number: rules.paid_plan(rows) for number, rows in bought.items()}

    async def of_person(self, user_id: UUID) -> PersonPlan:
        """What a person pays for, and how far it goes."""
        async with self._database.read() as connection:
            plan = await self._paid_by(connection, user_id)
        limits = rules.limits_of(PERSON, plan)
        return PersonPlan(
            plan.value,
            private_repos=_shown(limits.private_repos),
            providers=_shown(limits.providers),
            environments_per_vault=_shown(limits.environments),
        )

    async def _paid_by(self, connection: Connection, user_id: UUID) -> Plan:
        row = await store.number_of(connection, user_id)
        number = row["github_user_id"] if row is not None else 0
        return (await self.paid_by_people(connection, [number]))[number]

    async def _of_owners(self, connection: Connection, owners: Sequence[int]) -> dict[int, tuple[str, Plan]]:
        """What the owners of repositories may use, people and organisations alike."""
        organizations = await store.owner_kinds(connection, owners)
        teams = await self.of_organizations(connection, sorted(organizations))
        people = await self.paid_by_people(connection, [one for one in owners if one not in organizations])
        found = {number: (ORGANIZATION, plan.effective) for number, plan in teams.items()}
        return found | {number: (PERSON, plan) for number, plan in people.items()}

    # what it allows ----------------------------------------------------------------------------------------------

    async def read_only(self, grants: Sequence[VaultGrant]) -> Mapping[UUID, str]:
        """The private vaults beyond what their owner's plan allows, oldest first: whoever asks, the same ones."""
        return await self._locked([grant.vault for grant in grants])

    async def _locked(self, asked: Sequence[Vault]) -> dict[UUID, str]:
        owners = sorted({vault.github_owner_id for vault in asked if vault.private})
        if not owners:
            return {}
        async with self._database.read() as connection:
            plans = await self._of_owners(connection, owners)
            vaults = await store.private_vaults(connection, owners)
        seen: dict[int, int] = {}
        locked = {}
        for row in vaults:
            owner = row["github_owner_id"]
            kind, plan = plans[owner]
            place = seen[owner] = seen.get(owner, 0) + 1
            most = rules.limits_of(kind, plan).private_repos
            if most is not None and place > most:
                free = kind == ORGANIZATION and plan is Plan.FREE
                locked[row["id"]] = _LOCKED_ORGANIZATION if free else _LOCKED
        wanted = {vault.id for vault in asked}
        return {vault_id: reason for vault_id, reason in locked.items() if vault_id in wanted}

    async def admit_write(self, vault: Vault) -> None:
        """Raises PlanLimitReached when the vault may only be read."""
        if await self._locked([vault]):
            raise plan_limit_reached("This vault is read-only on the present plan.", self._upgrade_url)

    async def admit_environment(self, grant: VaultGrant) -> None:
        """Raises PlanLimitReached when the vault may have no further environment."""
        owner = grant.vault.github_owner_id
        async with self._database.read() as connection:
            kind, plan = (await self._of_owners(connection, [owner]))[owner]
        most = rules.limits_of(kind, plan).environments
        if most is not None and len(grant.environments) >= most:
            raise plan_limit_reached(f"The {plan} plan has {most} environments per vault.", self._upgrade_url)

    async def admit_provider(
        self, connection: Connection, user_id: UUID, connected: Collection[str], provider: str
    ) -> None:
        """Raises PlanLimitReached when a person may connect no further provider; what is connected may be again."""
        plan = await self._paid_by(connection, user_id)
        most = rules.limits_of(PERSON, plan).providers
        if most is not None and provider not in connected and len(connected) >= most:
            raise plan_limit_reached(f"The {plan} plan has {most} providers.", self._upgrade_url)

    async def admit_vault(self, connection: Connection, grant: RepositoryGrant) -> None:
        """Raises PlanLimitReached when the repository's owner may have no further private vault.

        The owner is locked until the caller's transaction ends, so that many at once are counted one by one.
        """
        repository = grant.repository
        if not repository.private:
            return
        number = repository.owner.id
        kind = ORGANIZATION if repository.owner.type == "Organization" else PERSON
        await store.lock_owner(connection, Owner(kind, number))
        if kind == ORGANIZATION:
            team = (await self.of_organizations(connection, [number]))[number]
            plan, trial = team.effective, _offer(team, repository.owner.login)
        else:
            plan, trial = (await self.paid_by_people(connection, [number]))[number], None
        most = rules.limits_of(kind, plan).private_repos
        if most is not None and len(await store.private_vaults(connection, [number])) >= most:
            text = f"The {plan} plan has {most} vaults for private repositories."
            raise plan_limit_reached(text, self._upgrade_url, trial)


def _shown(limit: int | None) -> Limit:
    return "unlimited" if limit is None else limit


def _trial(row: Mapping[str, Any] | None) -> Trial | None:
    return Trial(row["started_at"], row["ends_at"], row["converted_at"]) if row is not None else None


def _offer(plan: OrganizationPlan, login: str) -> dict[str, Any]:
    """What the command line reads: whether a trial would help."""
    offer: dict[str, Any] = {"eligible": plan.trial is None and plan.plan is Plan.FREE, "daysAvailable": TRIAL_DAYS}
    offer["orgLogin"] = login
    if not offer["eligible"]:
        offer["reason"] = "The organization has a paid plan." if plan.trial is None else "The trial was used."
    return offer
