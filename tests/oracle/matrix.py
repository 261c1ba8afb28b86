"""The cells of the access matrix, and the judge of their answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from . import canaries
from .cast import ABSENT, NEW_VAULT, Deposit, Place, Principal, World
from .policy import Ask, Policy, Target
from .wire import Answer, Call

PULL, VIEW, PUSH = ("GET", "/v1/secrets/pull"), ("GET", "/v1/secrets/view"), ("POST", "/v1/secrets/push")
VAULT, CREATE, VAULTS = ("GET", "/v1/vaults/{owner}/{repo}"), ("POST", "/v1/vaults"), ("GET", "/v1/vaults")
INSTALLED, REPO_IDS = ("POST", "/v1/github/check-installation"), ("GET", "/v1/github/repo-ids")
LOGOUT: Final = ("POST", "/v1/auth/logout")
PLAIN: Final[dict[tuple[str, str], Any]] = {
    ("GET", "/health"): None,
    ("GET", "/v1/health"): None,
    ("HEAD", "/v1/health"): None,
    ("POST", "/v1/auth/device/start"): {},
    ("POST", "/v1/auth/device/poll"): {"deviceCode": "0" * 64},
    ("GET", "/v1/auth/device/verify"): None,
    ("POST", "/v1/auth/device/verify"): None,
    ("POST", "/v1/auth/token/validate"): {},
    ("GET", "/v1/users/me"): None,
    VAULTS: None,
}
ON_ENVIRONMENTS: Final = (PULL, VIEW, PUSH)
ON_PLACES: Final = (VAULT, INSTALLED, REPO_IDS, CREATE)
ROUTES: Final = (*PLAIN, *ON_ENVIRONMENTS, *ON_PLACES, LOGOUT)


@dataclass(frozen=True)
class Cell:
    """One request of one principal about one object, and what the policy says must answer."""

    principal: Principal
    ask: Ask
    call: Call
    place: Place | None = None
    environment: str | None = None

    @property
    def relation(self) -> str:
        """own, foreign or missing; nothing where no object is named."""
        if self.place is None:
            return "-"
        if self.principal.roles.get(self.place.label) and (self.place.installed or self._created):
            return "own"
        return "missing" if "missing" in self.place.label else "foreign"

    @property
    def _created(self) -> bool:
        return self.place is not None and self.place.label in self.principal.created

    def __str__(self) -> str:
        where = " ".join(part for part in (self.place.label if self.place else "", self.environment) if part)
        return f"{self.ask.method} {self.ask.path} as {self.principal.name} on {where or '-'} ({self.relation})"


@dataclass(frozen=True)
class Played:
    """A cell with its answer."""

    cell: Cell
    answer: Answer


def cells(world: World) -> Iterator[Cell]:
    """Every cell, in an order that can be played: what reads, then what writes, and signing out at last."""
    yield from _plain(world)
    for route in (PULL, VIEW, PUSH):
        yield from _environments(world, route)
    for route in ON_PLACES:
        yield from _places(world, route)
    for principal in world.principals:
        yield Cell(principal, _ask(principal, LOGOUT), Call(*LOGOUT, principal.headers))


def _plain(world: World) -> Iterator[Cell]:
    for route, body in PLAIN.items():
        for principal in world.principals:
            yield Cell(principal, _ask(principal, route), Call(*route, principal.headers, body))


def _environments(world: World, route: tuple[str, str]) -> Iterator[Cell]:
    for place in world.places:
        for environment in (*NEW_VAULT, *ABSENT):
            for principal in world.principals:
                call = _secrets_call(route, place, environment, principal)
                ask = _ask(principal, route, _target(principal, place, environment))
                yield Cell(principal, ask, call, place, environment)


def _places(world: World, route: tuple[str, str]) -> Iterator[Cell]:
    """Those without rights come first, so that nobody finds a vault which a refused person may have made."""
    ranked = sorted(world.principals, key=lambda one: "admin" in one.roles.values())
    for place in world.places:
        for principal in ranked:
            ask = _ask(principal, route, _target(principal, place))
            yield Cell(principal, ask, _place_call(route, place, principal), place)


def _target(principal: Principal, place: Place, environment: str | None = None) -> Target:
    return Target(
        role=principal.roles.get(place.label),
        vault=place.vault,
        installed=place.installed,
        creator=place.label in principal.created,
        environment=environment,
        environment_exists=environment not in ABSENT,
        holds=environment in place.deposits,
    )


def _ask(principal: Principal, route: tuple[str, str], target: Target | None = None) -> Ask:
    return Ask(*route, "good" if principal.good else "bad", target=target)


def _secrets_call(route: tuple[str, str], place: Place, environment: str, principal: Principal) -> Call:
    deposit = place.deposits.get(environment, Deposit("NOTHING_HERE", "nothing"))
    if route == PUSH:
        pushed = {deposit.key: deposit.value, own_key(principal): "kept"}
        body = {"repoFullName": place.full_name, "environment": environment, "secrets": pushed}
        return Call(*PUSH, principal.headers, body)
    path = f"{route[1]}?repo={quote(place.full_name, safe='')}&environment={environment}"
    return Call("GET", path + (f"&key={deposit.key}" if route == VIEW else ""), principal.headers)


def own_key(principal: Principal) -> str:
    """The key that a principal leaves behind wherever its push is let in."""
    return "LEFT_BY_" + principal.name.upper().replace(" ", "_").replace("'", "")


def _place_call(route: tuple[str, str], place: Place, principal: Principal) -> Call:
    if route == INSTALLED:
        return Call(*route, principal.headers, {"repoOwner": place.owner, "repoName": place.repo})
    if route == CREATE:
        return Call(*route, principal.headers, {"repoFullName": place.full_name})
    if route == REPO_IDS:
        return Call("GET", f"{route[1]}?repo={quote(place.full_name, safe='')}", principal.headers)
    return Call("GET", f"/v1/vaults/{place.full_name}", principal.headers)


@dataclass(frozen=True)
class _Hidden:
    place: Place
    environment: str
    text: str
    is_key: bool

    def __str__(self) -> str:
        return f"{'key' if self.is_key else 'value'} of {self.place.label} {self.environment}"


class Judge:
    """Compares answers with the policy. Each method lists what is wrong; an empty list is a pass."""

    def __init__(self, policy: Policy, world: World) -> None:
        self.policy = policy
        self.world = world
        self._needles = {
            text: _Hidden(place, environment, text, is_key=text == deposit.key)
            for place in world.places
            for environment, deposit in place.deposits.items()
            for text in (deposit.key, deposit.value)
        }

    def statuses(self, played: Iterable[Played]) -> list[str]:
        """Answers with another status than the policy's."""
        wrong = []
        for one in played:
            expected = self.policy.expected(one.cell.ask)
            if one.answer.status not in expected:
                wrong.append(f"{one.cell}: {one.answer.status} instead of {sorted(expected)} {one.answer.body[:200]!r}")
        return wrong

    def leaks(self, played: Iterable[Played]) -> list[str]:
        """Answers that hold a key, a value or an id of a place, and went to somebody who may not see it there."""
        return [f"{one.cell}: {what}" for one in played for what in self._leaks_of(one)]

    def _leaks_of(self, one: Played) -> Iterator[str]:
        raw = one.answer.raw
        for text, form in canaries.hits(raw, self._needles):
            hidden = self._needles[text]
            if not self._may_see(one.cell, hidden):
                yield f"{hidden} ({form})"
        for place in self.world.places:
            if not (one.cell.principal.good and one.cell.principal.roles.get(place.label)):
                yield from (f"id of {place.label}" for mark in place.marks if mark.encode() in raw)

    def _may_see(self, cell: Cell, hidden: _Hidden) -> bool:
        if not hidden.place.installed:
            return False
        role = cell.principal.roles.get(hidden.place.label) if cell.principal.good else None
        readable = self.policy.may(role, hidden.environment, "env:read")
        asked = cell.place is hidden.place and cell.environment == hidden.environment
        if hidden.is_key:
            return readable or (asked and hidden.text in cell.call.path)
        return readable and asked and (cell.ask.method, cell.ask.path) in (PULL, VIEW)

    def veils(self, played: Iterable[Played]) -> list[str]:
        """Answers that are 200 for everybody and must tell strangers nothing, yet those with a role something."""
        wrong = []
        for one in played:
            told = _told(one)
            if told is not None and told != self._may_be_told(one.cell):
                wrong.append(f"{one.cell}: {one.answer.body[:200]!r}")
        return wrong

    @staticmethod
    def _may_be_told(cell: Cell) -> bool:
        return bool(cell.place and cell.place.installed and cell.principal.roles.get(cell.place.label))

    def foreign_unlike_missing(self, played: Iterable[Played]) -> list[str]:
        """Pairs of answers about two objects on which somebody has no role, that are not the same bytes."""
        groups: dict[tuple[str, ...], list[Played]] = {}
        for one in played:
            cell = one.cell
            if cell.place and cell.relation != "own" and cell.principal.good:
                key = (cell.principal.name, cell.ask.method, cell.ask.path, cell.environment or "")
                groups.setdefault(key, []).append(one)
        return [line for group in groups.values() for line in _unlike(group)]


