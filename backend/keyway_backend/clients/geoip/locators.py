"""The three ways to locate an address. Private and reserved addresses are nowhere, and nobody is asked about them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import orjson

from keyway_backend.clients.tls import trusted
from keyway_backend.platform import log

_SECONDS: Final = 3.0
_AT_ONCE: Final = 4
_REST_SECONDS: Final = 30.0
_ANSWER_BYTES: Final = 16_384
_NAME_CHARACTERS: Final = 100

_log = log.logger("geoip")


class LocationUnknown(Exception):
    """Nobody could say; it may be asked again later."""


@dataclass(frozen=True, slots=True)
class Location:
    """As much as is known of where an address is. `country` is its code of two letters."""

    country: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Locator(Protocol):
    """Says where an address is."""

    async def locate(self, address: str) -> Location:
        """Raises LocationUnknown."""

    async def close(self) -> None:
        """Lets go of what it holds."""


class Nowhere:
    """GeoIP is off: nothing is known, and nobody is asked."""

    async def locate(self, address: str) -> Location:
        """Nothing."""
        del address
        return Location()

    async def close(self) -> None:
        """Holds nothing."""


class GeoDatabase:
    """A file in MaxMind's format, read where it lies."""

    def __init__(self, path: Path) -> None:
        import maxminddb  # noqa: PLC0415 - only where it is configured

        self._reader = maxminddb.open_database(path)

    async def locate(self, address: str) -> Location:
        """Nothing for an address that the file does not have."""
        try:
            found = self._reader.get(address) if is_public(address) else None
        except ValueError:  # an IPv6 address in a file of IPv4
            found = None
        return _of_record(found) if isinstance(found, dict) else Location()

    async def close(self) -> None:
        """Closes the file."""
        self._reader.close()


class Ipinfo:
    """ipinfo's service over HTTPS: a few questions at a time, each with a deadline, and a rest after one that failed.

    Who keeps the answers is the caller.
    """

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "keyway"}
        self._client = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=_SECONDS, trust_env=False, verify=trusted()
        )
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._resting_until = 0.0

    async def locate(self, address: str) -> Location:
        """Raises LocationUnknown when the service does not say in time."""
        if not is_public(address):
            return Location()
        if self._resting_until > time.monotonic():
            raise LocationUnknown
        try:
            async with self._gate, asyncio.timeout(_SECONDS):
                answer = await self._client.get(f"/{address}/json")
            if answer.status_code == httpx.codes.NOT_FOUND:
                return Location()
            answer.raise_for_status()
            found = orjson.loads(answer.content[:_ANSWER_BYTES])
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            self._resting_until = time.monotonic() + _REST_SECONDS
            _log.warning("ipinfo_failed", kind=type(error).__name__)
            raise LocationUnknown from None
        return _of_ipinfo(found) if isinstance(found, dict) else Location()

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()


def locator(database: Path | None, ipinfo_url: str, ipinfo_token: str) -> Locator:
    """The one that is configured: the file before the service; without both, none."""
    if database is not None:
        return GeoDatabase(database)
    return Ipinfo(ipinfo_url, ipinfo_token) if ipinfo_token else Nowhere()


def is_public(address: str) -> bool:
    """Whether it is an address that has a place in the world."""
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def _of_record(record: dict[str, Any]) -> Location:
    country = _inner(record, "country") or _inner(record, "registered_country")
    place = _inner(record, "location")
    return Location(
        _text(country.get("iso_code")),
        _text(_inner(_inner(record, "city"), "names").get("en")),
        _number(place.get("latitude"), 90),
        _number(place.get("longitude"), 180),
    )


def _of_ipinfo(found: dict[str, Any]) -> Location:
    latitude, _, longitude = str(found.get("loc", "")).partition(",")
    return Location(
        _text(found.get("country")), _text(found.get("city")), _number(latitude, 90), _number(longitude, 180)
    )


def _inner(record: dict[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return "".join(char for char in value if char.isprintable())[:_NAME_CHARACTERS] or None


def _number(value: object, most: float) -> float | None:
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return found if -most <= found <= most else None
