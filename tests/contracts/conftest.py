"""Installations that the public clients and the contract are tested against, beside that with production defaults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from keyway_standalone.processes import Stack
from stack import running_stack

from tests.contracts.scene import Market, Scene, set_up
from tests.standins.providers import providers
from tests.standins.stripe import KEY, SECRET, running_stripe


@pytest.fixture(scope="session")
def market() -> Iterator[Market]:
    """One per worker: a start costs seconds."""
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


@pytest.fixture(scope="session")
def scene(market: Market, stack: Stack) -> Scene:
    """Where the contract is played."""
    return set_up(market, stack)
