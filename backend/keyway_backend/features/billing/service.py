"""Selling plans, and trials of organisations (contract.md 4.9 and 4.11). Stripe is asked with no connection held."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

from keyway_backend import audit, notify
from keyway_backend.access.grants import OrgGrant, PersonGrant
from keyway_backend.audit import Action, Event
from keyway_backend.clients.stripe import Price, StripeRefused, StripeUnknown
from keyway_backend.db.engine import Database
from keyway_backend.features.billing import errors, rules, store
from keyway_backend.features.billing.plans import Plans
from keyway_backend.features.billing.rules import ORGANIZATION, PERSON, Owner
from keyway_backend.features.billing.seller import Seller
from keyway_backend.features.organizations.rules import TRIAL_DAYS, UNLIMITED, Plan, Trial
from keyway_backend.features.organizations.service import trial_info
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import BadRequest

Answer = TypeVar("Answer")
_PEOPLE: Final = (Plan.PRO, Plan.TEAM, Plan.BUSINESS)
_TEAMS: Final = (Plan.TEAM, Plan.BUSINESS)
_OFF: Final = {"subscription": None, "plan": Plan.BUSINESS.value, "billingStatus": "active"}


class Billing:
    """Billing. Without a seller it is off: everything is unlimited."""

    def __init__(
        self, database: Database, plans: Plans, seller: Seller | None, *, return_origins: tuple[str, ...]
    ) -> None:
        self._database = database
        self._plans = plans
        self._seller = seller
        self._origins = return_origins

    # people ------------------------------------------------------------------------------------------------------

    async def prices(self) -> dict[str, Any]:
        """What plans cost. Raises BillingOff, Unavailable."""
        return {"prices": _price_table(await _asked(self._on().prices(rules.LOOKUP_KEYS)), _PEOPLE)}

    async def subscription(self, grant: PersonGrant) -> dict[str, Any]:
        """What the caller has. Never asks Stripe."""
        if self._seller is None:
            return dict(_OFF)
        owner = Owner(PERSON, grant.actor.github_user_id)
        async with self._database.read() as connection:
            bought = await store.subscriptions(connection, owner)
            customers = await store.customers(connection, PERSON, [owner.number])
        return {
            "subscription": _subscription(rules.current(bought)),
            "plan": rules.paid_plan(bought).value,
            "billingStatus": rules.shown_status(bought),
            "stripeCustomerId": customers.get(owner.number),
        }

    async def checkout(self, grant: PersonGrant, price_id: str, urls: tuple[str, str]) -> dict[str, str]:
        """Where the caller buys a plan."""
        self._check_returns(successUrl=urls[0], cancelUrl=urls[1])
        seller = self._on()
        owner = Owner(PERSON, grant.actor.github_user_id)
        return await self._checkout(seller, owner, grant.actor.login, (price_id, _PEOPLE), urls)

    async def portal(self, grant: PersonGrant, return_url: str) -> dict[str, str]:
        """Where the caller manages what was bought. Raises BadRequest for somebody who never bought."""
        self._check_returns(returnUrl=return_url)
        return await self._portal(self._on(), Owner(PERSON, grant.actor.github_user_id), return_url)

    # organisations -----------------------------------------------------------------------------------------------

    async def of_organization(self, grant: OrgGrant) -> dict[str, Any]:
        """What an organisation has, and what plans cost; without prices while Stripe does not answer."""
        seller, number = self._on_for_organizations(), grant.organization.github_org_id
        async with self._database.read() as connection:
            plan = (await self._plans.of_organizations(connection, [number]))[number]
            bought = await store.subscriptions(connection, Owner(ORGANIZATION, number))
        try:
            known = await seller.prices(rules.LOOKUP_KEYS)
        except StripeUnknown:
            known = {}
        return {
            "plan": plan.plan.value,
            "effectivePlan": plan.effective.value,
            "billingStatus": rules.shown_status(bought) if bought else None,
            "stripeCustomerId": plan.customer_id if grant.role == "owner" else None,
            "subscription": _subscription(rules.current(bought)),
            "trial": trial_info(plan.trial, now()) | {"trialDurationDays": TRIAL_DAYS},
            "prices": _price_table(known, _TEAMS),
        }

    async def checkout_organization(self, grant: OrgGrant, price_id: str, urls: tuple[str, str]) -> dict[str, str]:
        """Where an owner buys a plan for the organisation."""
        self._check_returns(successUrl=urls[0], cancelUrl=urls[1])
        seller = self._on_for_organizations()
        owner = Owner(ORGANIZATION, grant.organization.github_org_id)
        return await self._checkout(seller, owner, grant.organization.login, (price_id, _TEAMS), urls)

    async def portal_organization(self, grant: OrgGrant, return_url: str) -> dict[str, str]:
        """Where an owner manages what was bought."""
        self._check_returns(returnUrl=return_url)
        seller = self._on_for_organizations()
        return await self._portal(seller, Owner(ORGANIZATION, grant.organization.github_org_id), return_url)

    async def trial(self, grant: OrgGrant) -> dict[str, Any]:
        """How the trial stands."""
        plan, number = UNLIMITED, grant.organization.github_org_id
        if self._seller is not None:
            async with self._database.read() as connection:
                plan = (await self._plans.of_organizations(connection, [number]))[number]
        return trial_info(plan.trial, now()) | {"trialDurationDays": TRIAL_DAYS}

    async def start_trial(self, grant: OrgGrant) -> dict[str, Any]:
        """Begins the one trial of an organisation. Raises BadRequest for one that pays, or had it."""
        self._on_for_organizations()
        number, moment = grant.organization.github_org_id, now()
        ends_at = moment + timedelta(days=TRIAL_DAYS)
        async with self._database.transaction() as connection:
            await store.lock_owner(connection, Owner(ORGANIZATION, number))
            plan = (await self._plans.of_organizations(connection, [number]))[number]
            if plan.plan is not Plan.FREE:
                raise BadRequest("The organization has a paid plan.")
            if not await store.start_trial(connection, number, grant.actor.user_id, moment, ends_at):
                raise BadRequest("The organization has had its trial.")
            details = {"organization": grant.organization.login, "githubOrgId": number, "endsAt": iso(ends_at)}
            event = Event(Action.ORG_TRIAL_STARTED, grant.actor, grant.origin, details=details)
            await audit.record(connection, event)
            if grant.actor.user_id is not None:
                fields = {"organization": grant.organization.login, "ends_at": iso(ends_at)}
                await notify.send(connection, "trial_started", grant.actor.user_id, **fields)
        message = f"Trial started: {TRIAL_DAYS} days of the business plan for {grant.organization.login}"
        return {"message": message, "trial": trial_info(Trial(moment, ends_at), moment)}

    # both --------------------------------------------------------------------------------------------------------

    async def _checkout(
        self, seller: Seller, owner: Owner, label: str, wanted: tuple[str, tuple[Plan, ...]], urls: tuple[str, str]
    ) -> dict[str, str]:
        async with self._database.read() as connection:
            bought = await store.subscriptions(connection, owner)
        if rules.current(bought) is not None:
            raise BadRequest("There is a subscription already; change it on the billing portal.")
        price_id, plans = wanted
        offered = await _asked(seller.prices(rules.LOOKUP_KEYS, to_buy=True))
        if not any(one.id == price_id and rules.plan_of(key) in plans for key, one in offered.items()):
            raise BadRequest("There is no such price.")
        customer = await self._customer(seller, owner, label)
        call = seller.checkout(customer, price_id, owner.metadata, success_url=urls[0], cancel_url=urls[1])
        return {"url": await _asked(call)}

    async def _customer(self, seller: Seller, owner: Owner, label: str) -> str:
        """The owner's customer at Stripe. Two requests at once get the same one: Stripe is told what makes it one."""
        async with self._database.read() as connection:
            known = (await store.customers(connection, owner.kind, [owner.number])).get(owner.number)
        if known is not None:
            return known
        once = f"keyway-customer-{owner.kind}-{owner.number}"
        made = await _asked(seller.create_customer(label, owner.metadata, once=once))
        async with self._database.read() as connection:
            await store.put_customer(connection, owner, made)
        return made

    async def _portal(self, seller: Seller, owner: Owner, return_url: str) -> dict[str, str]:
        async with self._database.read() as connection:
            customer = (await store.customers(connection, owner.kind, [owner.number])).get(owner.number)
        if customer is None:
            raise BadRequest("Nothing was bought yet.")
        return {"url": await _asked(seller.portal(customer, return_url))}

    def _check_returns(self, **urls: str) -> None:
        """After a visit at Stripe a browser comes back to the dashboard and nowhere else."""
        for field, url in urls.items():
            if not rules.is_allowed_return(url, self._origins):
                raise errors.foreign_return(field)

    def _on(self) -> Seller:
        if self._seller is None:
            raise errors.off()
        return self._seller

    def _on_for_organizations(self) -> Seller:
        if self._seller is None:
            raise errors.off_for_organizations()
        return self._seller


async def _asked(question: Awaitable[Answer]) -> Answer:
    """Stripe's answer. Raises Unavailable when there is none, BadRequest when it says that this cannot be."""
    try:
        return await question
    except StripeUnknown as error:
        raise errors.unavailable() from error
    except StripeRefused as error:
        raise BadRequest("Stripe refuses this.") from error


def _price_table(known: Mapping[str, Price], plans: tuple[Plan, ...]) -> dict[str, Any]:
    return {
        plan.value: {name: _price(known.get(f"{plan}_{period}_eur")) for period, name in rules.PERIODS.items()}
        for plan in plans
    }


def _price(price: Price | None) -> dict[str, Any] | None:
    if price is None:
        return None
    return {"id": price.id, "price": price.amount, "currency": price.currency, "interval": price.interval}


def _subscription(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "id": row["id"],
        "status": row["status"],
        "currentPeriodEnd": iso(row["current_period_end"]) if row["current_period_end"] else None,
        "cancelAtPeriodEnd": row["cancel_at_period_end"],
    }
