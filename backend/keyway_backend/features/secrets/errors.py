"""How pushes and pulls end badly, as problems of the wire (policy.yaml `statuses`, `limits.secrets.over`)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from keyway_core.limits import PLAINTEXT_BYTES_PER_ENVIRONMENT

from keyway_backend.features.secrets.rules import Fault
from keyway_backend.platform.errors import BadRequest, Conflict, FieldError, NotFound, TooLarge, ValidationFailed


def invalid(faults: Sequence[Fault]) -> ValidationFailed:
    """Fields that cannot be stored. Names keys, never values."""
    return ValidationFailed("Invalid request data", errors=[FieldError(fault.field, fault.message) for fault in faults])


def invalid_header(name: str, message: str) -> ValidationFailed:
    """A header of the wrong form."""
    return ValidationFailed("Invalid request data", errors=[FieldError(name, message)])


def over_limit() -> TooLarge:
    """More plaintext than an environment may hold."""
    return TooLarge(
        f"The environment would hold more than {PLAINTEXT_BYTES_PER_ENVIRONMENT} bytes of values. "
        "Nothing was changed; store large files elsewhere and keep their address here."
    )


def no_secrets(environment: str, revision: tuple[UUID, int] | None = None) -> NotFound:
    """An environment that is empty, or missing; only the former has a revision, which a first push can insist on."""
    extra = {"currentRevision": {"id": str(revision[0]), "number": revision[1]}} if revision else None
    return NotFound(f"No secrets found for environment: {environment}", extra=extra)


def no_such_key(key: str, environment: str) -> NotFound:
    """The environment has no such key, or there is no such environment."""
    return NotFound(f"No secret {key} in environment: {environment}")


def missing_environment(asked: str, available: Sequence[str]) -> BadRequest:
    """A push to an environment that nobody made."""
    names = ", ".join(available) or "none"
    return BadRequest(f"Environment {asked!r} does not exist in this vault. Available: {names}")


def moved(revision_id: UUID, number: int) -> Conflict:
    """Somebody changed the environment after the caller had read it."""
    return Conflict(
        f"The environment is at revision {number} now, which is not the one that you started from. "
        "Nothing was changed. Pull, look at the difference, and push again.",
        extra={"currentRevision": {"id": str(revision_id), "number": number}},
    )


def busy() -> Conflict:
    """Others changed the environment faster than this push could follow."""
    return Conflict("The environment kept changing while this push was made. Nothing was changed; push again.")


def replace_needs_revision() -> BadRequest:
    """Replacing what one has not seen deletes what others made."""
    return BadRequest(
        'Mode "replace" deletes every key that is not sent, so it needs the header If-Match with the revision '
        "that you pulled."
    )


def nothing_to_push() -> BadRequest:
    """An empty push by somebody who never saw the environment."""
    return BadRequest("There is nothing to push: `secrets` is empty. To delete keys, pull first.")


def key_reused() -> Conflict:
    """The Idempotency-Key was used for another push."""
    return Conflict("This Idempotency-Key was used for another push. Use a new one for each push.")
