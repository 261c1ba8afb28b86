"""How integrations end badly."""

from __future__ import annotations

from keyway_backend.clients.providers import NoSuchTarget, ProviderFailed, ProviderSilent
from keyway_backend.platform.errors import (
    BadRequest,
    FieldError,
    Forbidden,
    NotFound,
    Problem,
    Unavailable,
    ValidationFailed,
)


def unknown_provider() -> NotFound:
    """A name that no provider has."""
    return NotFound("Unknown provider")


def not_configured(display_name: str) -> BadRequest:
    """A provider whose variables are empty on this server."""
    return BadRequest(f"{display_name} is not configured on this server.")


def no_connection() -> NotFound:
    """Foreign or missing."""
    return NotFound("Connection not found")


def no_environment_in_query() -> NotFound:
    """An environment that the vault has not, named by a query."""
    return NotFound("Environment not found")


def no_environment_in_body() -> BadRequest:
    """The same, named by a body."""
    return BadRequest("The environment does not exist in this vault.")


def admin_only(target: str) -> Forbidden:
    """The target is more protected than the source."""
    return Forbidden(f"Only repository admins may sync into an environment as protected as {target}.")


def wrong_redirect() -> Forbidden:
    """A place to return to that is not on the list."""
    return Forbidden("The redirect_uri is not in the allowed origins list.")


def bad_token(sentence: str) -> BadRequest:
    """A provider did not accept a pasted token."""
    return BadRequest(sentence)


def not_with_a_token(display_name: str) -> BadRequest:
    """A provider that is connected in the browser."""
    return BadRequest(f"{display_name} is connected in the browser, not with a token.")


def not_answered(failed: ProviderFailed) -> Problem:
    """A provider did not answer a question whose answer was wanted: because it was not there, because it has no such
    project, or because it takes the connection's token no more, which no second attempt mends."""
    match failed:
        case NoSuchTarget():
            return NotFound(str(failed))
        case ProviderSilent():
            return Unavailable(str(failed))
    return BadRequest(str(failed))


def invalid(field: str, message: str) -> ValidationFailed:
    """A parameter of the wrong form."""
    return ValidationFailed("Invalid request data", errors=[FieldError(field, message)])
