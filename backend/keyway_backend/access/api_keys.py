"""API keys: made with a checksum, kept as a hash, and believed only when the row carries our code.

A key acts for its owner with the owner's present rights, narrowed by scopes, binding, addresses and expiry
(policy.yaml `credentials.api_key`). Whoever writes a row without our secret makes none: it counts as absent.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Literal
from uuid import UUID

from keyway_core.sensitive import Sensitive
from psycopg.rows import DictRow

from keyway_backend.access.actor import Actor, Binding, CredentialKind, Scope
from keyway_backend.access.macs import Field, Macs, Purpose
from keyway_backend.db.engine import Connection, one, run
from keyway_backend.platform.address import Network
from keyway_backend.platform.metrics import integrity_alarm

FORM: Final = re.compile(r"kw_(live|test)_[a-zA-Z0-9]{40}")
PREFIX_CHARACTERS: Final = 16
_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM: Final = 34
_CHECKSUM: Final = 6
_ENDED: Final = "revoked"
_MAPPED: Final = IPv6Network("::ffff:0:0/96")

_FIND: Final = """
    SELECT k.id, k.user_id, u.github_user_id, u.login, k.token_hash, k.scopes, k.vault_ids, k.environment_ids,
        k.allowed_ips, k.expires_at, k.revoked_at, k.mac, k.revoked_at IS NULL AND k.expires_at > now() AS live,
        k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS unseen
    FROM api_keys AS k JOIN users AS u ON u.id = k.user_id WHERE k.token_hash = %(hash)s"""
_USED: Final = """
    UPDATE api_keys SET last_used_at = now(), usage_count = usage_count + %(uses)s
    WHERE id = (SELECT id FROM api_keys WHERE id = %(id)s FOR NO KEY UPDATE SKIP LOCKED)"""
_INSERT: Final = """
    INSERT INTO api_keys (id, user_id, name, environment, prefix, token_hash, scopes, vault_ids, environment_ids,
                          allowed_ips, created_at, expires_at, mac)
    VALUES (%(id)s, %(user)s, %(name)s, %(environment)s, %(prefix)s, %(hash)s, %(scopes)s, %(vaults)s,
            %(environments)s, %(addresses)s, %(created_at)s, %(expires_at)s, %(mac)s)"""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is to be kept. `owner` is the person's number: a row that is moved to somebody else is forged."""

    id: UUID
    user_id: UUID
    owner: int
    name: str
    environment: Literal["live", "test"]
    token: Sensitive
    scopes: frozenset[Scope]
    binding: Binding | None
    allowed_ips: Sequence[str]
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key that lives: who sends it, and from where it may be sent. `unseen`: its use is to be noted."""

    actor: Actor
    allowed_ips: tuple[str, ...]
    unseen: bool


def mint(environment: Literal["live", "test"]) -> Sensitive:
    """A new token."""
    body = f"kw_{environment}_" + "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM))
    return Sensitive(body + _checksum(body))


def is_well_formed(token: str) -> bool:
    """Whether form and checksum are those of a key; costs no look-up."""
    if FORM.fullmatch(token) is None:
        return False
    return secrets.compare_digest(_checksum(token[:-_CHECKSUM]), token[-_CHECKSUM:])


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode()).digest()


def prefix_of(token: str) -> str:
    """What is shown of a token."""
    return token[:PREFIX_CHARACTERS]


def network(text: str) -> Network:
    """An entry of a key's list of addresses: an address or a network. Raises ValueError.

    Networks of IPv4 in IPv6 dress are those of IPv4, as client addresses are. The zone of an IPv6 address (`%eth0`) is
    refused: it is the sender's own name for a network card, may hold anything, and nobody could use the key.
    """
    if "%" in text:
        raise ValueError("an address with a zone")
    parsed = ip_network(text, strict=False)
    if isinstance(parsed, IPv6Network) and parsed.subnet_of(_MAPPED):
        inner = int(parsed.network_address) & 0xFFFF_FFFF
        return IPv4Network((inner, parsed.prefixlen - 96))
    return parsed


def admits(allowed_ips: Sequence[str], address: str) -> bool:
    """Whether a key may be used from an address. An empty list admits all; an entry that is none admits nobody."""
    if not allowed_ips:
        return True
    try:
        given = ip_address(address)
        return any(given in network(text) for text in allowed_ips)
    except ValueError:
        return False


async def insert(connection: Connection, macs: Macs, key: NewKey) -> None:
    """Keeps a key, in the caller's transaction."""
    token, binding = key.token.reveal(), key.binding
    scopes, addresses = sorted(key.scopes), list(key.allowed_ips)
    vaults = sorted(binding.vault_ids) if binding else None
    environments = sorted(binding.environment_ids) or None if binding else None
    hashed = hash_of(token)
    fields = _fields(key.id, key.user_id, key.owner, hashed, scopes, vaults, environments, addresses, key.expires_at)
    await run(
        connection,
        _INSERT,
        id=key.id,
        user=key.user_id,
        name=key.name,
        environment=key.environment,
        prefix=prefix_of(token),
        hash=hashed,
        scopes=[scope.value for scope in scopes],
        vaults=vaults,
        environments=environments,
        addresses=addresses,
        created_at=key.created_at,
        expires_at=key.expires_at,
        mac=macs.make(Purpose.API_KEY, *fields),
    )


