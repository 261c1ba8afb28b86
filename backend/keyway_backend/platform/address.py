"""The real client address, through trusted proxies only (policy.yaml `limits.rate`, assurance.md F-07)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.requests import HTTPConnection

Network = IPv4Network | IPv6Network
_UNKNOWN: Final = IPv4Address(0)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Parses TRUSTED_PROXIES. Raises ValueError for what is neither an address nor a network."""
    return tuple(ip_network(text, strict=False) for text in texts)


def client_address(connection: HTTPConnection, trusted: Sequence[Network]) -> str:
    """Walks X-Forwarded-For from the right and stops at the first address that is no trusted proxy.

    A hop that is no address ends the walk as well: then the proxy that reported it is what is known.
    """
    peer = _parsed(connection.client.host if connection.client else "") or _UNKNOWN
    hops = [hop.strip() for line in connection.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    while hops and any(peer in network for network in trusted) and (hop := _parsed(hops.pop())) is not None:
        peer = hop
    return str(peer)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address; one of IPv4 in IPv6 dress is an IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
