"""The process that holds the encryption keys: it seals, opens and moves values, and never hands out a key."""

from __future__ import annotations

from typing import Final

__all__ = ["VERSION"]

VERSION: Final = "0.1.0"
