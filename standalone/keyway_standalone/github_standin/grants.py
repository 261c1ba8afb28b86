"""Tokens and codes that the stand-in gave out. Tokens are kept by their hash and survive a restart; codes do not."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import string
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from .keeping import Keeper

USER_TOKEN_SECONDS: Final = 28_800
REFRESH_TOKEN_SECONDS: Final = 15_897_600
INSTALLATION_TOKEN_SECONDS: Final = 3_600
DEVICE_CODE_SECONDS: Final = 899
DEVICE_INTERVAL_SECONDS: Final = 5
CODE_SECONDS: Final = 600
_ALPHABET: Final = string.ascii_letters + string.digits
_USER_CODE_ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
# GitHub's forms: a person's token for an App, its refresh token, an installation's, an OAuth App's, personal ones.
PREFIXES: Final = {"ghu": 36, "ghr": 76, "ghs": 36, "gho": 36, "ghp": 36, "github_pat": 82}


@dataclass
class Token:
    """A token of a person (`user_id`) or of an installation. `ours` says whether our App asked for it."""

    kind: str
    expires_at: float | None
    user_id: int = 0
    ours: bool = True
    installation_id: int = 0
    repo_ids: list[int] | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    partner: str = ""  # the access token's refresh token, and the other way round, by hash

    @property
    def alive(self) -> bool:
        """Whether it did not expire yet."""
        return self.expires_at is None or time.time() < self.expires_at


@dataclass
class DeviceCode:
    """One device sign-in. `user_id` is who consented, 0 is nobody yet."""

    device_code: str
    user_code: str
    expires_at: float
    interval: int = DEVICE_INTERVAL_SECONDS
    last_poll: float = 0.0
    user_id: int = 0
    denied: bool = False


@dataclass(frozen=True)
class AuthorizationCode:
    """One consent of the web flow, bound to its redirect address and its PKCE challenge."""

    user_id: int
    redirect_uri: str
    challenge: str
    expires_at: float

    def opened_by(self, verifier: str) -> bool:
        """Whether `verifier` belongs to the challenge. Without a challenge there must be no verifier."""
        digest = hashlib.sha256(verifier.encode()).digest()
        given = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() if verifier else ""
        return secrets.compare_digest(given, self.challenge)


class Grants:
    """Every live token and code."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.keeper = Keeper(self._save)
        self.tokens: dict[str, Token] = {}
        self.devices: dict[str, DeviceCode] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        if path.exists():
            kept: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
            self.tokens = {key: Token(**value) for key, value in kept.items()}

    def issue(self, token: Token) -> str:
        """A new token; only its hash is kept."""
        text = _random(token.kind)
        self.tokens[hash_of(text)] = token
        self.keeper.changed()
        return text

    def issue_pair(self, user_id: int, *, seconds: int = USER_TOKEN_SECONDS) -> tuple[str, str]:
        """(access token, refresh token) of our App for a person."""
        now = time.time()
        access = self.issue(Token("ghu", now + seconds, user_id))
        refresh = self.issue(Token("ghr", now + REFRESH_TOKEN_SECONDS, user_id, partner=hash_of(access)))
        self.tokens[hash_of(access)].partner = hash_of(refresh)
        self.keeper.changed()
        return access, refresh

    def find(self, text: str) -> Token | None:
        """The live token behind a text."""
        token = self.tokens.get(hash_of(text))
        return token if token and token.alive else None

    def revoke(self, text: str) -> None:
        """Ends a token and its partner."""
        gone = self.tokens.pop(hash_of(text), None)
        if gone:
            self.tokens.pop(gone.partner, None)
            self.keeper.changed()

    def revoke_where(self, **wanted: int) -> int:
        """Ends every token whose fields equal `wanted`; how many these were."""
        doomed = [
            key
            for key, token in self.tokens.items()
            if all(getattr(token, name) == is_ for name, is_ in wanted.items())
        ]
        for key in doomed:
            del self.tokens[key]
        self.keeper.changed()
        return len(doomed)

    def start_device(self) -> DeviceCode:
        """A new device sign-in."""
        letters = "".join(secrets.choice(_USER_CODE_ALPHABET) for _ in range(8))
        user_code = f"{letters[:4]}-{letters[4:]}"
        device = DeviceCode(secrets.token_hex(20), user_code, time.time() + DEVICE_CODE_SECONDS)
        self.devices[device.device_code] = device
        return device

    def device_by_user_code(self, user_code: str) -> DeviceCode | None:
        """The open sign-in that shows this code, however it was typed."""
        typed = "".join(filter(str.isalpha, user_code)).upper()
        for device in self.devices.values():
            if device.user_code.replace("-", "") == typed and time.time() < device.expires_at:
                return device
        return None

    def issue_code(self, code: AuthorizationCode) -> str:
        """A code of the web flow, good for one exchange."""
        text = secrets.token_hex(10)
        self.codes[text] = code
        return text

    def _save(self) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps({key: asdict(token) for key, token in self.tokens.items()}), encoding="utf-8")
        os.replace(draft, self._path)  # noqa: PTH105 - says atomic


def hash_of(text: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def _random(kind: str) -> str:
    return f"{kind}_" + "".join(secrets.choice(_ALPHABET) for _ in range(PREFIXES[kind]))
