"""What the process is told by its environment. A problem names the variable and never its value."""

import os
import re
import stat
from collections.abc import Mapping, MutableMapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from keyway_crypto.keyring import LARGEST_VERSION, KeyRing

_VERSIONED_KEY = re.compile(r"([0-9]{1,15}):([0-9A-Fa-f]{64})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_LEAST_DISTINCT_BYTES = 16
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_Named = tuple[str, str]  # the variable and its text, which is empty when the variable is not set


class SettingsError(Exception):
    """The configuration cannot be served with. The message is one line and holds no value."""


class Settings(NamedTuple):
    """Everything that the process is told, checked. `tls` are PEM files: authority, certificate, key."""

    ring: KeyRing
    address: str
    tls: tuple[Path, Path, Path]
    values_per_minute: int
    log_level: str


def read(environ: MutableMapping[str, str]) -> Settings:
    """Reads all variables and takes those with keys out of `environ`. Raises SettingsError for the first problem."""
    ring = _ring(*[_secret(environ, f"ENCRYPTION_KEY{suffix}") for suffix in ("", "S", "_ACTIVE")])
    host = environ.get("GRPC_HOST") or "0.0.0.0"  # noqa: S104  # who may come in is decided by mutual TLS
    port = _number("GRPC_PORT", environ.get("GRPC_PORT") or "50051", range(65_536))
    tls = _file(environ, "CA"), _file(environ, "CERT"), _file(environ, "KEY")
    budget = environ.get("CRYPTO_VALUES_PER_MINUTE") or "6000000"
    values_per_minute = _number("CRYPTO_VALUES_PER_MINUTE", budget, range(1, 10**12 + 1))
    log_level = (environ.get("LOG_LEVEL") or "INFO").upper()
    if log_level not in _LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}")
    return Settings(ring, f"{host}:{port}", tls, values_per_minute, log_level)


def _secret(environ: MutableMapping[str, str], name: str) -> _Named:
    """NAME, or the content of the file that NAME_FILE names, which may not be open to every user of the machine."""
    text, path = environ.pop(name, "").strip(), environ.pop(f"{name}_FILE", "")
    if not path:
        return name, text
    if text:
        raise SettingsError(f"{name} and {name}_FILE are both set: keep one")
    try:
        with Path(path).open(encoding="ascii") as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE: the file cannot be read ({type(error).__name__})") from None
    if mode & stat.S_IRWXO:
        raise SettingsError(f"{name}_FILE: every user of this machine can reach the file, chmod it to 600")
    if not text:
        raise SettingsError(f"{name}_FILE: the file is empty")
    return f"{name}_FILE", text


def _ring(single: _Named, several: _Named, active: _Named) -> KeyRing:
    """A single key has version 1. Of several the highest version is active, unless another is named."""
    if single[1] and several[1]:
        raise SettingsError(f"{single[0]} and {several[0]} are both set: keep one")
    if not single[1] and not several[1]:
        raise SettingsError("ENCRYPTION_KEY is missing: 64 hex characters, or ENCRYPTION_KEYS=1:<hex>,2:<hex>")
    pairs = {f"{several[0]}: entry {number}": pair for number, pair in enumerate(several[1].split(","), start=1)}
    keys: dict[int, bytes] = {}
    for place, pair in (pairs if several[1] else {single[0]: f"1:{single[1]}"}).items():
        version, key = _versioned_key(place, pair.strip())
        if version in keys or key in keys.values():
            raise SettingsError(f"{place} repeats a version or a key")
        keys[version] = key
    version = _number(*active, range(1, LARGEST_VERSION + 1)) if active[1] else max(keys)
    if version not in keys:
        raise SettingsError(f"{active[0]} names a version without a key")
    return KeyRing(keys, active=version)


def _versioned_key(place: str, pair: str) -> tuple[int, bytes]:
    match = _VERSIONED_KEY.fullmatch(pair)
    if not match or not 0 < int(match[1]) <= LARGEST_VERSION:
        form = f"in ENCRYPTION_KEYS behind a version from 1 to {LARGEST_VERSION} and a colon"
        raise SettingsError(f"{place}: a key is 64 hex characters, as `openssl rand -hex 32` prints them, {form}")
    key = bytes.fromhex(match[2])
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    if len(set(key)) < _LEAST_DISTINCT_BYTES or len(steps) == 1:
        raise SettingsError(f"{place}: this key is a pattern, not random; make one with `openssl rand -hex 32`")
    return int(match[1]), key


def _number(name: str, text: str, allowed: range) -> int:
    if not _NUMBER.fullmatch(text) or int(text) not in allowed:
        raise SettingsError(f"{name} must be a number from {allowed[0]} to {allowed[-1]}")
    return int(text)


def _file(environ: Mapping[str, str], part: str) -> Path:
    path = Path(environ.get(f"CRYPTO_TLS_{part}_PATH") or "")
    if not path.is_file() or not os.access(path, os.R_OK):
        raise SettingsError(f"CRYPTO_TLS_{part}_PATH must name a readable file: there is no mode without mutual TLS")
    return path
