"""What the replays share: installations that the public clients work with, and people on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from keyway_standalone.processes import Stack
from stack import running_stack

from tests.standins.providers import Providers, providers
from tests.standins.stripe import KEY, SECRET, Stripe, running_stripe


@dataclass
class Market:
    """An installation with everything on: plans sold, providers configured, cookies of the parent domain."""

    stack: Stack
    stripe: Stripe
    there: Providers


@pytest.fixture(scope="session")
def board() -> Iterator[Stack]:
    """For the public dashboard: its cookies, and nothing sold. One per worker: a start costs seconds."""
    with running_stack(backend_env={"SESSION_COOKIE_DOMAIN": "127.0.0.1"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def market() -> Iterator[Market]:
    """One per worker."""
    with running_stripe() as stripe, providers() as there:
        on = {
            "BILLING_ENABLED": "true",
            "STRIPE_SECRET_KEY": KEY,
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": stripe.url,
            "SESSION_COOKIE_DOMAIN": "127.0.0.1",
        }
        with running_stack(backend_env=on | there.environment()) as stack:
            yield Market(stack, stripe, there)
