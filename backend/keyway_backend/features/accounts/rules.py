"""Decisions of the device flow (policy.yaml `device_flow`). Pure."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from keyway_core.limits import DEVICE_LOGIN_SECONDS, DEVICE_POLL_SECONDS, REDELIVERY_SECONDS

SLOW_DOWN_SECONDS: Final = 5


class Status(StrEnum):
    """Where a device login stands. `received`: GitHub gave its tokens, which it does once; the rest is still to do."""

    PENDING = "pending"
    RECEIVED = "received"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A sign-in under way, as its row is."""

    id: UUID
    status: Status
    expires_at: datetime
    interval_seconds: int
    approved_at: datetime | None
    session_id: UUID | None

    def answer_without_github(self, moment: datetime) -> dict[str, str] | None:
        """The answer that needs no question to GitHub; None when the session is to be delivered (again)."""
        if self.status is Status.DENIED:
            return denied()
        if self.status is Status.APPROVED:
            return None if self._redeliverable(moment) else expired()
        if self.status is Status.EXPIRED or self.expires_at <= moment:
            return expired()
        return {"status": "pending"}

    def _redeliverable(self, moment: datetime) -> bool:
        return self.approved_at is not None and moment - self.approved_at <= timedelta(seconds=REDELIVERY_SECONDS)


def expired() -> dict[str, str]:
    """The code is too old, used, or was never given out: one answer."""
    message = "This sign-in expired. Run keyway login again."
    return {"status": "expired", "error": "device_code_expired", "message": message}


def denied() -> dict[str, str]:
    """The person said no."""
    return {"status": "denied", "error": "authorization_denied", "message": "The sign-in was refused on GitHub."}


def new_code() -> str:
    """A device code: 64 hex characters."""
    return secrets.token_hex(32)


def code_hash(code: str) -> bytes:
    """What is stored of it."""
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()


def bounded(expires_in: int, interval: int) -> tuple[int, int]:
    """GitHub's lifetime and interval in seconds, within our limits."""
    return min(expires_in, DEVICE_LOGIN_SECONDS), max(interval, DEVICE_POLL_SECONDS)


def install_url(base: str, owner_id: Any, repo_id: Any) -> str:
    """Where to install the App, with the repository chosen already when its ids are known."""
    if not all(
        isinstance(number, int) and not isinstance(number, bool) and number > 0 for number in (owner_id, repo_id)
    ):
        return base
    return f"{base}/permissions?suggested_target_id={owner_id}&repository_ids[]={repo_id}"
