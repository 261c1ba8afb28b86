"""One unambiguous byte string for a tuple of fields."""

from __future__ import annotations


def canonical(*fields: bytes) -> bytes:
    """Each field behind its length (4 bytes, big endian): two different tuples never give the same bytes."""
    return b"".join([len(field).to_bytes(4, "big") + field for field in fields])
