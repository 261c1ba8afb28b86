"""The session that a cookie carries, and the proof that a write came from a page of ours (policy.yaml `transport`)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.requests import Request

from keyway_backend.platform import cookies

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class TwoCookies(ValueError):
    """Two cookies of one name: which of them a browser sent on purpose cannot be told."""


class SessionCookie:
    """How this installation's session cookie is called, and which pages may write with it."""

    def __init__(self, name: str, origins: Collection[str]) -> None:
        self._name = name
        self._origins = frozenset(origins)

    def read(self, request: Request) -> str | None:
        """The cookie's content, None without one. Raises TwoCookies."""
        found = cookies.sent(request, self._name)
        if len(found) > 1:
            raise TwoCookies(self._name)
        return found[0] if found else None

    def is_sent(self, request: Request) -> bool:
        """Whether there is one, whatever it holds."""
        return bool(cookies.sent(request, self._name))

    def is_proven(self, request: Request) -> bool:
        """Whether a request that a cookie speaks for came from a page of ours; one that only reads needs no proof."""
        if request.method in _SAFE:
            return True
        given = request.headers
        return given.get("origin") in self._origins or given.get("sec-fetch-site") == "same-origin"
