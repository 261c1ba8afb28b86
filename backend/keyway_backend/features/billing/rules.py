"""Plans and what they allow, without rows (contract.md 2.8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from keyway_backend.features.organizations.rules import Plan

PERSON: Final = "user"
ORGANIZATION: Final = "organization"
ORDER: Final = tuple(Plan)
PERIODS: Final = {"month": "monthly", "year": "yearly"}
LOOKUP_KEYS: Final = tuple(f"{plan}_{period}_eur" for plan in ORDER[1:] for period in PERIODS)
_PAID: Final = frozenset({"active", "trialing", "past_due"})
_SHOWN_STATUS: Final = {"active": "active", "trialing": "trialing", "past_due": "past_due", "unpaid": "past_due"}
_MAX_URL: Final = 2_048


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a plan allows; None is without limit."""

    private_repos: int | None
    providers: int | None = None
    environments: int | None = None


LIMITS: Final = {
    Plan.FREE: Limits(1, 2, 3),
    Plan.PRO: Limits(10),
    Plan.TEAM: Limits(20),
    Plan.BUSINESS: Limits(50),
}
# An organisation has no private vault for nothing: it has a trial, once.
FREE_ORGANIZATION: Final = Limits(0, 2, 3)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who pays: a person or an organisation, by GitHub's number."""

    kind: str
    number: int

    @property
    def metadata(self) -> dict[str, str]:
        """How Stripe's objects name it."""
        return {_METADATA[self.kind]: str(self.number)}


_METADATA: Final = {PERSON: "keyway_user_id", ORGANIZATION: "keyway_org_id"}


def owner_of(metadata: Mapping[str, str]) -> Owner | None:
    """Whom an object of Stripe's is for; None for one that is not ours."""
    for kind, name in _METADATA.items():
        text = metadata.get(name, "")
        if text.isdecimal() and len(text) <= 18:
            return Owner(kind, int(text))
    return None


def limits_of(kind: str, plan: Plan) -> Limits:
    """What a plan allows its owner."""
    return FREE_ORGANIZATION if kind == ORGANIZATION and plan is Plan.FREE else LIMITS[plan]


def plan_of(lookup_key: str | None) -> Plan | None:
    """The plan that a price is of."""
    return Plan(lookup_key.split("_")[0]) if lookup_key in LOOKUP_KEYS else None


def paid_plan(subscriptions: Iterable[Mapping[str, Any]]) -> Plan:
    """The highest of the plans that are paid for now."""
    held = [Plan(one["plan"]) for one in subscriptions if one["status"] in _PAID]
    return max(held, key=ORDER.index, default=Plan.FREE)


def current(subscriptions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The subscription that counts: a paid one of the highest plan."""
    paid = [one for one in subscriptions if one["status"] in _PAID]
    return max(paid, key=lambda one: ORDER.index(Plan(one["plan"])), default=None)


def shown_status(subscriptions: Sequence[Mapping[str, Any]]) -> str:
    """As the wire has it: active, past_due, canceled or trialing."""
    one = current(subscriptions)
    if one is not None:
        return _SHOWN_STATUS[one["status"]]
    if any(one["status"] == "unpaid" for one in subscriptions):
        return "past_due"
    return "canceled" if subscriptions else "active"


def is_allowed_return(url: str, origins: Iterable[str]) -> bool:
    """Whether a browser may be sent to this address after a visit at Stripe: exactly one of these origins."""
    if len(url) > _MAX_URL or not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return False
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            return False
    except ValueError:
        return False
    return f"{parts.scheme}://{parts.netloc}" in {origin.rstrip("/") for origin in origins}
