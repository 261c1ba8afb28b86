"""What the backend says of environments, as far as pages show it, and what their types mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from keyway_dashboard.features.secrets.models import Access, Column

ROLES: Final = ("read", "triage", "write", "maintain", "admin")
_MEANT: Final = {
    "development": "For machines of developers and for trying things out.",
    "standard": "For staging, previews and whatever is neither of the others.",
    "protected": "For production and whatever else must not be touched by accident.",
}


class Defaults(BaseModel):
    """What roles may do in environments of each type, overrides aside."""

    matrix: dict[str, dict[str, Access]]


class Made(BaseModel):
    """An environment that was made."""

    name: str
    type: str


class New(BaseModel):
    """The answer to a new environment."""

    environment: Made


class Renamed(BaseModel):
    """The answer to another name."""

    newName: str  # noqa: N815


class Retyped(BaseModel):
    """The answer to another type."""

    oldType: str  # noqa: N815
    newType: str  # noqa: N815


@dataclass(frozen=True)
class Type:
    """A type of environment, in words."""

    name: str
    meant: str
    readers: str
    writers: str


@dataclass(frozen=True)
class Line:
    """An environment in the list."""

    column: Column
    last: str | None
    by: str


def types(defaults: Defaults) -> list[Type]:
    """What each type means, and for whom."""
    return [Type(name, meant, *_who(defaults.matrix, name)) for name, meant in _MEANT.items()]


def _who(matrix: Mapping[str, Mapping[str, Access]], kind: str) -> tuple[str, str]:
    rights = [(role, matrix[role][kind]) for role in ROLES if kind in matrix.get(role, {})]
    readers = [role for role, access in rights if access.read]
    writers = [role for role, access in rights if access.write]
    return _listed(readers), _listed(writers)


def _listed(roles: list[str]) -> str:
    return "every role" if len(roles) == len(ROLES) else ", ".join(roles) or "nobody"
