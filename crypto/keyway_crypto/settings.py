"""What the process is told by its environment. A problem names the variable and never its value."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from keyway_crypto.keyring import KEY_BYTES, KeyRing

_HEX_KEY: Final = re.compile(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}", re.ASCII)
_VERSION: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_LARGEST_VERSION: Final = (1 << 16) - 1
_LEAST_DISTINCT_BYTES: Final = 16
_LARGEST_KEY_FILE: Final = 65_536
_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """The configuration cannot be served with. The message is one line and holds no value."""


@dataclass(frozen=True, slots=True)
class TlsPaths:
    """PEM files: the authority whose clients are accepted, and the service's own certificate and key."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the process is told, checked."""

    ring: KeyRing
    host: str
    port: int
    tls: TlsPaths
    values_per_minute: int
    log_level: str


def read(environ: MutableMapping[str, str]) -> Settings:
    """Reads all variables and takes those with keys out of `environ`. Raises SettingsError for the first problem."""
    return Settings(
        ring=_ring(
            *[_secret(environ, name) for name in ("ENCRYPTION_KEY", "ENCRYPTION_KEYS", "ENCRYPTION_KEY_ACTIVE")]
        ),
        host=environ.get("GRPC_HOST") or "0.0.0.0",  # noqa: S104  # who may come in is decided by mutual TLS
        port=_number(environ, "GRPC_PORT", default=50_051, least=0, most=65_535),
        tls=TlsPaths(
            authority=_file(environ, "CRYPTO_TLS_CA_PATH"),
            certificate=_file(environ, "CRYPTO_TLS_CERT_PATH"),
            key=_file(environ, "CRYPTO_TLS_KEY_PATH"),
        ),
        values_per_minute=_number(environ, "CRYPTO_VALUES_PER_MINUTE", default=6_000_000, least=1, most=10**12),
        log_level=_log_level(environ),
    )


def _secret(environ: MutableMapping[str, str], name: str) -> tuple[str, str]:
    """The variable that holds the text, and the text; empty when neither NAME nor NAME_FILE is set."""
    from_file = f"{name}_FILE"
    text, path = environ.pop(name, ""), environ.pop(from_file, "")
    if text and path:
        raise SettingsError(f"{name} and {from_file} are both set: keep one")
    return (from_file, _read_private(path, from_file)) if path else (name, text.strip())


def _read_private(path: str, name: str) -> str:
    try:
        with Path(path).open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & stat.S_IRWXO:
                raise SettingsError(f"{name}: every user of this machine can reach the file, chmod it to 600")
            text = file.read(_LARGEST_KEY_FILE).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: the file cannot be read ({type(error).__name__})") from None
    if not text:
        raise SettingsError(f"{name}: the file is empty")
    return text


def _ring(single: tuple[str, str], several: tuple[str, str], active: tuple[str, str]) -> KeyRing:
    if single[1] and several[1]:
        raise SettingsError(f"{single[0]} and {several[0]} are both set: keep one")
    if several[1]:
        keys = _several(*several)
    elif single[1]:
        keys = {1: _key(single[1], single[0])}
    else:
        raise SettingsError("ENCRYPTION_KEY is missing: 64 hex characters, or ENCRYPTION_KEYS=1:<hex>,2:<hex>")
    name, text = active
    version = _key_version(text, name) if text else max(keys)
    if version not in keys:
        raise SettingsError(f"{name} names a version that ENCRYPTION_KEYS does not hold")
    return KeyRing(keys, active=version)


def _several(name: str, text: str) -> dict[int, bytes]:
    keys: dict[int, bytes] = {}
    for position, pair in enumerate(text.split(","), start=1):
        place = f"{name}: entry {position}"
        version_text, colon, key_text = pair.strip().partition(":")
        if not colon:
            raise SettingsError(f"{place} is not <version>:<64 hex characters>")
        version, key = _key_version(version_text, place), _key(key_text, place)
        if version in keys or key in keys.values():
            raise SettingsError(f"{place} repeats a version or a key")
        keys[version] = key
    return keys


def _key_version(text: str, place: str) -> int:
    if not _VERSION.fullmatch(text) or int(text) > _LARGEST_VERSION:
        raise SettingsError(f"{place}: a version is a number from 1 to {_LARGEST_VERSION}")
    return int(text)


def _key(text: str, place: str) -> bytes:
    if not _HEX_KEY.fullmatch(text):
        raise SettingsError(f"{place}: a key is {2 * KEY_BYTES} hex characters, as `openssl rand -hex 32` prints them")
    key = bytes.fromhex(text)
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    if len(set(key)) < _LEAST_DISTINCT_BYTES or len(steps) == 1:
        raise SettingsError(f"{place}: this key is a pattern, not random; make one with `openssl rand -hex 32`")
    return key


def _file(environ: Mapping[str, str], name: str) -> Path:
    path = environ.get(name)
    if not path:
        raise SettingsError(f"{name} is missing: there is no mode without mutual TLS")
    if not os.access(path, os.R_OK):
        raise SettingsError(f"{name}: the file cannot be read")
    return Path(path)


def _number(environ: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not least <= int(text[:20]) <= most:
        raise SettingsError(f"{name} must be a number from {least} to {most}")
    return int(text)


def _log_level(environ: Mapping[str, str]) -> str:
    level = (environ.get("LOG_LEVEL") or "INFO").upper()
    if level not in _LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}")
    return level
