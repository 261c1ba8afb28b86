"""What the backend says of secrets, as far as pages show it (contract.md 4.4), and the matrix that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


NOTHING = Access(read=False, write=False)


@dataclass(frozen=True)
class Column:
    """An environment of the matrix."""

    environment: Environment
    access: Access


@dataclass(frozen=True)
class Cell:
    """A key in an environment. `state`: present, missing, same, different, or hidden from the caller."""

    column: Column
    secret: Secret | None
    state: str


@dataclass(frozen=True)
class Row:
    """A key in every environment."""

    key: str
    cells: list[Cell]
    shown: bool


def columns(environments: Sequence[Environment], rights: Effective) -> list[Column]:
    """The environments with what the caller may do there."""
    return [Column(one, rights.permissions.get(one.name, NOTHING)) for one in environments]


def matrix(
    places: Sequence[Column], secrets: Sequence[Secret], compared: Mapping[str, Comparison], words: Sequence[str]
) -> list[Row]:
    """A row for each key, by name; `shown` are those that hold all the words."""
    found = {(one.key, one.environment): one for one in secrets if one.key}
    keys = sorted({key for key, _ in found if key}, key=lambda key: (key.lower(), key))
    return [
        Row(key, [_cell(place, key, found, compared) for place in places], all(word in key.lower() for word in words))
        for key in keys
    ]


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
