"""From a request to whoever sent it: first what the credential claims to be, then whether it still lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from keyway_core.sensitive import Sensitive
from psycopg.rows import DictRow
from starlette.requests import Request

from keyway_backend.access import credentials, store
from keyway_backend.access.actor import Actor, CredentialKind, Origin, Scope
from keyway_backend.access.credentials import Credentials, GitHubToken
from keyway_backend.access.origins import origin_of
from keyway_backend.db.engine import Database
from keyway_backend.platform.address import Network
from keyway_backend.platform.errors import Forbidden


class GitHubPeople(Protocol):
    """Turns a GitHub token that a caller sent into a person (GITHUB_PAT_LOGIN)."""

    async def actor_of(self, token: Sensitive, *, issued_to_us: bool) -> Actor:
        """The person. Raises errors.Unauthorized, errors.Unavailable."""


class Callers:
    """Who sends requests."""

    def __init__(
        self, database: Database, credentials: Credentials, people: GitHubPeople, *, trusted_proxies: Sequence[Network]
    ) -> None:
        self._database = database
        self._credentials = credentials
        self._people = people
        self._trusted = trusted_proxies

    async def actor(self, request: Request, scope: Scope | None) -> Actor:
        """The actor that the credential claims to be; whether a session still lives is decided by the next statement.

        `scope` None admits every kind of credential. Raises Unauthorized, Forbidden, Unavailable.
        """
        credential = self._credentials.of(request)
        if isinstance(credential, GitHubToken):
            actor = await self._people.actor_of(credential.token, issued_to_us=credential.issued_to_us)
        else:
            actor = Actor(
                credential.user_id, credential.github_user_id, credential.login, CredentialKind.SESSION, credential.id
            )
        if scope is not None and scope not in actor.scopes:
            raise Forbidden(f"This credential lacks the scope {scope}.")
        return actor

    async def live(self, actor: Actor) -> Actor:
        """The actor, proven: raises Unauthorized when the session was revoked or has ended."""
        async with self._database.read() as connection:
            return proven_by(actor, await store.person(connection, actor))

    def origin(self, request: Request) -> Origin:
        """Where a request came from."""
        return origin_of(request, self._trusted)


def proven_by(actor: Actor, row: DictRow | None) -> Actor:
    """The actor with its present login, if the look-up says that the credential lives. Raises Unauthorized."""
    if row is None or (actor.credential_kind is CredentialKind.SESSION and not row["session_live"]):
        raise credentials.invalid()
    login = row["login"]
    return actor if login in {None, actor.login} else replace(actor, login=login)
