"""Reading a request's credential (policy.yaml `credentials.transport`). Shapes only; the database has the last word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyway_core.sensitive import Sensitive
from starlette.requests import Request

from keyway_backend.access.sessions import InvalidSession, Session, SessionTokens
from keyway_backend.platform.errors import Unauthorized

_OURS: Final = ("kw_", "kwci_")
_GITHUB: Final = ("github_pat_", "ghp_", "gho_", "ghu_")
_MAX_CHARACTERS: Final = 4096


@dataclass(frozen=True, slots=True)
class GitHubToken:
    """A token that GitHub must be asked about. `issued_to_us`: it counts only when it was issued to our App."""

    token: Sensitive
    issued_to_us: bool


Credential = Session | GitHubToken


def missing() -> Unauthorized:
    """No credential at all."""
    return Unauthorized("Authentication required")


def invalid() -> Unauthorized:
    """One body for malformed, unknown, expired and revoked."""
    return Unauthorized("Invalid or expired token")


class Credentials:
    """Tells kinds of credentials apart by their prefix, and never sends a string on that is not GitHub's."""

    def __init__(self, sessions: SessionTokens, *, accept_github_tokens: bool) -> None:
        self._sessions = sessions
        self._accept_github_tokens = accept_github_tokens

    def of(self, request: Request) -> Credential:
        """The credential of a request. Raises Unauthorized."""
        token = _bearer(request)
        if token.startswith(_OURS):
            raise invalid()
        if token.startswith(_GITHUB):
            if not self._accept_github_tokens:
                raise invalid()
            return GitHubToken(Sensitive(token), issued_to_us=token.startswith(("gho_", "ghu_")))
        try:
            return self._sessions.verify(token)
        except InvalidSession:
            raise invalid() from None


def _bearer(request: Request) -> str:
    found: list[bytes] = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if not found:
        raise missing()
    scheme, _, token = found[0].decode("latin-1").partition(" ")
    token = token.strip(" ")
    if len(found) > 1 or scheme.lower() != "bearer" or not token or len(token) > _MAX_CHARACTERS or not token.isascii():
        raise invalid()
    return token
