"""The master keys, and the keys of vaults that are derived from them (design.md 5).

A vault's key is `HKDF-SHA256(master, salt = instance id, info = canonical("keyway/1", purpose, vault id, repository
id))`: a leaked vault key opens one vault, and a vault row repointed to another repository opens nothing."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NoReturn, final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keyway_crypto.errors import UnknownKeyVersionError

KEY_BYTES = 32
LARGEST_VERSION = (1 << 16) - 1
MANIFESTS = "manifest"
_LABEL = b"keyway/1"
_CACHED_VAULTS = 4_096


@final
class KeyRing:
    """Master keys by version: all of them open, the active one seals. Cannot be printed, pickled, copied or compared.
    `derive` gives the 32 byte key of a vault and purpose, `cipher` its AES-256-GCM; both remember 4,096 of them."""

    __slots__ = ("__keys", "active", "cipher", "derive")

    def __init__(self, keys: Mapping[int, bytes], *, active: int) -> None:
        """Raises ValueError when a key is not 32 bytes, a version not 1..65535, or `active` not among them."""
        sound = all(0 < version <= LARGEST_VERSION and len(key) == KEY_BYTES for version, key in keys.items())
        if active not in keys or not sound:
            raise ValueError("a key ring needs numbered keys of 32 bytes and an active one among them")
        self.__keys, self.active = dict(keys), active
        self.derive = lru_cache(_CACHED_VAULTS)(self._derive)
        self.cipher = lru_cache(_CACHED_VAULTS)(lambda *place: AESGCM(self._derive(*place)))

    def fingerprints(self) -> dict[int, str]:
        """16 hex characters per version, by which people tell keys apart; they say nothing about the key."""
        info = canonical(_LABEL, b"fingerprint")
        return {version: hkdf_sha256(key, b"", info, 8).hex() for version, key in sorted(self.__keys.items())}

    def _derive(self, version: int, purpose: str, instance: bytes, vault: bytes, repository: int) -> bytes:
        """Raises UnknownKeyVersionError."""
        if version not in self.__keys:
            raise UnknownKeyVersionError(f"key version {version} is not configured")
        info = canonical(_LABEL, purpose.encode(), vault, repository.to_bytes(8, "big"))
        return hkdf_sha256(self.__keys[version], instance, info, KEY_BYTES)

    def __repr__(self) -> str:
        return f"KeyRing({len(self.__keys)} keys)"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("key rings are not compared")

    __hash__ = None  # type: ignore[assignment]  # they are no keys of a mapping either

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("key rings are not pickled or copied")


def canonical(*fields: bytes) -> bytes:
    """Each field behind its length (4 bytes, big endian): two different tuples never give the same bytes."""
    return b"".join([len(field).to_bytes(4, "big") + field for field in fields])


def hkdf_sha256(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256; `length` in bytes, at most 8,160 (else ValueError)."""
    return HKDF(SHA256(), length, salt, info).derive(key)
