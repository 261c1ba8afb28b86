"""Installation tokens: minted with the App's key, kept sealed, reused until five minutes before they expire."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import jwt
from keyway_core.sensitive import Sensitive

from keyway_backend.clients.github.answers import InstallationToken
from keyway_backend.clients.github.errors import GitHubUnknown
from keyway_backend.clients.github.transport import Transport, parse
from keyway_backend.platform.clock import now

_SPARE: Final = timedelta(minutes=5)
_LIFETIME: Final = timedelta(hours=1)
_NEW: Final = timedelta(minutes=5)
_JWT_SECONDS: Final = 540  # GitHub allows 600; the rest is for clocks that differ
_JWT_REUSE_SECONDS: Final = 240


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token and its end."""

    token: Sensitive
    expires_at: datetime

    @property
    def usable(self) -> bool:
        """Whether it lasts for the calls of a request and some more."""
        return self.expires_at - _SPARE > now()


class TokenStore(Protocol):
    """Where tokens survive a restart, sealed."""

    async def load(self, installation_id: int) -> StoredToken | None:
        """What was kept, or None."""

    async def save(self, installation_id: int, token: StoredToken) -> None:
        """Keeps a token."""


class InstallationTokens:
    """Hands out installation tokens; one mint at a time per installation."""

    def __init__(self, transport: Transport, *, app_id: str, private_key: str, store: TokenStore) -> None:
        self._transport = transport
        self._app_id = app_id
        self._key = private_key
        self._store = store
        self._tokens: dict[int, StoredToken] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._jwt = ("", 0.0)

    def app(self) -> str:
        """An Authorization header value of the App itself. `iat` lies a minute back, for clocks that differ."""
        token, made = self._jwt
        if time.monotonic() - made > _JWT_REUSE_SECONDS or not token:
            moment = int(time.time())
            claims = {"iss": self._app_id, "iat": moment - 60, "exp": moment + _JWT_SECONDS}
            token = jwt.encode(claims, self._key, algorithm="RS256")
            self._jwt = (token, time.monotonic())
        return f"Bearer {token}"

    async def of(self, installation_id: int, *, renew: bool = False) -> str | None:
        """An Authorization header value of the installation; None when GitHub knows none of that id.

        `renew` mints a new one even if the kept one looks good, for when GitHub rejected that. Raises GitHubUnknown.
        """
        lock = self._locks.setdefault(installation_id, asyncio.Lock())
        async with lock:
            token = None if renew else await self._kept(installation_id)
            if token is None:
                token = await self._mint(installation_id)
            if token is None:
                return None
            self._tokens[installation_id] = token
            return f"token {token.token.reveal()}"

    async def newer(self, installation_id: int) -> str | None:
        """A token newer than a few minutes, for when a permission was missing: a token has those of its making.

        None when the present one is that new, so that what is really missing costs no mint per call.
        """
        token = self._tokens.get(installation_id)
        if token is None or token.expires_at - _LIFETIME > now() - _NEW:
            return None
        return await self.of(installation_id, renew=True)

    async def _kept(self, installation_id: int) -> StoredToken | None:
        token = self._tokens.get(installation_id) or await self._store.load(installation_id)
        return token if token is not None and token.usable else None

    async def _mint(self, installation_id: int) -> StoredToken | None:
        path = f"app/installations/{installation_id}/access_tokens"
        response = await self._transport.post(path, auth=self.app(), json={})
        if response is None:
            return None
        if response.status_code != 201:
            raise GitHubUnknown(f"minting a token: {response.status_code}")
        answer = parse(response, InstallationToken, path)
        token = StoredToken(Sensitive(answer.token), answer.expires_at)
        await self._store.save(installation_id, token)
        return token
