"""What billing needs of Stripe, so that its library is loaded only where billing is on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from keyway_backend.clients.stripe import Price, StripeEvent, Subscription


class Seller(Protocol):
    """`clients.stripe.client.Stripe`."""

    async def prices(self, lookup_keys: tuple[str, ...], *, to_buy: bool = False) -> dict[str, Price]:
        """Prices by look-up key; `to_buy` asks a Stripe that was silent just now all the same."""

    async def subscription(self, subscription_id: str) -> Subscription | None:
        """A subscription as it is now."""

    async def create_customer(self, name: str, metadata: Mapping[str, str], *, once: str) -> str:
        """A customer's id."""

    async def checkout(
        self, customer_id: str, price_id: str, metadata: Mapping[str, str], *, success_url: str, cancel_url: str
    ) -> str:
        """Where a subscription is bought."""

    async def portal(self, customer_id: str, return_url: str) -> str:
        """Where a customer manages what was bought."""

    def verified(self, payload: bytes, signature: str) -> StripeEvent:
        """A delivery, if it is Stripe's."""
