"""UUIDv7: ids that sort by the time they were made, so that new rows land beside one another."""

from __future__ import annotations

import os
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits."""
    random = int.from_bytes(os.urandom(10))
    high = (time.time_ns() // 1_000_000) << 80
    return UUID(int=high | _VERSION_7 | (random >> 68 & 0xFFF) << 64 | _VARIANT | random & (1 << 62) - 1)


def new_ids(count: int) -> list[UUID]:
    """Many ids of one moment."""
    return [new_id() for _ in range(count)]
