"""Every way a request ends badly, and the status that it ends with (policy.yaml `statuses`, contract.md 1.3).

    Problem
    ├── BadRequest            400 bad-request
    │   └── ValidationFailed  400 validation-error      names fields, never their content
    ├── Unauthorized          401 unauthorized          the public CLI deletes its login on this one
    ├── Forbidden             403 forbidden
    ├── NotFound              404 not-found
    ├── MethodNotAllowed      405 method-not-allowed
    ├── Conflict              409 conflict
    ├── TooLarge              413 payload-too-large
    ├── UnsupportedMediaType  415 unsupported-media-type
    ├── TooManyRequests       429 rate-limited          over a limit of policy.yaml `limits.rate`
    ├── IntegrityFailed       503 integrity-error       stored data does not open, or was tampered with: alarmed
    └── Unavailable           503 service-unavailable   crypto, database or GitHub cannot answer

`detail` is for the person who reads it and says what to do; the cause goes to the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was wrong: its dotted path and the kind of fault. Never what was sent."""

    field: str
    message: str
    code: str = "invalid"


class Problem(Exception):
    """A request that ends with an RFC 7807 body."""

    status: ClassVar[int] = 503
    slug: ClassVar[str] = "service-unavailable"
    title: ClassVar[str] = "Service Unavailable"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


class BadRequest(Problem):
    """The request cannot be understood, or asks for something impossible."""

    status, slug, title = 400, "bad-request", "Bad Request"


class ValidationFailed(BadRequest):
    """Fields of the wrong shape."""

    slug, title = "validation-error", "Validation Error"


class Unauthorized(Problem):
    """The credential is missing, malformed, unknown, expired or revoked; nothing else."""

    status, slug, title = 401, "unauthorized", "Unauthorized"


class Forbidden(Problem):
    """A valid credential that may not."""

    status, slug, title = 403, "forbidden", "Forbidden"


class NotFound(Problem):
    """Foreign or missing: one answer for both."""

    status, slug, title = 404, "not-found", "Not Found"


class MethodNotAllowed(Problem):
    """A known path with another method."""

    status, slug, title = 405, "method-not-allowed", "Method Not Allowed"


class Conflict(Problem):
    """It exists already, or somebody else was first."""

    status, slug, title = 409, "conflict", "Conflict"


class TooLarge(Problem):
    """Over a limit in bytes; the detail names the figure."""

    status, slug, title = 413, "payload-too-large", "Payload Too Large"


class UnsupportedMediaType(Problem):
    """Neither JSON nor a form."""

    status, slug, title = 415, "unsupported-media-type", "Unsupported Media Type"


class TooManyRequests(Problem):
    """Over a rate limit. Says when to come back, and nothing of whether the credential is good."""

    status, slug, title = 429, "rate-limited", "Too Many Requests"

    def __init__(self, retry_after_seconds: int, *, headers: Mapping[str, str]) -> None:
        detail = f"Too many requests. Try again in {retry_after_seconds} s."
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds), **headers})


class Unavailable(Problem):
    """A dependency cannot answer. Says nothing about rights, and grants none."""

    def __init__(self, detail: str, *, retry_after_seconds: int = 5, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)}, extra=extra)


class IntegrityFailed(Unavailable):
    """Stored data does not open where it stands. One message for all causes; log and metrics have the alarm."""

    slug, title = "integrity-error", "Stored Data Failed Its Integrity Check"

    def __init__(self) -> None:
        super().__init__(
            "The stored data of this environment failed its integrity check, so nothing was returned. "
            "Tell the operator of this Keyway: the log names the environment.",
            retry_after_seconds=60,
        )
