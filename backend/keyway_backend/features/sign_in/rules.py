"""Decisions of the web sign-in (policy.yaml `credentials.once_only`). Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

_TARGET_CHARACTERS: Final = 2_000
# What may stand behind an origin on the allow-list: a path and a query of plain characters. No backslash, no control
# character, no fragment, nothing beyond ASCII; and no path that begins with two slashes or walks upwards.
# Each repetition begins with a slash, so that no address takes longer than its length.
_REST: Final = re.compile(r"(/|(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+/?)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")
_UPWARDS: Final = re.compile(r"(^|/)(\.|%2e){1,2}(/|$)|%2f|%5c|%0|%1", re.IGNORECASE)
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class WrongTarget(ValueError):
    """An address to return to that is not on the list."""


class WrongChallenge(ValueError):
    """No PKCE challenge of method S256, or one where none belongs."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where a sign-in may lead. `own` is our dashboard's; people agree before they are signed in for another one."""

    own: str
    allowed: Collection[str]

    @property
    def home(self) -> str:
        """Where a sign-in leads that names no address."""
        return f"{self.own}/"

    def target(self, redirect_uri: str | None) -> str:
        """The address to return to. Raises WrongTarget: an origin counts only when it is spelled like on the list."""
        if redirect_uri is None:
            return self.home
        if len(redirect_uri) > _TARGET_CHARACTERS:
            raise WrongTarget
        for origin in {self.own, *self.allowed}:
            rest = redirect_uri.removeprefix(origin)
            if (
                redirect_uri.startswith(origin)
                and _REST.fullmatch(rest)
                and not _UPWARDS.search(rest.partition("?")[0])
            ):
                return redirect_uri
        raise WrongTarget

    def is_own(self, target: str) -> bool:
        """Whether it is our dashboard."""
        return origin_of(target) == self.own


def origin_of(url: str) -> str:
    """scheme://host[:port]"""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def challenge_of(challenge: str | None, method: str | None, *, own: bool) -> str | None:
    """The dashboard's PKCE challenge, None without one. Raises WrongChallenge."""
    if challenge is None and method is None:
        return None
    if not own or method != "S256" or challenge is None or _SECRET.fullmatch(challenge) is None:
        raise WrongChallenge
    return challenge


def fits(verifier: str, challenge: str) -> bool:
    """Whether a verifier belongs to a challenge (RFC 7636, S256)."""
    return _VERIFIER.fullmatch(verifier) is not None and hmac.compare_digest(s256(verifier), challenge)


def s256(verifier: str) -> str:
    """The challenge of a verifier."""
    return _text(hashlib.sha256(verifier.encode()).digest())


def verifier_of(key: bytes, browser: str, state: str) -> str:
    """Our own PKCE verifier towards GitHub: made again from what the browser brings back, stored nowhere."""
    return _text(hmac.digest(key, f"{browser}.{state}".encode(), "sha256"))


def new_secret() -> str:
    """A state, a nonce, a ticket: 43 url-safe characters."""
    return secrets.token_urlsafe(32)


def is_secret(text: str | None) -> bool:
    """Whether it has the form of one."""
    return text is not None and _SECRET.fullmatch(text) is not None


def hash_of(secret: str) -> bytes:
    """What is stored of one."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def with_code(target: str, code: str) -> str:
    """The address with the one-time code; a code that it brought along itself is dropped."""
    parts = urlsplit(target)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "code"]
    return parts._replace(query=urlencode([*kept, ("code", code)])).geturl()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
