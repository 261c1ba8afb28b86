"""Stripe, through its official library. `client` imports that library, so import it only where billing is on."""

from keyway_backend.clients.stripe.answers import Period, Price, StripeEvent, Subscription
from keyway_backend.clients.stripe.errors import BadSignature, StripeRefused, StripeUnknown

__all__ = ["BadSignature", "Period", "Price", "StripeEvent", "StripeRefused", "StripeUnknown", "Subscription"]