async def find(connection: Connection, macs: Macs, token: Sensitive) -> FoundKey | None:
    """The key of a token: None for one that is unknown, expired, revoked, or not from us."""
    row = await one(connection, _FIND, hash=hash_of(token.reveal()))
    if row is None or not is_ours(macs, row):
        return None
    return FoundKey(_actor(row), tuple(row["allowed_ips"]), row["unseen"]) if row["live"] else None


def is_ours(macs: Macs, row: DictRow) -> bool:
    """Whether this backend wrote a row (columns of `_FIND`). Alarms when not."""
    ended = () if row["revoked_at"] is None else (_ENDED,)
    if macs.fits(row["mac"], Purpose.API_KEY, *_fields_of(row), *ended):
        return True
    integrity_alarm("api_key", api_key_id=str(row["id"]))
    return False


def ended_mac(macs: Macs, row: DictRow) -> bytes:
    """The code that a row carries from its revocation on: without `revoked_at` it fits no more."""
    return macs.make(Purpose.API_KEY, *_fields_of(row), _ENDED)


async def note_use(connection: Connection, key_id: UUID, uses: int) -> None:
    """When a key was used last, and how often since that was noted before. Waits for nobody."""
    await run(connection, _USED, id=key_id, uses=uses)


def _actor(row: DictRow) -> Actor:
    scopes = frozenset(Scope(scope) for scope in row["scopes"])
    binding = None
    if row["vault_ids"] is not None:
        binding = Binding(frozenset(row["vault_ids"]), frozenset(row["environment_ids"] or ()))
    return Actor(
        row["user_id"],
        row["github_user_id"],
        row["login"],
        CredentialKind.API_KEY,
        row["id"],
        scopes,
        binding,
    )


def _fields_of(row: DictRow) -> tuple[Field, ...]:
    return _fields(
        row["id"],
        row["user_id"],
        row["github_user_id"],
        row["token_hash"],
        row["scopes"],
        row["vault_ids"],
        row["environment_ids"],
        row["allowed_ips"],
        row["expires_at"],
    )


def _fields(  # noqa: PLR0913, PLR0917 - one per column that grants
    key_id: UUID,
    user_id: UUID,
    owner: int,
    token_hash: bytes,
    scopes: Sequence[str],
    vault_ids: Sequence[UUID] | None,
    environment_ids: Sequence[UUID] | None,
    allowed_ips: Sequence[str],
    expires_at: datetime,
) -> tuple[Field, ...]:
    """What the code of a key covers, in this order."""
    return (
        key_id,
        user_id,
        owner,
        token_hash.hex(),
        ",".join(scopes),
        None if vault_ids is None else ",".join(one.hex for one in vault_ids),
        None if environment_ids is None else ",".join(one.hex for one in environment_ids),
        ",".join(allowed_ips),
        expires_at,
    )


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
