"""What a key may be, and what a key may make of itself (policy.yaml `credentials.api_key`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal
from uuid import UUID

from keyway_core.limits import API_KEY_DAYS

from keyway_backend.access.actor import Actor, Binding, Scope
from keyway_backend.access.api_keys import network
from keyway_backend.platform.address import Network

SCOPES: Final = (Scope.READ, Scope.WRITE, Scope.DELETE, Scope.API_KEYS)
MAX_ADDRESSES: Final = 100
MAX_BOUND: Final = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key that somebody asks for. No `days`: as long as usual, and no longer than who asks."""

    name: str
    environment: Literal["live", "test"]
    scopes: frozenset[Scope]
    days: int | None
    allowed_ips: tuple[str, ...]
    binding: Binding | None


@dataclass(frozen=True, slots=True)
class Maker:
    """The key that asks for another one. Empty addresses: everywhere."""

    scopes: frozenset[Scope]
    binding: Binding | None
    allowed_ips: Sequence[str]
    expires_at: datetime


def binding_of(vault_ids: Sequence[UUID], environment_ids: Sequence[UUID]) -> Binding | None:
    """No vaults: every vault that the owner reaches."""
    return Binding(frozenset(vault_ids), frozenset(environment_ids)) if vault_ids else None


def addresses(texts: Sequence[str]) -> tuple[str, ...]:
    """Addresses and networks in one spelling each. Raises ValueError."""
    return tuple(dict.fromkeys(str(network(text.strip())) for text in texts))


def exceeded(wanted: Wanted, maker: Maker, expires_at: datetime) -> str | None:
    """What of a key is more than its maker has; None when nothing is."""
    if not wanted.scopes <= maker.scopes:
        return "scopes"
    if not within(wanted.binding, maker.binding):
        return "vaultIds or environmentIds"
    if not _covered(wanted.allowed_ips, maker.allowed_ips):
        return "allowedIps"
    return "expiresInDays" if expires_at > maker.expires_at else None


def within(binding: Binding | None, bounds: Binding | None) -> bool:
    """Whether a binding lies within another one."""
    if bounds is None:
        return True
    if binding is None or not binding.vault_ids <= bounds.vault_ids:
        return False
    if not bounds.environment_ids:
        return True
    return bool(binding.environment_ids) and binding.environment_ids <= bounds.environment_ids


def visible(binding: Binding | None, actor: Actor) -> bool:
    """Whether a credential sees a key of its owner: one that is bound sees those within its own binding."""
    return within(binding, actor.binding)


def lifetime_days(wanted: Wanted) -> int:
    """How long a key is good that nobody shortens."""
    return API_KEY_DAYS if wanted.days is None else wanted.days


def _covered(texts: Sequence[str], bounds: Sequence[str]) -> bool:
    """Whether every address of a list is one of another list; an empty list is all of them."""
    if not bounds:
        return True
    outer = [network(text) for text in bounds]
    return bool(texts) and all(any(_contains(one, network(text)) for one in outer) for text in texts)


def _contains(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network) and inner.subnet_of(outer)
