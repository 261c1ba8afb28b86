"""Who is signed in, as far as this process knows: what the browser's cookies say. Nothing is kept here."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from keyway_dashboard.sealing import Seals

SESSION: Final = "__Host-keyway_app"
STARTED: Final = "__Host-keyway_app_start"
FLASH: Final = "__Host-keyway_app_flash"
THEME: Final = "keyway_theme"
START_SECONDS: Final = 600
_FLASH_SECONDS: Final = 60
# A browser drops a cookie of more than 4 KiB, and a proxy the whole answer. Names that others chose can be long.
_FLASH_CHARACTERS: Final = 400
# Tabs in which a sign-in was begun and not ended.
_STARTS: Final = 4
_MAX_SESSION_SECONDS: Final = 24 * 3600
_PROOF_BYTES: Final = 32


@dataclass(frozen=True)
class Session:
    """A signed-in browser. `token` is the backend's; it leaves this process only towards the backend."""

    token: str
    login: str
    id: str
    ends: float

    def __repr__(self) -> str:
        return f"Session(login={self.login!r})"


@dataclass(frozen=True)
class Start:
    """A sign-in that this browser began."""

    state: str
    verifier: str
    target: str
    at: float


@dataclass(frozen=True)
class Flash:
    """A sentence for the next page."""

    text: str
    tone: Literal["good", "bad", "info"] = "good"


class Cookies:
    """Reads and writes what the browser keeps. All of it lives under one host, is hidden from scripts and sealed."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals

    # the session -------------------------------------------------------------------------------------------------

    def session(self, request: Request) -> Session | None:
        """The session of this browser, unless its time is over."""
        kept = self._opened(request, SESSION)
        if kept is None or kept["ends"] < time.time():
            return None
        return Session(kept["token"], kept["login"], kept["id"], kept["ends"])

    def sign_in(self, answer: Response, token: str, login: str, expires_at: str) -> None:
        """Keeps a new session, and forgets the starts."""
        ends = min(_moment(expires_at), time.time() + _MAX_SESSION_SECONDS)
        kept = {"token": token, "login": login, "id": secrets.token_urlsafe(16), "ends": ends}
        self._keep(answer, SESSION, kept, round(ends - time.time()))
        forget(answer, STARTED)

    # sign-ins under way ------------------------------------------------------------------------------------------

    def starts(self, request: Request) -> list[Start]:
        """The sign-ins that this browser began and that can still end well."""
        kept = self._opened(request, STARTED)
        found = [Start(**one) for one in kept["starts"]] if kept is not None else []
        return [one for one in found if one.at + START_SECONDS > time.time()]

    def started(self, answer: Response, before: list[Start], start: Start) -> None:
        """Keeps one more."""
        kept = [vars(one) for one in [*before, start][-_STARTS:]]
        self._keep(answer, STARTED, {"starts": kept}, START_SECONDS)

    # sentences for the next page ---------------------------------------------------------------------------------

    def flash(self, request: Request) -> Flash | None:
        """What the page before wanted to say."""
        kept = self._opened(request, FLASH)
        return Flash(kept["text"], kept["tone"]) if kept is not None else None

    def tell(self, answer: Response, flash: Flash) -> None:
        """Keeps a sentence for the next page."""
        long = len(flash.text) > _FLASH_CHARACTERS
        text = f"{flash.text[:_FLASH_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}" if long else flash.text
        self._keep(answer, FLASH, {"text": text, "tone": flash.tone}, _FLASH_SECONDS)

    # proof that a form is ours -----------------------------------------------------------------------------------

    def proof(self, session: Session) -> str:
        """What a form of this session carries. Different in every page, so that compression tells nothing of it."""
        mask = os.urandom(_PROOF_BYTES)
        return base64.urlsafe_b64encode(mask + _xor(mask, self._seals.proofs(session.id)[0])).decode()

    def proves(self, session: Session, text: str) -> bool:
        """Whether a form carries what this session gave out."""
        try:
            raw = base64.urlsafe_b64decode(text.encode())
        except (binascii.Error, ValueError):
            return False
        if len(raw) != 2 * _PROOF_BYTES:
            return False
        given = _xor(raw[:_PROOF_BYTES], raw[_PROOF_BYTES:])
        return any(hmac.compare_digest(given, right) for right in self._seals.proofs(session.id))

    # marks of what somebody looked at ------------------------------------------------------------------------------

    def mark(self, session: Session, content: str) -> str:
        """What a page carries of a content that its reader looked at: of use to this session, and telling nothing."""
        return self._marks(session, content)[0]

    def marked(self, session: Session, content: str, mark: str) -> bool:
        """Whether the mark is of this very content."""
        return any(hmac.compare_digest(mark.encode(), right.encode()) for right in self._marks(session, content))

    def _marks(self, session: Session, content: str) -> list[str]:
        # A session's id has no blank, so that no mark is a proof.
        return [one.hex() for one in self._seals.proofs(f"{session.id} looked at {content}")]

    # ---------------------------------------------------------------------------------------------------------------

    def _opened(self, request: Request, name: str) -> dict[str, Any] | None:
        text = request.cookies.get(name)
        return self._seals.open(name, text) if text else None

    def _keep(self, answer: Response, name: str, content: dict[str, Any], seconds: int) -> None:
        text = self._seals.seal(name, content)
        answer.set_cookie(name, text, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def forget(answer: Response, name: str) -> None:
    """Takes a cookie away."""
    answer.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _moment(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
