"""The contract as it is written down: `contract/*.yaml`, one file for each section, by hand from contract.md and, for
our own routes, from policy.yaml. Never from what the application says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.contracts.spelling import read

FOLDER: Final = Path(__file__).parent / "contract"
NAMED: Final = "shapes"


@dataclass(frozen=True)
class Case:
    """One answer of a route. `body`, `csv`, `html`: what it holds; none of them: nothing. Of a refusal: its `title`,
    words that its detail `says`, and `more` fields than every problem has."""

    name: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    csv: tuple[str, ...] = ()
    html: bool = False
    title: str = ""
    says: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A route: what it answers when it does what it is for, and what it refuses."""

    method: str
    path: str
    source: str
    ok: tuple[Case, ...]
    refused: tuple[Case, ...]

    @property
    def route(self) -> str:
        """Method and template."""
        return f"{self.method} {self.path}"


@cache
def entries() -> tuple[Entry, ...]:
    """All of them, by file."""
    return tuple(_entry(one) for path in _files() if not path.stem.startswith(NAMED) for one in read(path))


@cache
def named() -> dict[str, Any]:
    """The shapes with names."""
    found: dict[str, Any] = {}
    for path in _files():
        if path.stem.startswith(NAMED):
            new = read(path)
            if twice := found.keys() & new.keys():
                raise ValueError(f"{path.name} names again: {sorted(twice)}")
            found |= new
    return found


def _files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def _entry(one: Mapping[str, Any]) -> Entry:
    if unknown := one.keys() - {"route", "from", "ok", "refused"}:
        raise ValueError(f"{one.get('route')}: no field is {sorted(unknown)}")
    method, _, path = one["route"].partition(" ")
    ok, refused = (tuple(_case(case) for case in one.get(kind) or ()) for kind in ("ok", "refused"))
    return Entry(method, path, one["from"], ok, refused)


def _case(one: Mapping[str, Any]) -> Case:
    given = dict(one)
    name, csv = given.pop("case", ""), tuple(given.pop("csv", ()))
    return Case(name, csv=csv, **given)
