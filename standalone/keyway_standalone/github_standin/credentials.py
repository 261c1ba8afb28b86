"""Who calls: the App by its JWT, an installation, or a person. Wrong credentials get GitHub's own refusals."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from typing import Final

import jwt
from starlette.requests import Request

from .context import ApiError, Github, github_of
from .grants import Token
from .world import Installation, Repo, User, covers

_MAX_JWT_SECONDS: Final = 600
_SKEW_SECONDS: Final = 5
NOT_ACCESSIBLE: Final = "Resource not accessible by integration"


def app(request: Request) -> None:
    """Insists on a JWT that our App signed, issued in the past, valid for at most ten minutes from now."""
    settings = github_of(request).settings
    try:
        claims = jwt.decode(
            _bearer(request),
            settings.app_public_key,
            algorithms=["RS256"],
            options={"require": ["exp", "iat", "iss"], "verify_iss": False},
        )
    except jwt.ExpiredSignatureError:
        raise ApiError(401, "'Expiration time' claim ('exp') is in the past") from None
    except jwt.ImmatureSignatureError:
        raise ApiError(401, "'Issued at' claim ('iat') must be an Integer representing a time in the past") from None
    except jwt.PyJWTError:
        raise ApiError(401, "A JSON web token could not be decoded") from None
    if str(claims["iss"]) not in {str(settings.app_id), settings.client_id}:
        raise ApiError(404, "Integration not found")
    if claims["exp"] > time.time() + _MAX_JWT_SECONDS + _SKEW_SECONDS:
        raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")


def person(request: Request) -> User:
    """Insists on a live token of a person."""
    token = _token(request)
    if not token.user_id:
        raise ApiError(403, NOT_ACCESSIBLE)
    return github_of(request).world.users[token.user_id]


def installation(request: Request, permission: str = "metadata") -> tuple[Installation, Token]:
    """Insists on a live installation token of an active installation that was granted `permission`."""
    token = _token(request)
    if not token.installation_id:
        raise ApiError(403, NOT_ACCESSIBLE)
    found = github_of(request).world.installations.get(token.installation_id)
    if found is None:
        raise ApiError(401, "Bad credentials")
    if found.suspended:
        raise ApiError(403, "This installation has been suspended")
    if permission not in found.permissions or permission not in token.permissions:
        raise ApiError(403, NOT_ACCESSIBLE)
    return found, token


def person_on(request: Request, account_id: int, permission: str) -> User:
    """A person whose App token may use `permission` of the installation on an account."""
    user, found = person(request), github_of(request).world.installed_on(account_id)
    if _token(request).ours and (found is None or permission not in found.permissions):
        raise ApiError(403, NOT_ACCESSIBLE)
    return user


def person_letting(request: Request, permission: str) -> User:
    """A person whose App token may use a `permission` on the person's own account."""
    user = person(request)
    if _token(request).ours and permission not in github_of(request).world.of_accounts:
        raise ApiError(403, NOT_ACCESSIBLE)
    return user


def visible(request: Request, repo: Repo) -> None:
    """Insists that the caller's installation token covers a repository; one that it does not cover is not there."""
    found, token = installation(request)
    if not covers(found, repo) or (token.repo_ids is not None and repo.id not in token.repo_ids):
        raise ApiError(404, "Not Found")


def basic(request: Request) -> bool:
    """Whether the caller shows our App's client id and secret."""
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(text, validate=True).decode() if kind.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return False
    settings = github_of(request).settings
    return same(given, f"{settings.client_id}:{settings.client_secret}")


def same(given: str, wanted: str) -> bool:
    """Comparison that takes as long for a near miss as for a far one."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _token(request: Request) -> Token:
    github: Github = github_of(request)
    token = github.grants.find(_bearer(request))
    if token is None or token.kind == "ghr":
        raise ApiError(401, "Bad credentials")
    return token


def _bearer(request: Request) -> str:
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    if not text:
        raise ApiError(401, "Requires authentication")
    if kind.lower() not in {"bearer", "token"}:
        raise ApiError(401, "Bad credentials")
    return text.strip()
