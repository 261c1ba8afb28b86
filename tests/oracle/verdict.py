"""Plays the cells of the matrix of all routes, and judges what came back."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from . import canaries
from .crowd import Caller, Crowd, Ground
from .every_route import ENDS_SESSIONS, VALUES, VAULT, Cell, call, hidden
from .fresh import made_for
from .policy import Policy
from .wire import Answer, Call, Line, send

SENDERS: Final = 4
_REFUSED: Final = 401
_TOGETHER: Final = 200
RESET: Final = ("DELETE", f"{VAULT}/permissions/reset")
# What somebody did stays theirs to see after access is lost (policy.yaml `roles.rows.own`), as they did it.
OWN_ROWS: Final = "/v1/activity"


@dataclass(frozen=True)
class Played:
    """A cell with what was sent and what came."""

    cell: Cell
    call: Call
    answer: Answer

    @property
    def is_right(self) -> bool:
        """Whether the status is one that the policy gives."""
        return self.answer.status in self.cell.expected

    def __str__(self) -> str:
        told = self.answer.body[:160]
        return f"{self.cell}: {self.answer.status} instead of {sorted(self.cell.expected)} {told!r}"


def play(crowd: Crowd, cells: Iterable[Cell]) -> Iterator[Played]:
    """What reads or must be refused by several at a time; then what changes, one after the other; sign-outs at last."""
    every = list(cells)
    ends = [cell for cell in every if cell.route in ENDS_SESSIONS and cell.changes]
    changes = [cell for cell in every if cell.changes and cell.route not in ENDS_SESSIONS]
    senders = _Senders(crowd)
    with ThreadPoolExecutor(SENDERS) as pool:
        yield from pool.map(senders.play, [cell for cell in every if not cell.changes])
    for cell in (*sorted(changes, key=lambda cell: cell.route == RESET), *ends):
        yield senders.play(cell)


class _Senders(threading.local):
    """A connection for each thread."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._line = Line(crowd.stack.api_url)
        self._asking = {route for route, told in Policy.load().routes.items() if told["scope"] != "none"}

    def play(self, cell: Cell) -> Played:
        """A cell. Who is refused is counted by address, and so is everybody where no credential is asked for: those
        come from an address of their own."""
        made = call(self._crowd, cell, made_for(self._crowd, cell))
        known = cell.caller.good and _REFUSED not in cell.expected and cell.route in self._asking
        return Played(cell, made, self._line.send(made) if known else send(self._crowd.stack.api_url, made))


@dataclass(frozen=True)
class _Needle:
    ground: Ground
    environment: str
    text: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} of {self.ground.label} {self.environment}"


class Verdict:
    """Each method lists what is wrong; an empty list is a pass."""

    def __init__(self, policy: Policy, crowd: Crowd) -> None:
        self._policy = policy
        self._needles = list(_needles(crowd))
        self._forms = {one.text: list(canaries.forms(one.text).values()) for one in self._needles}

    def statuses(self, played: Iterable[Played]) -> list[str]:
        """Answers with another status than the policy's."""
        return [str(one) for one in played if not one.is_right]

    def grants(self, played: Iterable[Played]) -> list[str]:
        """Those of them that were let in."""
        return [str(one) for one in played if not one.is_right and one.answer.status < 300]

    def leaks(self, played: Iterable[Played]) -> list[str]:
        """Answers that hold a key, a value or an id, and went to somebody who may not see it there."""
        every = list(played)
        parts = [every[first : first + _TOGETHER] for first in range(0, len(every), _TOGETHER)]
        return [f"{one.cell}: {needle}" for part in parts for one, needle in self._leaks_of(part)]

    def _leaks_of(self, part: Sequence[Played]) -> Iterator[tuple[Played, _Needle]]:
        """What is in none of the answers together is not looked for in each."""
        raws = [one.answer.raw for one in part]
        together = b"\n".join(raws)
        there = [(needle, [form for form in self._forms[needle.text] if form in together]) for needle in self._needles]
        for one, raw in zip(part, raws, strict=True):
            for needle, forms in there:
                if any(form in raw for form in forms) and not self._may_see(one, one.cell.caller, needle):
                    yield one, needle

    def _may_see(self, one: Played, caller: Caller, needle: _Needle) -> bool:
        role, created = caller.roles.get(needle.ground.label), needle.ground.label in caller.created
        if needle.kind == "id":
            return caller.good and (role is not None or created)
        if needle.kind == "key" and (needle.text in one.call.path or (created and one.cell.ask.path == OWN_ROWS)):
            return True
        readable = caller.good and self._policy.may(role, needle.environment, "env:read")
        if not readable or not _inside(caller, needle) or needle.ground.label == "suspended":
            return False
        asked = one.cell.ground is needle.ground and one.cell.variant.environment == needle.environment
        return needle.kind == "key" or (asked and one.cell.ask.path in VALUES)

    def foreign_unlike_missing(self, played: Iterable[Played]) -> list[str]:
        """Answers about what is somebody else's and what is not there, that are not the same bytes."""
        groups: dict[tuple[str, ...], list[Played]] = {}
        for one in played:
            if (about := hidden(one.cell)) is not None:
                groups.setdefault((one.cell.caller.name, *one.cell.route, *about), []).append(one)
        return [line for group in groups.values() for line in _unlike(group)]

    def credentials(self, played: Iterable[Played]) -> list[str]:
        """Answers that repeat the credential that came along."""
        return [
            str(one.cell)
            for one in played
            if any(token.encode() in one.answer.raw for token in one.cell.caller.tokens if one.cell.caller.good)
        ]


def _inside(caller: Caller, needle: _Needle) -> bool:
    if caller.bound is None:
        return True
    label, environment = caller.bound
    return needle.ground.label == label and environment in {None, needle.environment}


def _needles(crowd: Crowd) -> Iterator[_Needle]:
    for ground in crowd.grounds.values():
        yield from (_Needle(ground, "", mark, "id") for mark in ground.marks)
        for environment, (canary, trashed, later) in ground.deposits.items():
            yield from (_Needle(ground, environment, one.key, "key") for one in (canary, trashed))
            yield from (_Needle(ground, environment, one.value, "value") for one in (canary, trashed, later))


def _unlike(group: Sequence[Played]) -> Iterator[str]:
    first, *others = group
    for other in others:
        if _compared(first) != _compared(other):
            yield f"{first.cell} is unlike {other.cell}:\n  {_compared(first)!r}\n  {_compared(other)!r}"


def _compared(one: Played) -> bytes:
    """An answer without the names that the request itself carried. That to a HEAD tells the length of a body which
    would have repeated its path."""
    ground, answer = one.cell.ground, one.answer
    names = (ground.full_name, quote(ground.full_name, safe="")) if ground else ()
    if one.cell.ask.method == "HEAD":
        kept = tuple(pair for pair in answer.headers if pair[0].lower() != "content-length")
        length = int(answer.header("content-length") or 0) - len(one.call.path)
        answer = replace(answer, headers=(*kept, ("x-length-without-path", str(length))))
    return answer.comparable(one.call.path, *names)
