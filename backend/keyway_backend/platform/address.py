"""The real client address, through trusted proxies only (policy.yaml `limits.rate`, assurance.md F-07)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.requests import HTTPConnection

Network = IPv4Network | IPv6Network


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Parses TRUSTED_PROXIES. Raises ValueError for what is neither an address nor a network."""
    return tuple(ip_network(text, strict=False) for text in texts)


def client_address(connection: HTTPConnection, trusted: Sequence[Network]) -> str:
    """Walks X-Forwarded-For from the right and stops at the first address that is no trusted proxy."""
    peer = connection.client.host if connection.client else "0.0.0.0"  # noqa: S104
    hops = [hop.strip() for line in connection.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    while hops and _is_trusted(peer, trusted):
        peer = hops.pop()
    return peer


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)
