"""Shapes of the wire (contract.md 4.9 and 4.11)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PlanName = Literal["free", "pro", "team", "business"]
Status = Literal["active", "past_due", "canceled", "trialing"]
Url = Annotated[str, Field(strict=True, min_length=1, max_length=2048)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class CheckoutBody(_Body):
    """What to buy, and where the browser goes afterwards."""

    priceId: Annotated[str, Field(strict=True, min_length=1, max_length=200, pattern=r"^[!-~]+$")]  # noqa: N815
    successUrl: Url  # noqa: N815
    cancelUrl: Url  # noqa: N815


class PortalBody(_Body):
    """Where the browser goes afterwards."""

    returnUrl: Url  # noqa: N815


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class Price(BaseModel):
    """What a plan costs, in the currency's smallest unit."""

    id: str
    price: int | None
    currency: str
    interval: str | None


class Prices(BaseModel):
    """Of one plan."""

    monthly: Price | None
    yearly: Price | None


class PriceTable(BaseModel):
    """Of all plans for people."""

    pro: Prices
    team: Prices
    business: Prices


class PriceList(BaseModel):
    """Of all plans for people."""

    prices: PriceTable


class PriceListAnswer(BaseModel):
    """Envelope."""

    data: PriceList
    meta: Meta


class Subscription(BaseModel):
    """What was bought."""

    id: str
    status: str
    currentPeriodEnd: str | None  # noqa: N815
    cancelAtPeriodEnd: bool  # noqa: N815


class OwnSubscription(BaseModel):
    """What the caller has. `stripeCustomerId` is missing while billing is off."""

    subscription: Subscription | None
    plan: PlanName
    billingStatus: Status  # noqa: N815
    stripeCustomerId: str | None = None  # noqa: N815


class OwnSubscriptionAnswer(BaseModel):
    """Envelope."""

    data: OwnSubscription
    meta: Meta


class Address(BaseModel):
    """A page at Stripe."""

    url: str


class AddressAnswer(BaseModel):
    """Envelope."""

    data: Address
    meta: Meta


class Received(BaseModel):
    """A delivery was taken."""

    received: Literal[True]


class Trial(BaseModel):
    """How a trial stands."""

    status: Literal["none", "active", "expired", "converted"]
    startedAt: str | None  # noqa: N815
    endsAt: str | None  # noqa: N815
    convertedAt: str | None  # noqa: N815
    daysRemaining: int | None  # noqa: N815


class TrialWithLength(Trial):
    """And how long trials are."""

    trialDurationDays: int  # noqa: N815


class TrialAnswer(BaseModel):
    """Envelope."""

    data: TrialWithLength
    meta: Meta


class TrialStarted(BaseModel):
    """The trial that runs now."""

    message: str
    trial: Trial


class TrialStartedAnswer(BaseModel):
    """Envelope."""

    data: TrialStarted
    meta: Meta


class TeamPriceTable(BaseModel):
    """Of all plans for organisations."""

    team: Prices
    business: Prices


class OrganizationBilling(BaseModel):
    """What an organisation has, and what plans cost."""

    plan: PlanName
    effectivePlan: PlanName  # noqa: N815
    billingStatus: Status | None  # noqa: N815
    stripeCustomerId: str | None  # noqa: N815
    subscription: Subscription | None
    trial: TrialWithLength
    prices: TeamPriceTable


class OrganizationBillingAnswer(BaseModel):
    """Envelope."""

    data: OrganizationBilling
    meta: Meta
