"""Accounts at providers: connected, listed, looked into, disconnected (contract.md 4.12).

No connection of the database is held while a provider or crypto is asked.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from keyway_core.sensitive import Sensitive

from keyway_backend import audit
from keyway_backend.access.actor import Actor, CredentialKind, Origin
from keyway_backend.access.grants import PersonGrant
from keyway_backend.audit import Action, Event
from keyway_backend.clients.providers import Account, Key, Project, Provider, ProviderFailed, ProviderSilent, within
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.integrations import errors, store
from keyway_backend.features.integrations.hooks import Plans, Unlimited
from keyway_backend.features.integrations.store import NewConnection
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import Forbidden
from keyway_backend.platform.ids import new_id
from keyway_backend.vault_crypto import Sealed, VaultCrypto

STATE_SECONDS: Final = 600
_ASKED_SECONDS: Final = 8.0  # everything that one request asks of a provider
_NAMED_SECONDS: Final = 3.0
_PURPOSE: Final = "provider-token"
_TOKEN_CHARACTERS: Final = 4096

Target = Callable[[str | None], str | None]
"""Judges a redirect_uri: the address itself, or None for one that is not on the list."""


class StateRefusedError(Exception):
    """No valid, unused state of this browser."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A browser on its way to a provider: where to, and the nonce that it must bring back."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Returned:
    """A browser that came back: connected, or why not."""

    provider: str
    redirect_uri: str | None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection whose token was opened."""

    id: UUID
    provider: Provider
    key: Key


class Integrations:
    """The providers of this server, and people's accounts there."""

    def __init__(
        self,
        database: Database,
        crypto: VaultCrypto,
        providers: Mapping[str, Provider],
        *,
        api_url: str,
        allowed: Target,
        plans: Plans | None = None,
    ) -> None:
        self._database = database
        self._crypto = crypto
        self._providers = providers
        self._api_url = api_url
        self._allowed = allowed
        self._plans = plans or Unlimited()

    def providers(self) -> list[dict[str, Any]]:
        """All that Keyway knows, in the order of the wire."""
        return [
            {"name": one.name, "displayName": one.display_name, "configured": one.configured}
            for one in self._providers.values()
        ]

    async def connections(self, grant: PersonGrant, provider: str | None = None) -> list[dict[str, Any]]:
        """The caller's own."""
        async with self._database.read() as connection:
            return [_shown(row) for row in await store.connections(connection, grant, provider)]

    async def disconnect(self, grant: PersonGrant, id_: UUID | None) -> None:
        """Forgets a connection, its token and its links. Raises NotFound."""
        async with self._database.transaction() as connection:
            provider = await store.disconnect(connection, grant, id_) if id_ is not None else None
            if provider is None:
                raise errors.no_connection()
            details = {"provider": provider}
            event = Event(Action.INTEGRATION_DISCONNECTED, grant.actor, grant.origin, details=details)
            await audit.record(connection, event)

    async def connect(self, grant: PersonGrant, name: str, token: Any) -> dict[str, Any]:
        """Keeps a pasted token, if the provider knows it. Raises NotFound, BadRequest, Unavailable."""
        provider = self._known(name)
        if provider.oauth:
            raise errors.not_with_a_token(provider.display_name)
        if not isinstance(token, str) or not 0 < len(token) <= _TOKEN_CHARACTERS or not token.isascii():
            raise errors.invalid("token", "The provider's token is required.")
        if not token.isprintable() or " " in token:
            raise errors.invalid("token", "The token holds a character that no token has.")
        key = Key(Sensitive(token))
        await self._admit(_user_of(grant.actor), provider)
        try:
            async with within(_ASKED_SECONDS):
                account = await provider.account(key)
        except ProviderSilent as silent:
            raise errors.not_answered(silent) from None
        except ProviderFailed as failed:
            raise errors.bad_token(str(failed)) from None
        await self._keep(grant.actor, grant.origin, provider, key, account)
        user = {"id": account.id, "username": account.username, "email": account.email, "teamName": account.team_name}
        shown = {field: value for field, value in user.items() if value is not None}
        return {"success": True, "provider": provider.name, "user": shown}

    async def leave(self, grant: PersonGrant, name: str, redirect_uri: str | None) -> Leaving:
        """Sends a browser to a provider. Raises NotFound, Forbidden, BadRequest."""
        provider = self._known(name)
        target = self._allowed(redirect_uri)
        if redirect_uri is not None and target is None:
            raise errors.wrong_redirect()
        if not provider.oauth or not provider.configured:
            raise errors.not_configured(provider.display_name)
        await self._admit(_user_of(grant.actor), provider)
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        async with self._database.transaction() as connection:
            await store.begin(
                connection,
                grant,
                state_hash=_hash(state),
                browser_hash=_hash(browser),
                provider=provider.name,
                redirect_uri=target,
                expires_at=now() + timedelta(seconds=STATE_SECONDS),
            )
        return Leaving(provider.authorize_url(state, self._callback(provider)), browser)

    async def come_back(self, name: str, state: str, browser: str, code: str | None, origin: Origin) -> Returned:
        """Ends a browser's way, once. Raises StateRefusedError; a provider's failure is told in the result."""
        provider = self._providers.get(name)
        async with self._database.read() as connection:
            row = await store.take_state(
                connection, state_hash=_hash(state), browser_hash=_hash(browser), provider=name
            )
        if provider is None or row is None:
            raise StateRefusedError
        if code is None:
            return Returned(provider.display_name, row["redirect_uri"], "The connection was not allowed there.")
        actor = Actor(row["user_id"], row["github_user_id"], row["login"], CredentialKind.SESSION, row["session_id"])
        try:
            async with within(_ASKED_SECONDS):
                key, account = await provider.exchange(code, self._callback(provider))
            await self._keep(actor, origin, provider, key, account)
        except ProviderFailed as failed:
            return Returned(provider.display_name, row["redirect_uri"], str(failed))
        except Forbidden as limit:
            return Returned(provider.display_name, row["redirect_uri"], limit.detail)
        return Returned(provider.display_name, row["redirect_uri"])

    async def open(self, grant: PersonGrant | Any, id_: UUID | None) -> Opened:
        """One of the caller's own connections, its token opened. Raises NotFound."""
        async with self._database.read() as connection:
            row = await store.one_connection(connection, grant.actor.user_id, id_) if id_ is not None else None
        if row is None:
            raise errors.no_connection()
        return await self._opened(row, grant.actor)

    async def projects(self, grant: PersonGrant, id_: UUID | None) -> list[dict[str, Any]]:
        """What a connection reaches. Raises NotFound, Unavailable."""
        opened = await self.open(grant, id_)
        try:
            async with within(_ASKED_SECONDS):
                return [_project(one) for one in await opened.provider.projects(opened.key)]
        except ProviderFailed as failed:
            raise errors.not_answered(failed) from None

    async def project_name(self, opened: Opened, project_id: str) -> str | None:
        """What the provider calls a project; None when it does not say, or does not answer."""
        try:
            async with within(_NAMED_SECONDS):
                found = await opened.provider.projects(opened.key)
        except ProviderFailed:
            return None
        return next((one.name for one in found if one.id == project_id), None)

    async def all_projects(self, grant: PersonGrant, name: str) -> dict[str, Any]:
        """What all connections to a provider reach; one that fails is left out. Raises NotFound."""
        self._known(name)
        async with self._database.read() as connection:
            found = await store.connections(connection, grant, name)
        reached = await asyncio.gather(*(self._reached(row, grant.actor) for row in found))
        return {"projects": [one for some in reached for one in some], "connections": [_shown(row) for row in found]}

    async def _reached(self, row: Mapping[str, Any], actor: Actor) -> list[dict[str, Any]]:
        opened = await self._opened(row, actor)
        labels = {"connectionId": str(row["id"]), "teamId": row["provider_team_id"], "teamName": row["team_name"]}
        try:
            async with within(_ASKED_SECONDS):
                return [_project(one) | labels for one in await opened.provider.projects(opened.key)]
        except ProviderFailed:
            return []

    async def _opened(self, row: Mapping[str, Any], actor: Actor) -> Opened:
        place = _place(row["provider"], actor, row["provider_team_id"])
        token = await self._crypto.open_text(_PURPOSE, place, row["id"], Sealed(row["token_sealed"]))
        return Opened(row["id"], self._providers[row["provider"]], Key(token, row["provider_team_id"]))

    async def _keep(self, actor: Actor, origin: Origin, provider: Provider, key: Key, account: Account) -> None:
        """Seals the token for its row, which an account that is connected again has already."""
        user, place = _user_of(actor), _place(provider.name, actor, account.team_id)
        for _ in range(2):
            async with self._database.read() as connection:
                known = await store.connection_id_of(connection, user, provider.name, account.id, account.team_id)
            id_ = known or new_id()
            sealed = await self._crypto.seal_text(_PURPOSE, place, id_, key.token)
            new = NewConnection(
                id_, user, provider.name, account.id, account.team_id, account.team_name, bytes(sealed), now()
            )
            async with self._database.transaction() as connection:
                await store.lock_person(connection, user)
                await self._admit_provider(connection, user, provider)
                if await store.connect(connection, new):
                    details = {"provider": provider.name}
                    await audit.record(connection, Event(Action.INTEGRATION_CONNECTED, actor, origin, details=details))
                    return

    async def count(self, user_id: UUID) -> int:
        """How many providers a person connected."""
        async with self._database.read() as connection:
            return len(await store.providers_of(connection, user_id))

    async def _admit(self, user_id: UUID, provider: Provider) -> None:
        """Before a provider is asked. Raises Forbidden."""
        async with self._database.read() as connection:
            await self._admit_provider(connection, user_id, provider)

    async def _admit_provider(self, connection: Connection, user_id: UUID, provider: Provider) -> None:
        connected = await store.providers_of(connection, user_id)
        await self._plans.admit_provider(connection, user_id, connected, provider.name)

    def _known(self, name: str) -> Provider:
        provider = self._providers.get(name)
        if provider is None:
            raise errors.unknown_provider()
        return provider

    def _callback(self, provider: Provider) -> str:
        return f"{self._api_url}/v1/integrations/{provider.name}/callback"


def _user_of(actor: Actor) -> UUID:
    """The person behind a session; sessions alone get here."""
    assert actor.user_id is not None  # noqa: S101 - a session has one
    return actor.user_id


def _place(provider: str, actor: Actor, team_id: str | None) -> str:
    """What a token is sealed for: a row that was given to somebody else, or to another team, opens nothing."""
    team = sha256(team_id.encode()).hexdigest() if team_id is not None else ""
    return f"{provider}/{actor.github_user_id}/{team}"


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "provider": row["provider"],
        "providerUserId": row["provider_user_id"],
        "providerTeamId": row["provider_team_id"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
    }


def _project(project: Project) -> dict[str, Any]:
    optional = {
        "serviceId": project.service_id,
        "serviceName": project.service_name,
        "linkedRepo": project.linked_repo,
        "framework": project.framework,
        "createdAt": project.created_at,
    }
    named = {"id": project.id, "name": project.name, "environments": list(project.environments)}
    return named | {field: value for field, value in optional.items() if value is not None}


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()
