"""What billing refuses, and what it answers while it is off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keyway_backend.platform.errors import BadRequest, FieldError, Forbidden, Problem, Unavailable
from keyway_backend.platform.parsing import invalid


class PlanLimitReached(Forbidden):
    """The plan does not go that far (contract.md 1.3)."""

    slug, title = "plan-limit-reached", "Plan Limit Reached"


class BillingOff(Problem):
    """A feature that is switched off: no Retry-After, it will not be there in a while either."""


def plan_limit_reached(text: str, upgrade_url: str, trial: Mapping[str, Any] | None = None) -> PlanLimitReached:
    """With where to upgrade, and whether a trial would help."""
    extra = {"upgradeUrl": upgrade_url} | ({"trialInfo": dict(trial)} if trial is not None else {})
    return PlanLimitReached(text, extra=extra)


def off() -> BillingOff:
    """On the routes of people (policy.yaml `feature_off`)."""
    return BillingOff("Billing is not enabled on this installation; everything is unlimited.")


def off_for_organizations() -> BadRequest:
    """On the routes of organisations (policy.yaml `feature_off`)."""
    return BadRequest("Billing is not enabled on this installation; everything is unlimited.")


def foreign_return(field: str) -> BadRequest:
    """An address that is not on the allow-list."""
    return invalid(FieldError(field, "An address of the dashboard is required."))


def unavailable() -> Unavailable:
    """Stripe cannot be asked."""
    return Unavailable("Stripe cannot answer right now. Nothing was bought and nothing changed; try again.")
