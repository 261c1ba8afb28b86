"""Why a call is refused. No message carries a value, a key, or a hint at which part of a ciphertext was wrong."""


class RefusedError(Exception):
    """A call that gets an error instead of an answer. The servicer knows the gRPC status of each kind."""


class InvalidCallError(RefusedError):
    """The call itself is wrong: a context field, a length, a count. Says which."""


class UnknownKeyVersionError(RefusedError):
    """Sealed under a key that this service was not given."""


class IntegrityError(RefusedError):
    """A value or a manifest is not what was sealed for this place. One message, whatever the cause."""

    def __init__(self) -> None:
        super().__init__("does not open here")


class BudgetError(RefusedError):
    """The peer has used its values of this minute; `retry_after` seconds later the same call is admitted."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("value budget used up")
        self.retry_after = retry_after
