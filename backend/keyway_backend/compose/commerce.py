"""Plans and trials: with billing off nothing of Stripe is loaded, and everything is unlimited."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter
from keyway_core.sensitive import Sensitive

from keyway_backend.db.engine import Database
from keyway_backend.features.billing import routes as billing_routes
from keyway_backend.features.billing.deliveries import EVENT_JOB, SWEEP_JOB, TRIALS_JOB, Deliveries
from keyway_backend.features.billing.plans import Plans
from keyway_backend.features.billing.seller import Seller
from keyway_backend.features.billing.service import Billing
from keyway_backend.features.organizations.hooks import OrganizationPlans, UnlimitedOrganizations
from keyway_backend.jobs import Jobs
from keyway_backend.platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Commerce:
    """The services of billing. `plans` is None while it is off."""

    plans: Plans | None
    billing: Billing
    deliveries: Deliveries

    @classmethod
    def of(cls, settings: Settings, database: Database, opened: AsyncExitStack) -> Self:
        """All of them."""
        plans = Plans(database, upgrade_url=f"{settings.dashboard_url}/upgrade")
        seller = _stripe(settings, opened) if settings.billing_enabled else None
        origins = (settings.dashboard_url, *settings.allowed_origins)
        billing = Billing(database, plans, seller, return_origins=origins)
        return cls(plans if seller is not None else None, billing, Deliveries(database, seller))

    @property
    def of_organizations(self) -> OrganizationPlans:
        """What organisations pay for."""
        return self.plans or UnlimitedOrganizations()

    def routers(self) -> tuple[APIRouter, ...]:
        """Their routes."""
        return billing_routes.routers(self.billing, self.deliveries)

    def register(self, jobs: Jobs) -> None:
        """Their background work; while billing is off there is none."""
        if self.plans is None:
            return
        jobs.task(EVENT_JOB, self.deliveries.retry, lane="stripe")
        jobs.every("*/10 * * * *", TRIALS_JOB, self.deliveries.expire_trials)
        jobs.every("17 * * * *", SWEEP_JOB, self.deliveries.sweep, lane="stripe")


def _stripe(settings: Settings, opened: AsyncExitStack) -> Seller:
    from keyway_backend.clients.stripe.client import Stripe  # noqa: PLC0415 - the library is large, and optional

    made = Stripe(
        Sensitive(settings.stripe_secret_key.get_secret_value()),
        Sensitive(settings.stripe_webhook_secret.get_secret_value()),
        api_base=settings.stripe_api_base,
    )
    opened.push_async_callback(made.close)
    return made
