"""The login that the earlier command line (the public Go and Node clients) keeps, so that switching is one command.

It is sealed with AES-256-GCM under a key in a file beside it (contract.md 11.3). It does not say at which server it is
valid, so it is used only when somebody says so, and only after the server knew it. It is read and never changed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from keyway_core.sensitive import Sensitive

from keyway_cli import system
from keyway_cli.errors import Misconfigured
from keyway_cli.files import is_private, reason

_PROJECT: Final = "keyway-nodejs"
_SEALED: Final = re.compile(r"([0-9a-f]{24,32}):([0-9a-f]{32}):([0-9a-f]+)")


class Earlier(NamedTuple):
    """Who is signed in there, and with what."""

    username: str
    expires_at: str
    token: Sensitive


def folder(home: Path, environ: Mapping[str, str]) -> Path:
    """Where it keeps its login on this system. It does not look at XDG_CONFIG_HOME."""
    if sys.platform == "darwin":
        return home / "Library" / "Preferences" / _PROJECT
    if system.WINDOWS:
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / _PROJECT / "Config"
    return home / ".config" / _PROJECT


def is_there(home: Path, environ: Mapping[str, str]) -> bool:
    """Whether there is such a login, readable or not."""
    return (folder(home, environ) / "config.json").is_file()


def load(home: Path, environ: Mapping[str, str]) -> Earlier:
    """The login. Raises Misconfigured, saying why, when there is none that can be used."""
    path, key_path = folder(home, environ) / "config.json", home / ".keyway" / ".key"
    try:
        sealed = json.loads(path.read_bytes()).get("auth")
        if not is_private(key_path):
            raise Misconfigured(f"{key_path} can be read by others", f"chmod 600 {key_path}, or sign in anew")
        key = bytes.fromhex(key_path.read_text(encoding="ascii").strip())
        kept = json.loads(_opened(key, str(sealed)))
        token, expires = str(kept["keywayToken"]), str(kept.get("expiresAt") or "")
    except FileNotFoundError:
        raise Misconfigured("there is no login of the earlier command line here", "keyway login") from None
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {reason(error)}", "keyway login") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Misconfigured(f"the login in {path} cannot be opened; it was left as it is", "keyway login") from None
    if _is_over(expires):
        raise Misconfigured(f"the login in {path} has expired", "keyway login")
    return Earlier(str(kept.get("githubLogin") or ""), expires, Sensitive(token))


def _opened(key: bytes, sealed: str) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    match = _SEALED.fullmatch(sealed)
    if match is None:
        raise ValueError("not of its form")
    nonce, tag, text = (bytes.fromhex(part) for part in match.groups())
    try:
        return AESGCM(key).decrypt(nonce, text + tag, None)
    except InvalidTag:
        raise ValueError("another key") from None


def _is_over(expires_at: str) -> bool:
    try:
        moment = datetime.fromisoformat(expires_at)
    except ValueError:
        return False
    return moment.replace(tzinfo=moment.tzinfo or UTC) <= datetime.now(UTC)
