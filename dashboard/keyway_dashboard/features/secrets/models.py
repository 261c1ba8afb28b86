"""What the backend says of secrets, as far as pages show it (contract.md 4.4), and the matrix that they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel

from keyway_dashboard.features.vaults.models import Environment


class Person(BaseModel):
    """Who changed something."""

    username: str


class Secret(BaseModel):
    """A secret without its value. `key` is empty where the caller may not read its name."""

    id: str
    key: str | None
    environment: str
    updatedAt: str  # noqa: N815
    lastModifiedBy: Person | None  # noqa: N815


class Value(BaseModel):
    """A value that somebody asked for."""

    value: str


class Access(BaseModel):
    """What the caller may do in an environment."""

    read: bool
    write: bool


class Effective(BaseModel):
    """What the caller may do, by environment."""

    permissions: dict[str, Access]


class Revision(BaseModel):
    """Where an environment stands."""

    id: str


class Head(BaseModel):
    """An environment's newest revision."""

    revision: Revision


class Pushed(BaseModel):
    """A push that was done."""

    success: bool


class Copied(BaseModel):
    """A copy that was made."""

    target: str


class Preview(BaseModel):
    """What an import would do, in names. Who may not read the environment is told `changed` and nothing else."""

    revision: Revision | None = None
    created: list[str] = []
    updated: list[str] = []
    unchanged: list[str] = []
    changed: list[str] = []
    warnings: list[str]

    @property
    def writes(self) -> int:
        """How many keys would be written."""
        return len(self.created) + len(self.updated) + len(self.changed)


class Pulled(BaseModel):
    """All values of an environment, for a file that somebody asked for."""

    secrets: dict[str, str]


class Comparison(BaseModel):
    """Names of two environments, and whether the values behind them are the same."""

    different: list[str]
    same: list[str]


@dataclass(frozen=True)
class Found:
    """A secret at the moment of a write; None when it is not there."""

    secret: Secret | None

    @property
    def mark(self) -> str:
        """What a form carries to say which state it started from."""
        return self.secret.updatedAt if self.secret else ""


STALE: Final = timedelta(days=90)
NOTHING: Final = Access(read=False, write=False)


@dataclass(frozen=True)
class Column:
    """An environment of the matrix."""

    environment: Environment
    access: Access
    count: int = 0


@dataclass(frozen=True)
class Cell:
    """A key in an environment. `state`: present, missing, same, different, or hidden from the caller."""

    column: Column
    secret: Secret | None
    state: str


@dataclass(frozen=True)
class Row:
    """A key in every environment. `kinds`: what it can be filtered by, of missing, different, stale."""

    key: str
    cells: list[Cell]
    kinds: list[str]
    shown: bool


def columns(environments: Sequence[Environment], rights: Effective) -> list[Column]:
    """The environments with what the caller may do there."""
    return [Column(one, rights.permissions.get(one.name, NOTHING)) for one in environments]


def counted(places: Sequence[Column], secrets: Sequence[Secret]) -> list[Column]:
    """The same, each with the number of its secrets."""
    counts = Counter(one.environment for one in secrets)
    return [replace(place, count=counts[place.environment.name]) for place in places]


@dataclass(frozen=True)
class Filter:
    """Which rows are shown: all the words are in the key, and the row is of the kind, if one is named."""

    words: Sequence[str] = ()
    kind: str = ""

    def lets(self, key: str, kinds: Sequence[str]) -> bool:
        """Whether a row is shown."""
        return all(word in key.lower() for word in self.words) and (not self.kind or self.kind in kinds)


def matrix(
    places: Sequence[Column], secrets: Sequence[Secret], compared: Mapping[str, Comparison], wanted: Filter
) -> list[Row]:
    """A row for each key, by name."""
    found = {(one.key, one.environment): one for one in secrets if one.key}
    keys = sorted({key for key, _ in found if key}, key=lambda key: (key.lower(), key))
    long_ago = datetime.now(UTC) - STALE
    rows = []
    for key in keys:
        cells = [_cell(place, key, found, compared) for place in places]
        kinds = _kinds(cells, long_ago)
        rows.append(Row(key, cells, kinds, wanted.lets(key, kinds)))
    return rows


def _kinds(cells: Sequence[Cell], long_ago: datetime) -> list[str]:
    states = {cell.state for cell in cells}
    stale = any(cell.secret and datetime.fromisoformat(cell.secret.updatedAt) < long_ago for cell in cells)
    return [kind for kind in ("missing", "different") if kind in states] + (["stale"] if stale else [])


def _cell(place: Column, key: str, found: Mapping[tuple[str, str], Secret], compared: Mapping[str, Comparison]) -> Cell:
    name = place.environment.name
    secret = found.get((key, name))
    if not place.access.read:
        return Cell(place, None, "hidden")
    if secret is None:
        return Cell(place, None, "missing")
    told = compared.get(name)
    if told and key in told.different:
        return Cell(place, secret, "different")
    return Cell(place, secret, "same" if told and key in told.same else "present")
