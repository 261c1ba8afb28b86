"""Scripted faults: what the k-th call from now on to some endpoints meets instead of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

KINDS: Final = (
    "status",  # this status with GitHub's error form
    "delay",  # the right answer, `seconds` late
    "stale",  # the answer of this moment, sent `seconds` later
    "hang",  # no answer at all
    "reset",  # the connection is reset
    "truncate",  # the right headers, half of the right body, then the end; without a body nothing at all
    "not_json",  # 200 and a page
    "wrong_shape",  # 200 and JSON of another shape
    "redirect",  # 302 to `location`
    "rate_limit",  # 403, primary limit, nothing remaining
    "secondary_limit",  # 403, secondary limit with Retry-After
)


@dataclass
class Fault:
    """`pattern` is "METHOD /path" with * for anything. It meets `times` calls from number `call` on; 0 times is all."""

    kind: str
    pattern: str = "*"
    call: int = 1
    times: int = 1
    status: int = 500
    seconds: float = 0.0
    location: str = "https://elsewhere.example.test/"
    headers: dict[str, str] = field(default_factory=dict)
    seen: int = 0
    met: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault; known are {', '.join(KINDS)}")

    def meets(self, call: str) -> bool:
        """Counts a call that matches, and says whether it is one of those to disturb."""
        if not fnmatchcase(call, self.pattern):
            return False
        self.seen += 1
        hit = self.seen >= self.call and (self.times == 0 or self.seen < self.call + self.times)
        self.met += hit
        return hit


class Faults:
    """The faults of now. The first that meets a call decides; every one that matches counts it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, arguments: dict[str, Any]) -> int:
        """Adds a fault; its number."""
        self._faults.append(Fault(**arguments))
        return len(self._faults) - 1

    def clear(self) -> None:
        """Back to a healthy GitHub."""
        self._faults.clear()

    def for_call(self, method: str, path: str) -> Fault | None:
        """The fault that this call meets."""
        hits = [fault for fault in self._faults if fault.meets(f"{method} {path}")]
        return hits[0] if hits else None

    def met(self) -> list[int]:
        """How many calls each fault disturbed."""
        return [fault.met for fault in self._faults]
