"""Roles on a repository, types of environments, and the matrix between them (policy.yaml `roles`, `matrix`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What GitHub says that a person is on a repository, lowest first."""

    READ = "read"
    TRIAGE = "triage"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"


class EnvironmentType(StrEnum):
    """How much an environment is guarded."""

    DEVELOPMENT = "development"
    STANDARD = "standard"
    PROTECTED = "protected"


class Verb(StrEnum):
    """What is done with the values of an environment."""

    READ = "read"
    WRITE = "write"


ROLE_ORDER: Final = tuple(Role)

_FROM_GITHUB: Final = {"pull": Role.READ, "push": Role.WRITE} | {role.value: role for role in Role}

_NOTHING: Final[frozenset[Verb]] = frozenset()
_R: Final = frozenset({Verb.READ})
_RW: Final = frozenset({Verb.READ, Verb.WRITE})

#             role              development  standard  protected
_MATRIX: Final = {
    Role.READ: (_R, _R, _NOTHING),
    Role.TRIAGE: (_R, _R, _NOTHING),
    Role.WRITE: (_RW, _RW, _R),
    Role.MAINTAIN: (_RW, _RW, _R),
    Role.ADMIN: (_RW, _RW, _RW),
}
_COLUMN: Final = {EnvironmentType.DEVELOPMENT: 0, EnvironmentType.STANDARD: 1, EnvironmentType.PROTECTED: 2}

_PROTECTED_NAMES: Final = frozenset({"production", "prod", "main", "master"})
_DEVELOPMENT_NAMES: Final = frozenset({"dev", "development", "local"})


def role_from_github(name: str) -> Role | None:
    """The role that a GitHub `role_name` or `permission` stands for; None for one that we do not know."""
    return _FROM_GITHUB.get(name)


def matrix_allows(role: Role, kind: EnvironmentType, verb: Verb) -> bool:
    """The last line of `effective_permission`: what a role may do when nothing more specific was decided."""
    return verb in _MATRIX[role][_COLUMN[kind]]


def type_from_name(name: str) -> EnvironmentType:
    """The type that an environment's name implies, for new environments and for missing ones."""
    stem = name.split(":", 1)[0].lower()
    if stem in _PROTECTED_NAMES:
        return EnvironmentType.PROTECTED
    return EnvironmentType.DEVELOPMENT if stem in _DEVELOPMENT_NAMES else EnvironmentType.STANDARD
