"""UUIDv7: ids that sort by the time they were made, so that new rows land beside one another."""

from __future__ import annotations

import hashlib
import os
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_MARK_BITS = 40
_MARK = (1 << _MARK_BITS) - 1


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits."""
    random = int.from_bytes(os.urandom(10))
    high = (time.time_ns() // 1_000_000) << 80
    return UUID(int=high | _VERSION_7 | (random >> 68 & 0xFFF) << 64 | _VARIANT | random & (1 << 62) - 1)


def new_ids(count: int) -> list[UUID]:
    """Many ids of one moment."""
    return [new_id() for _ in range(count)]


def new_id_of(owner: UUID) -> UUID:
    """A UUIDv7 whose last 40 bits are a digest of another id: a row that shows it cannot be hung on another owner."""
    return UUID(int=new_id().int & ~_MARK | _mark(owner))


def is_id_of(owner: UUID, made: UUID) -> bool:
    """Whether `new_id_of` made the id for this owner."""
    return made.int & _MARK == _mark(owner)


def _mark(owner: UUID) -> int:
    return int.from_bytes(hashlib.sha256(b"keyway/id-of/" + owner.bytes).digest()[: _MARK_BITS // 8])
