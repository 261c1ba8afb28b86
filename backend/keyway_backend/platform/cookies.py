"""Cookies: what a browser sent, and what it is told to keep.

The session lies in `__Host-keyway_session`, which no other host can set or read. Where SESSION_COOKIE_DOMAIN is set, it
lies in `keyway_session` of that parent domain instead, beside a flag that the public dashboard's scripts read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from keyway_backend.platform.clock import now

HOST_SESSION: Final = "__Host-keyway_session"
LEGACY_SESSION: Final = "keyway_session"
LEGACY_FLAG: Final = "keyway_logged_in"


def sent(connection: HTTPConnection, name: str) -> list[str]:
    """Every value that the request carries under a name: a proper one carries at most one."""
    pairs = [pair for line in connection.headers.getlist("cookie") for pair in line.split(";")]
    split = [pair.strip().partition("=") for pair in pairs]
    return [value for found, equals, value in split if equals and found == name]


def keep(response: Response, name: str, value: str, *, seconds: int) -> None:
    """A cookie of this host alone, that no script reads. `name` begins with __Host-."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def drop(response: Response, name: str) -> None:
    """Takes a cookie of this host away."""
    keep(response, name, "", seconds=0)


class SessionCookies:
    """The cookies of a browser's session."""

    def __init__(self, parent_domain: str) -> None:
        self._domain = parent_domain or None
        self.name = LEGACY_SESSION if parent_domain else HOST_SESSION

    def set(self, response: Response, token: str, end: datetime) -> None:
        """Signs the browser in until `end`."""
        self._write(response, token, "true", max(1, int((end - now()).total_seconds())))

    def clear(self, response: Response) -> None:
        """Signs the browser out."""
        self._write(response, "", "", 0)

    def _write(self, response: Response, token: str, flag: str, seconds: int) -> None:
        if self._domain is None:
            keep(response, HOST_SESSION, token, seconds=seconds)
            return
        for name, value, hidden in ((LEGACY_SESSION, token, True), (LEGACY_FLAG, flag, False)):
            response.set_cookie(
                name,
                value,
                max_age=seconds,
                path="/",
                domain=self._domain,
                secure=True,
                httponly=hidden,
                samesite="lax",
            )
