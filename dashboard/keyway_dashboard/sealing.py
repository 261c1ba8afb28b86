"""What a browser keeps for us, sealed: it can neither read nor change it, nor use it for another purpose."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class Seals:
    """AES-256-GCM under keys made from secrets: the first one seals, all of them open."""

    def __init__(self, secrets: Sequence[str]) -> None:
        keys = [_derived(secret, b"keyway-dashboard/seal/1") for secret in secrets]
        self._ciphers = [AESGCM(key) for key in keys]
        self._proof_keys = [_derived(secret, b"keyway-dashboard/proof/1") for secret in secrets]

    def seal(self, purpose: str, content: Mapping[str, Any]) -> str:
        """Text for a cookie."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, json.dumps(content).encode(), _FORMAT + purpose.encode())
        return base64.urlsafe_b64encode(_FORMAT + nonce + sealed).rstrip(b"=").decode()

    def open(self, purpose: str, text: str) -> dict[str, Any] | None:
        """What was sealed for this purpose; None for anything else."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return None
        nonce, sealed = raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
        if raw[:1] != _FORMAT or len(nonce) != _NONCE_BYTES:
            return None
        for cipher in self._ciphers:
            try:
                found: dict[str, Any] = json.loads(cipher.decrypt(nonce, sealed, _FORMAT + purpose.encode()))
            except InvalidTag:
                continue
            return found
        return None

    def proofs(self, text: str) -> list[bytes]:
        """A MAC of `text` under each key, that of the first one first."""
        return [hmac.digest(key, text.encode(), "sha256") for key in self._proof_keys]


def _derived(secret: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(secret.encode())
