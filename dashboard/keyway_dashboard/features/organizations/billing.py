"""What an organisation pays, where this Keyway sells plans. Nothing is paid here: the seller's own pages do that."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel
from starlette.responses import Response

from keyway_dashboard.backend import Invalid, Missing, path
from keyway_dashboard.features.organizations.models import Details, Trial
from keyway_dashboard.visits import Visit, get, post

_PAGE: Final = "/organizations/{org}/billing"


class OwnSubscription(BaseModel):
    """What a person has. `stripeCustomerId` is not there while billing is off."""

    plan: str
    stripeCustomerId: str | None = None  # noqa: N815


class Subscription(BaseModel):
    """What was bought."""

    status: str
    currentPeriodEnd: str | None  # noqa: N815
    cancelAtPeriodEnd: bool  # noqa: N815


class Price(BaseModel):
    """What a plan costs, in the currency's smallest unit."""

    id: str
    price: int | None
    currency: str

    @property
    def text(self) -> str:
        """As people write it."""
        return f"{(self.price or 0) / 100:.2f} {self.currency.upper()}"


class Prices(BaseModel):
    """Of one plan."""

    monthly: Price | None
    yearly: Price | None


class Table(BaseModel):
    """Of the plans for organisations."""

    team: Prices
    business: Prices


class Billing(BaseModel):
    """What an organisation has, and what plans cost."""

    plan: str
    effectivePlan: str  # noqa: N815
    billingStatus: str | None  # noqa: N815
    subscription: Subscription | None
    trial: Trial
    prices: Table

    @property
    def offers(self) -> list[tuple[str, str, Price]]:
        """Plan, how often it is paid, and its price."""
        return [
            (plan, often, price)
            for plan, prices in (("team", self.prices.team), ("business", self.prices.business))
            for often, price in (("month", prices.monthly), ("year", prices.yearly))
            if price is not None
        ]


class Address(BaseModel):
    """Where the seller goes on."""

    url: str


async def is_sold(visit: Visit) -> bool:
    """Whether this Keyway sells plans at all."""
    told = await visit.api.get(path("billing", "subscription"), OwnSubscription)
    return "stripeCustomerId" in told.model_fields_set


async def show(visit: Visit) -> Response:
    """The plan, its trial, and what could be bought. Where nothing is sold there is no such page."""
    if not await is_sold(visit):
        raise Missing(404, "", slug="not-found")
    organization, sold = await asyncio.gather(
        visit.api.get(path("orgs", visit.step("org")), Details),
        visit.api.get(path("orgs", visit.step("org"), "billing"), Billing),
    )
    return visit.page("organizations/billing", organization=organization, billing=sold, sold=True)


async def buy(visit: Visit) -> Response:
    """To the seller's page for a price. Our policy lets no form lead elsewhere, so that a link does."""
    price = str((await visit.form()).get("price", ""))
    back = {"successUrl": _back(visit), "cancelUrl": _back(visit)}
    return await _onward(visit, "checkout", {"priceId": price, **back})


async def manage(visit: Visit) -> Response:
    """To the seller's page about what was bought."""
    return await _onward(visit, "portal", {"returnUrl": _back(visit)})


async def start_trial(visit: Visit) -> Response:
    """Begins the one trial."""
    try:
        await visit.api.send("POST", path("orgs", visit.step("org"), "trial", "start"))
    except Invalid as error:
        return visit.go(_here(visit), error.detail or "There is no trial to begin.", tone="bad")
    return visit.go(_here(visit), "The trial has begun.")


async def _onward(visit: Visit, what: str, body: dict[str, str]) -> Response:
    try:
        told = await visit.api.post(path("orgs", visit.step("org"), "billing", what), Address, body)
    except Invalid as error:
        return visit.go(_here(visit), error.detail or "That cannot be bought now.", tone="bad")
    parts = urlsplit(told.url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        return visit.go(_here(visit), "The seller named no page.", tone="bad")
    return visit.page("organizations/onward", url=told.url, host=parts.hostname, back=_here(visit))


def _here(visit: Visit) -> str:
    return f"/organizations/{visit.step('org')}/billing"


def _back(visit: Visit) -> str:
    return f"{visit.services.settings.dashboard_url}{_here(visit)}"


ROUTES = [
    get(_PAGE, show),
    post(f"{_PAGE}/checkout", buy),
    post(f"{_PAGE}/portal", manage),
    post(f"{_PAGE}/trial", start_trial),
]
