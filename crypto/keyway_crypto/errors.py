"""Why a call is refused. No message carries a value, a key or a hint at which part of a ciphertext was wrong."""

from __future__ import annotations


class RefusedError(Exception):
    """A call that gets an error instead of an answer."""


class InvalidCallError(RefusedError):
    """The call itself is wrong: a context field, a length, a count. Says which."""


class IntegrityError(RefusedError):
    """A value or a manifest is not what was sealed for this place. One message, whatever the cause."""

    def __init__(self) -> None:
        super().__init__("does not open here")


class UnknownKeyVersionError(RefusedError):
    """Sealed under a key that this service was not given."""

    def __init__(self, version: int) -> None:
        super().__init__(f"key version {version} is not configured")


class CallerError(RefusedError):
    """The peer has no certificate, or one of somebody else."""

    def __init__(self) -> None:
        super().__init__("this certificate is not accepted here")


class BudgetError(RefusedError):
    """The peer has used its values of this minute."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("value budget used up")
        self.retry_after = retry_after
        """Seconds until the same call would be admitted."""