def _told(one: Played) -> bool | None:
    route = (one.cell.ask.method, one.cell.ask.path)
    if route not in (INSTALLED, REPO_IDS) or one.answer.status != 200:
        return None
    data = one.answer.json()["data"]
    return bool(data["installed"]) if route == INSTALLED else data != {"ownerId": None, "repoId": None}


def _unlike(group: Sequence[Played]) -> Iterator[str]:
    first, *others = group
    for other in others:
        if _compared(first) != _compared(other):
            yield f"{first.cell} is unlike {other.cell}:\n  {_compared(first)!r}\n  {_compared(other)!r}"


def _compared(one: Played) -> bytes:
    place = one.cell.place
    return one.answer.comparable(*((place.full_name, quote(place.full_name, safe="")) if place else ()))


def flipped(played: Sequence[Played], index: int) -> list[Played]:
    """The same answers with one of them turned round: refused where it was granted, granted where it was refused."""
    one = played[index]
    status = 403 if one.answer.status < 400 else 200
    return [*played[:index], replace(one, answer=replace(one.answer, status=status)), *played[index + 1 :]]


def planted(played: Sequence[Played], index: int, text: str) -> list[Played]:
    """The same answers with a string planted into one body."""
    one = played[index]
    body = one.answer.body + text.encode()
    return [*played[:index], replace(one, answer=replace(one.answer, body=body)), *played[index + 1 :]]


def table(played: Sequence[Played]) -> list[str]:
    """One line per route and principal: how often which status answered, own / foreign / missing apart."""
    counts: dict[tuple[str, str], dict[str, Counter[int]]] = {}
    for one in played:
        row = counts.setdefault((f"{one.cell.ask.method} {one.cell.ask.path}", one.cell.principal.name), {})
        row.setdefault(one.cell.relation, Counter())[one.answer.status] += 1
    return [
        f"{route:36} {name:22} " + "  ".join(f"{relation}: {_tally(tally)}" for relation, tally in sorted(row.items()))
        for (route, name), row in sorted(counts.items())
    ]


def _tally(tally: Counter[int]) -> str:
    return " ".join(f"{status}x{count}" for status, count in sorted(tally.items()))
