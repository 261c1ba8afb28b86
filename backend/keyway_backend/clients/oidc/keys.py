"""Public keys of one pinned issuer, from its JWKS. A token names a key by `kid`; nothing else in it is followed.

Keys are kept for ten minutes. A name that is not among them makes us look again, twice a minute at most, so that
nobody makes us ask at will; while the issuer is silent, keys that it published within the last hour still count.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from keyway_backend.clients.tls import trusted

_FRESH_SECONDS: Final = 600.0
_USABLE_SECONDS: Final = 3600.0
_AGAIN_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 1.0
_CALL_SECONDS: Final = 3.0
_MOST_BYTES: Final = 262_144
_LEAST_BITS: Final = 2048


class IssuerUnknown(Exception):
    """The issuer did not say."""


class IssuerKeys:
    """The keys of one issuer."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._url = f"{issuer}/.well-known/jwks"
        self._client = httpx.AsyncClient(
            timeout=_CALL_SECONDS, follow_redirects=False, trust_env=False, verify=trusted()
        )
        self._keys: dict[str, RSAPublicKey] = {}
        self._read_at = -_USABLE_SECONDS
        self._not_before = 0.0
        self._silent = False
        self._one_at_a_time = asyncio.Lock()

    async def close(self) -> None:
        """Closes the kept connections."""
        await self._client.aclose()

    async def key(self, kid: str) -> RSAPublicKey | None:
        """The key of that name, None when the issuer has none. Raises IssuerUnknown."""
        if kid in self._keys and time.monotonic() - self._read_at < _FRESH_SECONDS:
            return self._keys[kid]
        async with self._one_at_a_time:
            await self._look_again(kid)
        return self._keys.get(kid)

    async def _look_again(self, kid: str) -> None:
        moment = time.monotonic()
        usable = kid in self._keys and moment - self._read_at < _USABLE_SECONDS
        if kid in self._keys and moment - self._read_at < _FRESH_SECONDS:
            return
        if moment < self._not_before:
            if self._silent and not usable:
                raise IssuerUnknown("asked a moment ago")
            return
        try:
            self._keys = await self._ask()
            self._read_at, self._silent, self._not_before = moment, False, moment + _AGAIN_SECONDS
        except IssuerUnknown:
            self._silent, self._not_before = True, moment + _RETRY_SECONDS
            if not usable:
                raise

    async def _ask(self) -> dict[str, RSAPublicKey]:
        try:
            async with self._client.stream("GET", self._url, headers={"Accept": "application/json"}) as response:
                if response.status_code != 200:
                    raise IssuerUnknown(f"JWKS: {response.status_code}")
                body = bytearray()
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _MOST_BYTES:
                        raise IssuerUnknown("JWKS: too large")
        except httpx.HTTPError as error:
            raise IssuerUnknown(f"JWKS: {type(error).__name__}") from None
        return _parsed(bytes(body))


def _parsed(body: bytes) -> dict[str, RSAPublicKey]:
    """RSA keys for signatures, by name. Keys of other kinds are not for us."""
    try:
        listed: list[dict[str, Any]] = httpx.Response(200, content=body).json()["keys"]
        found = {one["kid"]: PyJWK(one, algorithm="RS256").key for one in listed if _is_signing(one)}
    except (ValueError, KeyError, TypeError, PyJWTError):
        raise IssuerUnknown("JWKS: unexpected body") from None
    return {kid: key for kid, key in found.items() if isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_BITS}


def _is_signing(one: dict[str, Any]) -> bool:
    return one.get("kty") == "RSA" and one.get("use", "sig") == "sig" and isinstance(one.get("kid"), str)
