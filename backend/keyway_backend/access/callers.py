"""From a request to whoever sent it: first what the credential claims to be, then whether it still lives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from keyway_core.sensitive import Sensitive
from psycopg.rows import DictRow
from starlette.requests import Request

from keyway_backend.access import api_keys, binding, ci_tokens, credentials, refusals, store
from keyway_backend.access.actor import Actor, CredentialKind, Origin, Scope
from keyway_backend.access.credentials import ApiKeyToken, CiToken, Credential, Credentials, GitHubToken
from keyway_backend.access.macs import Macs
from keyway_backend.access.origins import origin_of
from keyway_backend.access.sessions import Session
from keyway_backend.db.engine import Connection, Database
from keyway_backend.platform.address import Network, client_address
from keyway_backend.platform.errors import Unauthorized
from keyway_backend.platform.limits import limits_of


class Asking:
    """A question to GitHub about a string that somebody sent: counted by address before it is asked, so that whoever
    invents such strings does not make us ask without end."""

    def __init__(self, request: Request) -> None:
        self._limits = limits_of(request)
        self._scope = request.scope

    async def begin(self) -> None:
        """Raises TooManyRequests."""
        if self._limits is not None:
            await self._limits.question(self._scope)

    async def known(self) -> None:
        """GitHub knew it: the question does not count."""
        if self._limits is not None:
            await self._limits.good(self._scope)


class GitHubPeople(Protocol):
    """Turns a GitHub token that a caller sent into a person (GITHUB_PAT_LOGIN)."""

    async def actor_of(self, token: Sensitive, *, issued_to_us: bool, asking: Asking) -> Actor:
        """The person. Raises errors.Unauthorized, errors.Unavailable, and what `asking` raises."""


class Callers:
    """Who sends requests."""

    def __init__(
        self,
        database: Database,
        credentials: Credentials,
        people: GitHubPeople,
        macs: Macs,
        *,
        trusted_proxies: Sequence[Network],
    ) -> None:
        self._database = database
        self._credentials = credentials
        self._people = people
        self._macs = macs
        self._trusted = trusted_proxies
        self._uses: Counter[UUID] = Counter()

    async def actor(self, request: Request, scope: Scope | None, *, ci: bool = False) -> Actor:
        """The actor that the credential claims to be; whether a session still lives is decided by the next statement.

        `scope` None admits every kind of credential; `ci` admits those of workflows. The steps are those of
        policy.yaml `statuses.order`, up to the binding. Raises Unauthorized, Forbidden, Unavailable.
        """
        sent = self._credentials.of(request)
        actor = await self._claimed(sent.credential, request)
        if actor.credential_kind is CredentialKind.CI and not ci:
            raise refusals.not_for_workflows()
        if scope is not None and scope not in actor.scopes:
            raise refusals.lacks_scope(scope)
        if sent.by_cookie and not self._credentials.cookie.is_proven(request):
            raise refusals.cross_site()
        if actor.credential_kind is CredentialKind.API_KEY and actor.binding is not None:
            path = getattr(request.scope.get("route"), "path", "")
            if not binding.may_enter(actor.binding, request.method, path):
                raise refusals.outside_binding()
        return actor

    async def _claimed(self, credential: Credential, request: Request) -> Actor:
        match credential:
            case Session():
                who = (credential.user_id, credential.github_user_id, credential.login)
                return Actor(*who, CredentialKind.SESSION, credential.id)
            case GitHubToken():
                issued_to_us, asking = credential.issued_to_us, Asking(request)
                return await self._people.actor_of(credential.token, issued_to_us=issued_to_us, asking=asking)
            case ApiKeyToken():
                return await self._by_key(credential.token, request)
            case CiToken():
                async with self._database.read() as connection:
                    actor = await ci_tokens.find(connection, self._macs, credential.token)
                if actor is None:
                    raise credentials.invalid()
                return actor

    async def _by_key(self, token: Sensitive, request: Request) -> Actor:
        """A key's owner. How often a key is used is counted here and written once a minute."""
        async with self._database.read() as connection:
            found = await api_keys.find(connection, self._macs, token)
            if found is None:
                raise credentials.invalid()
            if not api_keys.admits(found.allowed_ips, client_address(request, self._trusted)):
                raise refusals.wrong_address()
            self._uses[found.actor.credential_id] += 1
            if found.unseen:
                uses = self._uses.pop(found.actor.credential_id)
                await api_keys.note_use(connection, found.actor.credential_id, uses)
        return found.actor

    def signing_out(self, request: Request) -> Credential | None:
        """The well-formed credential that came along, None without. Raises Forbidden for a cookie from elsewhere."""
        cookie = self._credentials.cookie
        try:
            sent = self._credentials.of(request)
        except Unauthorized:
            sent = None
        by_cookie = sent.by_cookie if sent is not None else cookie.is_sent(request)
        if by_cookie and not cookie.is_proven(request):
            raise refusals.cross_site()
        return sent.credential if sent is not None else None

    async def live(self, actor: Actor) -> Actor:
        """The actor, proven: raises Unauthorized when the session was revoked or has ended."""
        if actor.credential_kind is CredentialKind.CI:
            return actor
        async with self._database.read() as connection:
            return await self.proven(connection, actor, await store.person(connection, actor))

    async def proven(self, connection: Connection, actor: Actor, row: DictRow | None) -> Actor:
        """The actor with its present login, if a look-up says that the credential lives. Raises Unauthorized."""
        if row is None or (actor.credential_kind is CredentialKind.SESSION and not row["session_live"]):
            raise credentials.invalid()
        if row["session_unseen"]:
            await store.note_session(connection, actor.credential_id)
        login = row["login"]
        return actor if login in {None, actor.login} else replace(actor, login=login)

    def origin(self, request: Request) -> Origin:
        """Where a request came from."""
        return origin_of(request, self._trusted)
