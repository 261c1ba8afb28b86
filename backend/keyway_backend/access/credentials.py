"""Reading a request's credential (policy.yaml `credentials.transport`). Shapes only; the database has the last word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyway_core.sensitive import Sensitive
from starlette.requests import Request

from keyway_backend.access import api_keys, ci_tokens
from keyway_backend.access.cookies import SessionCookie, TwoCookies
from keyway_backend.access.sessions import InvalidSession, Session, SessionTokens
from keyway_backend.platform.errors import Unauthorized

_API_KEY: Final = "kw_"
_CI: Final = "kwci_"
_GITHUB: Final = ("github_pat_", "ghp_", "gho_", "ghu_")
_MAX_CHARACTERS: Final = 4096
# A browser is sent there by a redirect, which carries no header; nowhere else is a token looked for in an address.
_TOKEN_IN_QUERY: Final = ("GET", "/v1/integrations/{provider}/authorize")


@dataclass(frozen=True, slots=True)
class GitHubToken:
    """A token that GitHub must be asked about. `issued_to_us`: it counts only when it was issued to our App."""

    token: Sensitive
    issued_to_us: bool


@dataclass(frozen=True, slots=True)
class ApiKeyToken:
    """A well-formed API key."""

    token: Sensitive


@dataclass(frozen=True, slots=True)
class CiToken:
    """A well-formed token of a workflow."""

    token: Sensitive


Credential = Session | GitHubToken | ApiKeyToken | CiToken


@dataclass(frozen=True, slots=True)
class Sent:
    """A credential, and whether a cookie carried it: then a write needs proof of where it came from."""

    credential: Credential
    by_cookie: bool = False


def missing() -> Unauthorized:
    """No credential at all."""
    return Unauthorized("Authentication required")


def invalid() -> Unauthorized:
    """One body for malformed, unknown, expired and revoked."""
    return Unauthorized("Invalid or expired token")


class Credentials:
    """Tells kinds of credentials apart by their prefix, and never sends a string on that is not GitHub's."""

    def __init__(self, sessions: SessionTokens, cookie: SessionCookie, *, accept_github_tokens: bool) -> None:
        self._sessions = sessions
        self._accept_github_tokens = accept_github_tokens
        self.cookie = cookie

    def of(self, request: Request) -> Sent:
        """The credential of a request: header, then cookie, then on one route the query. Raises Unauthorized."""
        bearer = _bearer(request)
        if bearer is not None:
            return Sent(self._dispatch(bearer))
        try:
            content = self.cookie.read(request)
        except TwoCookies:
            raise invalid() from None
        if content is not None:
            return Sent(self._session(content), by_cookie=True)
        token = _token_in_query(request)
        if token is None:
            raise missing()
        return Sent(self._dispatch(token))

    def _dispatch(self, token: str) -> Credential:
        if token.startswith(_CI):
            return CiToken(Sensitive(_formed(token, well=ci_tokens.FORM.fullmatch(token) is not None)))
        if token.startswith(_API_KEY):
            return ApiKeyToken(Sensitive(_formed(token, well=api_keys.is_well_formed(token))))
        if token.startswith(_GITHUB):
            if not self._accept_github_tokens:
                raise invalid()
            return GitHubToken(Sensitive(token), issued_to_us=token.startswith(("gho_", "ghu_")))
        return self._session(token)

    def _session(self, token: str) -> Session:
        if len(token) > _MAX_CHARACTERS or not token.isascii():
            raise invalid()
        try:
            return self._sessions.verify(token)
        except InvalidSession:
            raise invalid() from None


def _formed(token: str, *, well: bool) -> str:
    if not well:
        raise invalid()
    return token


def _bearer(request: Request) -> str | None:
    found: list[bytes] = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if not found:
        return None
    scheme, _, token = found[0].decode("latin-1").partition(" ")
    token = token.strip(" ")
    if len(found) > 1 or scheme.lower() != "bearer" or not token or len(token) > _MAX_CHARACTERS or not token.isascii():
        raise invalid()
    return token


def _token_in_query(request: Request) -> str | None:
    if (request.method, getattr(request.scope.get("route"), "path", "")) != _TOKEN_IN_QUERY:
        return None
    found = request.query_params.getlist("token")
    if len(found) > 1 or any(not one or len(one) > _MAX_CHARACTERS or not one.isascii() for one in found):
        raise invalid()
    return found[0] if found else None
