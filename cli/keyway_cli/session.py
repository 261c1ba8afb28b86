"""Where a login is kept: the token in the system's keyring, or in a private file where there is none.

One small file per server says who is signed in and where the token is, so that the keyring (slow to load) is only
touched when it holds one, and a second login cannot disturb the first. A file that cannot be read is reported and
never deleted.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from keyway_core.sensitive import Sensitive

from keyway_cli.errors import KeywayError, Misconfigured
from keyway_cli.files import is_private, make_private_folder, reason, write_private

KEYRING_SERVICE: Final = "keyway"
SESSION_SECONDS: Final = 8 * 3_600


class Login(NamedTuple):
    """Who is signed in at a server."""

    api_url: str
    username: str
    expires_at: str
    github_url: str
    token: Sensitive


class Sessions:
    """The logins of this account on this machine, one per server address."""

    def __init__(self, config: Path, store: str, runtime: Path | None = None) -> None:
        self._folder = config / "logins"
        self._store = store
        self._runtime = runtime

    def file(self, api_url: str) -> Path:
        """Where the login of a server is described."""
        return self._folder / f"{quote(api_url, safe='')}.json"

    def servers(self) -> list[str]:
        """The addresses that somebody is signed in at, as the files say."""
        return [str(self._read(path)["apiUrl"]) for path in sorted(self._folder.glob("*.json"))]

    def load(self, api_url: str) -> Login | None:
        """The login of a server, or None. Raises Misconfigured when the file or the keyring cannot be read."""
        path = self.file(api_url)
        if not path.exists():
            return None
        kept = self._read(path)
        token = kept.get("token") or self._from_session(api_url) or self._from_keyring(api_url)
        if not token:
            raise Misconfigured(f"the keyring no longer has the token of {api_url}", "sign in again: keyway login")
        return Login(
            api_url, kept.get("username", ""), kept.get("expiresAt", ""), kept.get("githubUrl", ""), Sensitive(token)
        )

    def store_of(self, api_url: str) -> str:
        """Where the token of a login is kept: `keyring` or `file`."""
        return "file" if self._read(self.file(api_url)).get("token") else "keyring"

    def save(self, login: Login) -> str:
        """Keeps a login and says where: `keyring` or `file`."""
        make_private_folder(self._folder)
        self._end_session(login.api_url)
        described: dict[str, str] = {
            "apiUrl": login.api_url,
            "username": login.username,
            "expiresAt": login.expires_at,
            "githubUrl": login.github_url,
        }
        where = "keyring" if self._store != "file" and self._into_keyring(login) else "file"
        if where == "file":
            described["token"] = login.token.reveal()
        write_private(self.file(login.api_url), json.dumps(described, indent=1).encode())
        return where

    def forget(self, api_url: str) -> None:
        """Removes a login from this machine, from the keyring too if its token is there."""
        path = self.file(api_url)
        self._end_session(api_url)
        if not self._read(path).get("token"):
            _remove_from_keyring(api_url)
        path.unlink(missing_ok=True)

    def check_readable(self, api_url: str) -> None:
        """Raises Misconfigured when there is a login that cannot be read: a new one would overwrite it."""
        path = self.file(api_url)
        if path.exists():
            self._read(path)

    def _from_keyring(self, api_url: str) -> str | None:
        """The token from the keyring, which is then not asked again before the person leaves this machine.

        Loading a keyring takes longer than everything else that a command does. The copy is in memory, in a folder
        that only this person enters and that the system empties; where there is none, the keyring is asked each time.
        """
        token = _from_keyring(api_url)
        if token and self._runtime is not None:
            with contextlib.suppress(KeywayError):
                make_private_folder(self._runtime)
                kept = json.dumps({"token": token, "until": time.time() + SESSION_SECONDS})
                write_private(self._session(api_url), kept.encode())
        return token

    def _from_session(self, api_url: str) -> str | None:
        if self._runtime is None:
            return None
        path = self._session(api_url)
        try:
            if not is_private(path):
                return None
            kept = json.loads(path.read_bytes())
            return str(kept["token"]) if time.time() < float(kept["until"]) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _end_session(self, api_url: str) -> None:
        if self._runtime is not None:
            with contextlib.suppress(OSError):
                self._session(api_url).unlink()

    def _session(self, api_url: str) -> Path:
        return (self._runtime or self._folder) / f"{quote(api_url, safe='')}.json"

    def _into_keyring(self, login: Login) -> bool:
        kept = _into_keyring(login.api_url, login.token)
        if not kept and self._store == "keyring":
            raise Misconfigured("no keyring can be used here", "set KEYWAY_TOKEN_STORE=file for a private file")
        return kept

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            kept = json.loads(path.read_bytes())
        except OSError as error:
            raise Misconfigured(f"the login in {path} cannot be read: {reason(error)}") from None
        except ValueError:
            kept = None
        if not isinstance(kept, dict) or not isinstance(kept.get("apiUrl"), str):
            raise Misconfigured(
                f"the login in {path} is damaged; it was left as it is",
                "look at the file, or move it away and: keyway login",
            )
        return kept


def _into_keyring(account: str, token: Sensitive) -> bool:
    """Whether the keyring took the token and gives it back: some accept everything and keep nothing."""
    import keyring
    import keyring.errors

    try:
        keyring.set_password(KEYRING_SERVICE, account, token.reveal())
        return keyring.get_password(KEYRING_SERVICE, account) == token.reveal()
    except (keyring.errors.KeyringError, RuntimeError, OSError):
        return False


def _from_keyring(account: str) -> str | None:
    import keyring
    import keyring.errors

    try:
        return keyring.get_password(KEYRING_SERVICE, account)
    except (keyring.errors.KeyringError, RuntimeError, OSError) as error:
        raise Misconfigured(
            f"the keyring cannot be read ({type(error).__name__})", "unlock it, or set KEYWAY_TOKEN, or: keyway login"
        ) from None


def _remove_from_keyring(account: str) -> None:
    import keyring
    import keyring.errors

    try:
        keyring.delete_password(KEYRING_SERVICE, account)
    except keyring.errors.PasswordDeleteError:
        return
    except (keyring.errors.KeyringError, RuntimeError, OSError) as error:
        raise Misconfigured(f"the keyring does not give up the token ({type(error).__name__})") from None
