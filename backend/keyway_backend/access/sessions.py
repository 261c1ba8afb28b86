"""Session tokens: who somebody is comes from the signature; the row behind `session_id` can only take that away."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import jwt

from keyway_backend.platform.clock import now

_ISSUER: Final = "keyway-api"
_ALGORITHM: Final = "HS256"
_REQUIRED: Final = ["exp", "iat", "iss", "sub", "sid"]
_REMEMBERED: Final = 4096
# The library reads signatures with padding or with signs that stand for nothing as well. One session has one token, or
# else each way to write it would have its own share of every limit.
_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


class InvalidSession(ValueError):
    """Not a token of ours, or one that is too old."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a token says. `login` is a label."""

    id: UUID
    user_id: UUID
    github_user_id: int
    login: str


class SessionTokens:
    """Signs with the present secret, and accepts the one before while it is being replaced."""

    def __init__(self, secret: str, previous: str = "") -> None:
        self._secrets = [secret, previous] if previous else [secret]
        self._verified: OrderedDict[bytes, tuple[float, Session]] = OrderedDict()

    def issue(self, session: Session, expires_at: datetime) -> str:
        """A JWT with the claims of contract.md 2.2 and `sid`."""
        claims = {
            "userId": str(session.user_id),
            "forgeType": "github",
            "forgeUserId": str(session.github_user_id),
            "username": session.login,
            "sid": str(session.id),
            "iss": _ISSUER,
            "sub": str(session.user_id),
            "iat": now(),
            "exp": expires_at,
        }
        return jwt.encode(claims, self._secrets[0], algorithm=_ALGORITHM)

    def verify(self, token: str) -> Session:
        """What the token says. Raises InvalidSession. A token seen before costs a hash instead of a signature."""
        digest = blake2b(token.encode("utf-8", "replace"), digest_size=16).digest()
        known = self._verified.get(digest)
        if known is None:
            known = self._verified[digest] = self._check(token)
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        if known[0] <= time.time():
            raise InvalidSession("expired")
        return known[1]

    def _check(self, token: str) -> tuple[float, Session]:
        if _FORM.fullmatch(token) is None:
            raise InvalidSession("not in the one form of a token")
        for secret in self._secrets:
            try:
                claims = jwt.decode(
                    token, secret, algorithms=[_ALGORITHM], issuer=_ISSUER, options={"require": _REQUIRED}
                )
                return float(claims["exp"]), _session(claims)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, AttributeError):
                break
        raise InvalidSession("not a session token")


def _session(claims: dict[str, Any]) -> Session:
    return Session(UUID(claims["sid"]), UUID(claims["sub"]), int(claims["forgeUserId"]), str(claims["username"]))
