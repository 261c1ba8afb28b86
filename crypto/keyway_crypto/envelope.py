"""Format 1 of a sealed value, and the context that it opens in (design.md 5).

Stored form: format byte 0x01 ‖ key version (2 bytes, big endian) ‖ nonce (12) ‖ ciphertext ‖ tag (16).
Plaintext:   length (4 bytes, big endian) ‖ value ‖ zeros, up to 64, 128, 256, 512, 1,024, then multiples of 1,024.
Context:     canonical(format, purpose, instance, vault, repository, environment, key name, value id), not stored."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from keyway_core.limits import KEY_LENGTH, VALUE_BYTES

from keyway_crypto.errors import IntegrityError, InvalidCallError
from keyway_crypto.keyring import MANIFESTS, KeyRing, canonical

SECRETS = "secret"
_FORMAT = b"\x01"
_ID_BYTES, _LENGTH_BYTES, _NONCE_BYTES = 16, 4, 12
_HEAD, _BODY = 3, 15  # where the nonce begins, and where it ends
_SMALL_SIZES = (64, 128, 256, 512, 1024)
_PURPOSE = re.compile(r"[a-z][a-z-]{0,31}", re.ASCII)
_KEY_PREFIX = tuple(length.to_bytes(4, "big") for length in range(KEY_LENGTH + 1))
_ID_PREFIX = _ID_BYTES.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a context that all values of a call share. Ids are 16 bytes; only secrets live in a vault."""

    purpose: str
    instance: bytes
    vault: bytes = b""
    repository: int = 0
    environment: bytes = b""

    def __post_init__(self) -> None:
        """Raises InvalidCallError, naming the field."""
        if not _PURPOSE.fullmatch(self.purpose) or self.purpose == MANIFESTS:
            raise InvalidCallError("scope.purpose is not a purpose")
        if len(self.instance) != _ID_BYTES:
            raise InvalidCallError("scope.instance_id must be 16 bytes")
        length = _ID_BYTES if self.purpose == SECRETS else 0
        if not len(self.vault) == len(self.environment) == length or bool(self.repository) != bool(length):
            raise InvalidCallError("scope: secrets, and only they, have vault, repository and environment ids")

    def context(self) -> bytes:
        """The context up to the key name; an entry follows it."""
        repository = self.repository.to_bytes(8, "big")
        return canonical(_FORMAT, self.purpose.encode(), self.instance, self.vault, repository, self.environment)


def entries(keys: Sequence[str], value_ids: Sequence[bytes]) -> list[bytes]:
    """canonical(key name, value id) of each item: the end of its context, and its entry in a manifest.
    Raises InvalidCallError for lists of different length, a key not of 1 to 256 bytes, an id not of 16."""
    if len(keys) != len(value_ids):
        raise InvalidCallError("keys and value_ids differ in length")
    made = []
    for key, value_id in zip(keys, value_ids, strict=True):
        name = key.encode()
        if not 0 < len(name) <= KEY_LENGTH or len(value_id) != _ID_BYTES:
            raise InvalidCallError(f"a key must be 1 to {KEY_LENGTH} bytes, a value id {_ID_BYTES}")
        made.append(_KEY_PREFIX[len(name)] + name + _ID_PREFIX + value_id)
    return made


def seal(ring: KeyRing, scope: Scope, places: Sequence[bytes], plaintexts: Sequence[bytes]) -> list[bytes]:
    """Seals each plaintext under the active key for its entry. Raises InvalidCallError for a value that is too long."""
    head, context = _FORMAT + ring.active.to_bytes(2, "big"), scope.context()
    aead, nonces = _cipher(ring, scope, head), os.urandom(_NONCE_BYTES * len(places))
    sealed = []
    for index, (place, plaintext) in enumerate(zip(places, plaintexts, strict=True)):
        nonce = nonces[index * _NONCE_BYTES : (index + 1) * _NONCE_BYTES]
        sealed.append(head + nonce + gcm_seal(aead, nonce, pad(plaintext), context + place))
    return sealed


def open_(ring: KeyRing, scope: Scope, places: Sequence[bytes], sealed: Sequence[bytes]) -> list[bytes]:
    """Opens each sealed value in the context of its entry.
    Raises IntegrityError for anything that was not sealed for this place, UnknownKeyVersionError."""
    opened, context = [], scope.context()
    ciphers: dict[bytes, AESGCM] = {}
    for place, blob in zip(places, sealed, strict=True):
        head = blob[:_HEAD]
        if (aead := ciphers.get(head)) is None:
            aead = ciphers[head] = _cipher(ring, scope, head)
        opened.append(unpad(gcm_open(aead, blob[_HEAD:_BODY], blob[_BODY:], context + place)))
    return opened


def _cipher(ring: KeyRing, scope: Scope, head: bytes) -> AESGCM:
    """For values that begin like this. Raises IntegrityError for another format or version 0, as `open_` does."""
    version = int.from_bytes(head[1:], "big")
    if len(head) < _HEAD or head[:1] != _FORMAT or not version:
        raise IntegrityError
    return ring.cipher(version, scope.purpose, scope.instance, scope.vault, scope.repository)


def gcm_seal(aead: AESGCM, nonce: bytes, plaintext: bytes, context: bytes) -> bytes:
    """AES-256-GCM: ciphertext ‖ tag. The nonce is an argument so that published vectors run through this very call."""
    return aead.encrypt(nonce, plaintext, context)


def gcm_open(aead: AESGCM, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
    """The opposite of `gcm_seal`. Raises IntegrityError, also for a nonce or a tag that is too short."""
    try:
        return aead.decrypt(nonce, sealed, context)
    except (InvalidTag, ValueError):
        raise IntegrityError from None


def pad(value: bytes) -> bytes:
    """The length and the value, filled up so that the size tells little. Raises InvalidCallError over 64 KiB."""
    if len(value) > VALUE_BYTES:
        raise InvalidCallError(f"a value must be at most {VALUE_BYTES} bytes")
    length = _LENGTH_BYTES + len(value)
    size = next((size for size in _SMALL_SIZES if length <= size), -(-length // 1024) * 1024)
    return (len(value).to_bytes(_LENGTH_BYTES, "big") + value).ljust(size, b"\0")


def unpad(padded: bytes) -> bytes:
    """The opposite of `pad`. Raises IntegrityError for a length that cannot be."""
    end = _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES], "big")
    if end > len(padded):
        raise IntegrityError
    return padded[_LENGTH_BYTES:end]
