"""Spending less of GitHub's rate limit: unchanged answers cost nothing, and an empty purse is not opened again.

GitHub does not count a conditional request that it answers with 304. What is kept is kept per credential, so that no
answer to one is ever shown to another.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from githubkit import Response

_ENTRIES: Final = 500
_BYTES: Final = 2_097_152
_ENTRY_BYTES: Final = 65_536
_LONGEST_SECONDS: Final = 3_600.0

Key = tuple[str, bytes]


class Answers:
    """The last answers that GitHub gave an ETag to, the oldest forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Response[Any]] = OrderedDict()
        self._bytes = 0

    def condition(self, key: Key) -> dict[str, str]:
        """The header that asks for news only; none when nothing is kept."""
        kept = self._kept.get(key)
        return {} if kept is None else {"If-None-Match": kept.headers["etag"]}

    def answer(self, key: Key, response: Response[Any]) -> Response[Any]:
        """The answer itself: what is kept when GitHub says that it still holds, else the new one, which is kept."""
        if response.status_code == 304 and key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if response.status_code == 200 and "etag" in response.headers and len(response.content) <= _ENTRY_BYTES:
            self._forget(key)
            self._kept[key] = response
            self._bytes += len(response.content)
            while len(self._kept) > _ENTRIES or self._bytes > _BYTES:
                self._forget(next(iter(self._kept)))
        return response

    def _forget(self, key: Key) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._bytes -= len(gone.content)


class Purse:
    """Which credentials have nothing left, and until when."""

    def __init__(self) -> None:
        self._empty: dict[bytes, float] = {}

    def note(self, auth: str, headers: Mapping[str, str]) -> None:
        """Reads what GitHub says of the rate limit. Only an end that it names counts: a guess would lock us out."""
        left, reset = headers.get("x-ratelimit-remaining", ""), headers.get("x-ratelimit-reset", "")
        if left == "0" and reset.isdecimal():
            seconds = min(int(reset) - time.time(), _LONGEST_SECONDS)
            self._empty[digest(auth)] = time.monotonic() + seconds

    def wait(self, auth: str) -> int:
        """Seconds until a call with this credential makes sense; 0 for now."""
        until = self._empty.get(digest(auth))
        if until is None:
            return 0
        left = until - time.monotonic()
        if left <= 0:
            del self._empty[digest(auth)]
            return 0
        return max(1, int(left))


def digest(auth: str) -> bytes:
    """Stands for a credential, which is not kept."""
    return blake2b(auth.encode(), digest_size=16).digest()
