"""The calls to Stripe that billing makes, through the official library, each bounded in time.

The library's own retries are off: a person waits. While Stripe does not answer, a question that is no purchase is not
asked again for half a minute, so that a dead Stripe costs one person some seconds and nobody else anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

import stripe
from keyway_core.sensitive import Sensitive
from pydantic import BaseModel, ValidationError

from keyway_backend.clients.stripe.answers import Price, StripeEvent, Subscription
from keyway_backend.clients.stripe.errors import BadSignature, StripeRefused, StripeUnknown

_CALL_SECONDS: Final = 4.0
_PRICES_SECONDS: Final = 600.0
_DOWN_SECONDS: Final = 30.0
_TOLERANCE_SECONDS: Final = 300

Answer = TypeVar("Answer")
Parsed = TypeVar("Parsed", bound=BaseModel)


class Stripe:
    """One account at Stripe."""

    def __init__(self, secret_key: Sensitive, webhook_secret: Sensitive, *, api_base: str) -> None:
        stripe.enable_telemetry = False
        self._webhook_secret = webhook_secret
        self._http = stripe.HTTPXClient(timeout=_CALL_SECONDS)
        self._client = stripe.StripeClient(
            secret_key.reveal(),
            base_addresses={"api": api_base},
            http_client=self._http,
            max_network_retries=0,
        )
        self._prices: tuple[float, dict[str, Price]] = (0.0, {})
        self._down_until = 0.0

    async def close(self) -> None:
        """Closes the kept connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def prices(self, lookup_keys: tuple[str, ...], *, to_buy: bool = False) -> dict[str, Price]:
        """Prices by look-up key, believed for ten minutes; `to_buy` also asks a Stripe that was silent just now.

        Raises StripeUnknown.
        """
        until, known = self._prices
        if until > time.monotonic():
            return known
        if not to_buy and self._down_until > time.monotonic():
            raise StripeUnknown("prices: did not answer just now")
        asked = {"lookup_keys": list(lookup_keys), "active": True, "limit": 100}
        told = await self._answer("prices", self._client.v1.prices.list_async(asked))  # type: ignore[arg-type]
        found = [_parsed("prices", Price, one.to_dict()) for one in told.data]
        known = {one.lookup_key: one for one in found if one.lookup_key}
        self._prices = (time.monotonic() + _PRICES_SECONDS, known)
        return known

    async def subscription(self, subscription_id: str) -> Subscription | None:
        """A subscription as it is now. Raises StripeUnknown."""
        try:
            told = await self._answer("subscription", self._client.v1.subscriptions.retrieve_async(subscription_id))
        except StripeRefused:
            return None
        return _parsed("subscription", Subscription, told.to_dict())

    async def create_customer(self, name: str, metadata: Mapping[str, str], *, once: str) -> str:
        """A customer's id; the same one for the same `once`. Raises StripeUnknown, StripeRefused."""
        fields: Any = {"name": name, "metadata": dict(metadata)}
        call = self._client.v1.customers.create_async(fields, {"idempotency_key": once})
        return str((await self._answer("customer", call)).id)

    async def checkout(
        self, customer_id: str, price_id: str, metadata: Mapping[str, str], *, success_url: str, cancel_url: str
    ) -> str:
        """The address of a page on which a subscription is bought. Raises StripeUnknown, StripeRefused."""
        fields: Any = {
            "mode": "subscription",
            "customer": customer_id,
            "line_items": [{"price": price_id, "quantity": 1}],
            "success_url": success_url,
            "cancel_url": cancel_url,
            "metadata": dict(metadata),
            "subscription_data": {"metadata": dict(metadata)},
        }
        told = await self._answer("checkout", self._client.v1.checkout.sessions.create_async(fields))
        return _address("checkout", told.url)

    async def portal(self, customer_id: str, return_url: str) -> str:
        """The address of a page on which a customer manages what was bought. Raises StripeUnknown, StripeRefused."""
        fields: Any = {"customer": customer_id, "return_url": return_url}
        told = await self._answer("portal", self._client.v1.billing_portal.sessions.create_async(fields))
        return _address("portal", told.url)

    def verified(self, payload: bytes, signature: str) -> StripeEvent:
        """A delivery, if Stripe signed it. Raises BadSignature."""
        try:
            event = self._client.construct_event(payload, signature, self._webhook_secret.reveal(), _TOLERANCE_SECONDS)
            return StripeEvent.model_validate(event.to_dict())
        except (stripe.SignatureVerificationError, ValueError, AttributeError, TypeError):
            raise BadSignature("not signed by Stripe with our secret") from None

    async def _answer(self, call: str, question: Awaitable[Answer]) -> Answer:
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                told = await question
        except stripe.InvalidRequestError as error:
            raise StripeRefused(f"{call}: {error.code or 'refused'}") from None
        except (stripe.StripeError, TimeoutError) as error:
            self._down_until = time.monotonic() + _DOWN_SECONDS
            raise StripeUnknown(f"{call}: {type(error).__name__}") from None
        self._down_until = 0.0
        return told


def _parsed(call: str, shape: type[Parsed], told: Any) -> Parsed:
    try:
        return shape.model_validate(told)
    except ValidationError:
        raise StripeUnknown(f"{call}: unexpected body") from None


def _address(call: str, url: str | None) -> str:
    if not url:
        raise StripeUnknown(f"{call}: no address")
    return url
