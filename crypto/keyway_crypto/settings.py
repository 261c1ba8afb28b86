"""What the process is told by its environment. A problem names the variable and never its value."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from keyway_crypto.keyring import KEY_BYTES, LARGEST_VERSION, KeyRing

_HEX_KEY = re.compile(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_LEAST_DISTINCT_BYTES = 16
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """The configuration cannot be served with. The message is one line and holds no value."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the process is told, checked. `tls` are PEM files: authority, certificate, key."""

    ring: KeyRing
    host: str
    port: int
    tls: tuple[Path, Path, Path]
    values_per_minute: int
    log_level: str


def read(environ: MutableMapping[str, str]) -> Settings:
    """Reads all variables and takes those with keys out of `environ`. Raises SettingsError for the first problem."""
    ring = _ring(*[_secret(environ, f"ENCRYPTION_KEY{suffix}") for suffix in ("", "S", "_ACTIVE")])
    level = (environ.get("LOG_LEVEL") or "INFO").upper()
    if level not in _LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}")
    per_minute = environ.get("CRYPTO_VALUES_PER_MINUTE") or "6000000"
    return Settings(
        ring=ring,
        host=environ.get("GRPC_HOST") or "0.0.0.0",  # noqa: S104  # who may come in is decided by mutual TLS
        port=_number(environ.get("GRPC_PORT") or "50051", "GRPC_PORT", least=0, most=65_535),
        tls=(_file(environ, "CA"), _file(environ, "CERT"), _file(environ, "KEY")),
        values_per_minute=_number(per_minute, "CRYPTO_VALUES_PER_MINUTE", least=1, most=10**12),
        log_level=level,
    )


def _secret(environ: MutableMapping[str, str], name: str) -> tuple[str, str]:
    """The variable that holds the text, and the text: empty when neither NAME nor NAME_FILE is set."""
    from_file = f"{name}_FILE"
    text, path = environ.pop(name, "").strip(), environ.pop(from_file, "")
    if text and path:
        raise SettingsError(f"{name} and {from_file} are both set: keep one")
    return (from_file, _private_text(path, from_file)) if path else (name, text)


def _private_text(path: str, name: str) -> str:
    try:
        with Path(path).open(encoding="ascii") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & stat.S_IRWXO:
                raise SettingsError(f"{name}: every user of this machine can reach the file, chmod it to 600")
            text = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: the file cannot be read ({type(error).__name__})") from None
    if not text:
        raise SettingsError(f"{name}: the file is empty")
    return text


def _ring(single: tuple[str, str], several: tuple[str, str], active: tuple[str, str]) -> KeyRing:
    (single_name, key), (several_name, pairs), (active_name, version_text) = single, several, active
    if key and pairs:
        raise SettingsError(f"{single_name} and {several_name} are both set: keep one")
    if not key and not pairs:
        raise SettingsError("ENCRYPTION_KEY is missing: 64 hex characters, or ENCRYPTION_KEYS=1:<hex>,2:<hex>")
    keys = _several(pairs, several_name) if pairs else {1: _key(key, single_name)}
    version = _number(version_text, active_name, least=1, most=LARGEST_VERSION) if version_text else max(keys)
    if version not in keys:
        raise SettingsError(f"{active_name} names a version without a key")
    return KeyRing(keys, active=version)


def _several(pairs: str, name: str) -> dict[int, bytes]:
    keys: dict[int, bytes] = {}
    for position, pair in enumerate(pairs.split(","), start=1):
        place = f"{name}: entry {position}"
        version_text, colon, key_text = pair.strip().partition(":")
        if not colon:
            raise SettingsError(f"{place} is not <version>:<{2 * KEY_BYTES} hex characters>")
        version = _number(version_text, f"{place}: the version", least=1, most=LARGEST_VERSION)
        key = _key(key_text, place)
        if version in keys or key in keys.values():
            raise SettingsError(f"{place} repeats a version or a key")
        keys[version] = key
    return keys


def _key(text: str, place: str) -> bytes:
    if not _HEX_KEY.fullmatch(text):
        raise SettingsError(f"{place}: a key is {2 * KEY_BYTES} hex characters, as `openssl rand -hex 32` prints them")
    key = bytes.fromhex(text)
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    if len(set(key)) < _LEAST_DISTINCT_BYTES or len(steps) == 1:
        raise SettingsError(f"{place}: this key is a pattern, not random; make one with `openssl rand -hex 32`")
    return key


def _number(text: str, name: str, *, least: int, most: int) -> int:
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise SettingsError(f"{name} must be a number from {least} to {most}")
    return int(text)


def _file(environ: Mapping[str, str], part: str) -> Path:
    path = Path(environ.get(f"CRYPTO_TLS_{part}_PATH") or "")
    if not path.is_file() or not os.access(path, os.R_OK):
        raise SettingsError(f"CRYPTO_TLS_{part}_PATH must name a readable file: there is no mode without mutual TLS")
    return path
