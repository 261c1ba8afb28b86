"""The people, the objects, and what lies in them: the two axes of the access matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from .wire import Header

NEW_VAULT: Final = ("development", "staging", "production")
# No vault has these two; their names imply a standard and a protected environment.
ABSENT: Final = ("qa", "prod")


@dataclass(frozen=True)
class Deposit:
    """What was pushed into one environment: a key and a value that occur nowhere else."""

    key: str
    value: str


@dataclass(frozen=True)
class Place:
    """A repository, or the name of none. `deposits` says what its vault holds, by environment; `marks` are further
    strings that tell of it (ids of vault, repository and owner)."""

    label: str
    full_name: str
    vault: bool = True
    installed: bool = True
    deposits: Mapping[str, Deposit] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The part before the slash."""
        return self.full_name.split("/")[0]

    @property
    def repo(self) -> str:
        """The part after it."""
        return self.full_name.split("/")[1]


@dataclass(frozen=True)
class Principal:
    """Somebody who calls, with the headers that prove it. `roles` by label of the place; no entry is no role."""

    name: str
    headers: tuple[Header, ...] = ()
    good: bool = False
    roles: Mapping[str, str] = field(default_factory=dict)
    created: frozenset[str] = frozenset()

    @property
    def secret(self) -> str:
        """The credential itself, which no answer may repeat."""
        return self.headers[0][1].removeprefix("Bearer ") if self.headers else ""


@dataclass(frozen=True)
class World:
    """Everybody and everything."""

    principals: tuple[Principal, ...]
    places: tuple[Place, ...]

    def principal(self, name: str) -> Principal:
        """The one of that name."""
        return next(one for one in self.principals if one.name == name)

    def place(self, label: str) -> Place:
        """The one of that label."""
        return next(one for one in self.places if one.label == label)
