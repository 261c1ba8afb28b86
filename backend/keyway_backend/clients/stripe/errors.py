"""What Stripe can answer besides an answer."""

from __future__ import annotations


class StripeUnknown(Exception):
    """It did not answer, or not understandably. The text names the call and the kind of fault, never a key."""


class StripeRefused(Exception):
    """It says that the request makes no sense: a price, a customer or a subscription that is not there."""


class BadSignature(ValueError):
    """A delivery that Stripe did not sign with our secret, or signed too long ago."""
