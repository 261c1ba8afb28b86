"""Values kept on this machine for when the server cannot be reached: only where somebody asked, and only for a time.

Each environment is one file, sealed with AES-256-GCM under a key that is made of the sign-in's token and bound to its
server, repository and environment. It opens with that token alone: signing out, or in anew, makes it worthless. Who is
refused by the server loses it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import time
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from keyway_core.sensitive import Sensitive

from keyway_cli.api import Place, Pulled, Revision
from keyway_cli.errors import UsageProblem
from keyway_cli.files import make_private_folder, write_private

LONGEST_SECONDS: Final = 30 * 86_400
_MAGIC: Final = b"keyway cache 1\0"
_NONCE: Final = 12
_CLOCK_SECONDS: Final = 120
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Kept(NamedTuple):
    """What a cache holds, and how long it may be used."""

    pulled: Pulled
    tag: str
    fetched_at: float
    expires_at: float

    def age(self) -> float:
        """Seconds since the server was asked."""
        return time.time() - self.fetched_at

    def usable(self, max_age: float | None) -> bool:
        """Whether it is young enough, by what was said when it was kept and by what is said now.

        A clock that went back makes it unusable, since nobody knows how old it is.
        """
        age = self.age()
        return age >= -_CLOCK_SECONDS and time.time() < self.expires_at and (max_age is None or age < max_age)


class Cache:
    """The cache of one environment on one server for one sign-in."""

    def __init__(self, folder: Path, api_url: str, place: Place, token: Sensitive) -> None:
        parts = (api_url, *place.repository.lower().split("/"), f"{place.environment}.sealed")
        self.path = folder.joinpath("values", *(quote(part, safe="") for part in parts))
        self._key = hmac.new(_MAGIC, token.reveal().encode(), hashlib.sha256).digest()
        self._bound = _MAGIC + json.dumps([api_url, place.repository.lower(), place.environment]).encode()

    def load(self) -> Kept | None:
        """What is kept; None when there is nothing that this sign-in can open."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            data = self.path.read_bytes()
            nonce, sealed = data[len(_MAGIC) :][:_NONCE], data[len(_MAGIC) + _NONCE :]
            kept = json.loads(AESGCM(self._key).decrypt(nonce, sealed, self._bound))
            revision = Revision(int(kept["revision"][0]), str(kept["revision"][1])) if kept["revision"] else None
            values = {str(key): Sensitive(str(value)) for key, value in kept["values"].items()}
            times = float(kept["fetchedAt"]), float(kept["expiresAt"])
        except (OSError, InvalidTag, ValueError, KeyError, TypeError, AttributeError):
            return None
        return Kept(Pulled(values, revision), str(kept.get("tag") or ""), *times)

    def save(self, pulled: Pulled, tag: str, max_age: float) -> None:
        """Keeps values. Raises KeywayError when the file cannot be written."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        now = time.time()
        kept = {
            "values": {key: value.reveal() for key, value in pulled.values.items()},
            "revision": list(pulled.revision) if pulled.revision else None,
            "tag": tag,
            "fetchedAt": now,
            "expiresAt": now + max_age,
        }
        nonce = os.urandom(_NONCE)
        sealed = AESGCM(self._key).encrypt(nonce, json.dumps(kept).encode(), self._bound)
        make_private_folder(self.path.parent)
        write_private(self.path, _MAGIC + nonce + sealed)

    def forget(self) -> None:
        """Removes it."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def seconds_of(text: str) -> float:
    """A time span as it is typed: 90s, 30m, 12h, 7d. Raises UsageProblem."""
    match = re.fullmatch(r"([0-9]{1,7})([smhd])", text.strip().lower())
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise UsageProblem("a time span is written like 30m, 12h or 7d, and is at most 30d")
    return float(seconds)


def spoken(seconds: float) -> str:
    """A time span for a person, roughly."""
    for unit, word in (("d", "day"), ("h", "hour"), ("m", "minute")):
        if seconds >= _UNITS[unit]:
            count = int(seconds // _UNITS[unit])
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{max(0, int(seconds))} seconds"
