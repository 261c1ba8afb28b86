"""How requests about revisions end badly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from keyway_backend.features.revisions.rules import WrongBodyError
from keyway_backend.platform.errors import BadRequest, Conflict, FieldError, NotFound, ValidationFailed

_SHOWN = 100


@contextmanager
def of_body() -> Iterator[None]:
    """Turns a wrong body into the answer that names the field."""
    try:
        yield
    except WrongBodyError as error:
        raise ValidationFailed("Invalid request data", errors=[FieldError(error.field, error.message)]) from None


def no_environment() -> NotFound:
    """Foreign or missing, in a path or a query."""
    return NotFound("Environment not found")


def no_target() -> BadRequest:
    """The environment of the body; those who hear this may write to one of its kind."""
    return ValidationFailed("Invalid request data", errors=[FieldError("target", "The vault has no such environment.")])


def no_revision() -> NotFound:
    """Of another environment, or missing."""
    return NotFound("Revision not found")


def no_secret() -> NotFound:
    """Of another vault, deleted or missing."""
    return NotFound("Secret not found")


def no_such_keys(keys: Sequence[str]) -> ValidationFailed:
    """Keys that the source does not hold, told to somebody who may read it."""
    faults = [FieldError(f"keys.{key[:256]}", "The source has no such key.") for key in keys[:_SHOWN]]
    return ValidationFailed("Invalid request data", errors=faults)


def purged(keys: Sequence[str]) -> Conflict:
    """Values that are gone for good. `keys` is empty for those who may not read the environment."""
    return Conflict(
        "Values of that revision were purged and cannot come back. Nothing was changed. "
        'Send {"skipPurged": true} to roll back everything else and leave these keys as they are.',
        extra={"purgedKeys": list(keys)} if keys else None,
    )
