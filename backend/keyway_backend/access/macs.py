"""Codes on rows that grant: who can write the database but lacks our secret can take rights away, and give none.

HMAC-SHA256 under a key of its own per purpose, derived from JWT_SECRET, over the row's fields, each with its length.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Field = str | int | bool | UUID | datetime | None
_KEY_BYTES: Final = 32
_JUDGED: Final = 16_384


class Purpose(StrEnum):
    """Kinds of rows that grant. A code for one is no code for another."""

    ROLE = "role-cache"
    OVERRIDE = "permission-override"
    DEFAULTS = "organisation-defaults"
    ENVIRONMENT_TYPE = "environment-type"
    API_KEY = "api-key"
    CI_RULE = "ci-rule"
    CI_TOKEN = "ci-token"  # noqa: S105 - names what is coded


class Macs:
    """Makes codes with the present secret, and knows those of the one before (JWT_SECRET_PREVIOUS)."""

    def __init__(self, secret: str, previous: str = "") -> None:
        secrets = [secret, previous] if previous else [secret]
        self._keys = {purpose: [_derive(one, purpose) for one in secrets] for purpose in Purpose}
        # A list of vaults asks for thousands of codes, at every request for the same ones, and what fits always will.
        # Typed, because 1 equals True and their codes differ.
        self._judged = lru_cache(maxsize=_JUDGED, typed=True)(self._judge)

    def make(self, purpose: Purpose, *fields: Field) -> bytes:
        """The code of a row, 32 bytes."""
        return hmac.digest(self._keys[purpose][0], _encode(fields), "sha256")

    def fits(self, mac: bytes, purpose: Purpose, *fields: Field) -> bool:
        """Whether this backend made the code for exactly these fields."""
        return self._judged(mac, purpose, *fields)

    def _judge(self, mac: bytes, purpose: Purpose, *fields: Field) -> bool:
        message = _encode(fields)
        return any(hmac.compare_digest(mac, hmac.digest(key, message, "sha256")) for key in self._keys[purpose])


def _derive(secret: str, purpose: Purpose) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=f"keyway/backend/mac/{purpose}".encode()).derive(secret.encode())


def _encode(fields: Sequence[Field]) -> bytes:
    texts = [_text(field).encode() for field in fields]
    return b"".join([len(text).to_bytes(4, "big") + text for text in texts])


def _text(field: Field) -> str:
    """One spelling per value; the first letter keeps kinds apart ("1", 1, True and None differ)."""
    match field:
        case None:
            return "n"
        case bool():
            return f"b{int(field)}"
        case int():
            return f"i{field}"
        case datetime():
            return f"t{int(field.timestamp() * 1_000_000)}"
        case UUID():
            return f"u{field.hex}"
        case _:
            return f"s{field}"
