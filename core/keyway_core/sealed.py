"""Ciphertext has one type too, so that it is not taken for plaintext, nor plaintext for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, final


@final
class Sealed(bytes):
    """Ciphertext in its stored form (design.md 5). JSON serialisers raise on it, and its text says only its length."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Sealed({len(self)} bytes)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    @property
    def key_version(self) -> int:
        """Which master key sealed it, as its head says."""
        return int.from_bytes(self[1:3], "big")

    @classmethod
    def many(cls, stored: Sequence[bytes]) -> list[Self]:
        """What a read of a sealed column becomes."""
        return [cls(one) for one in stored]
