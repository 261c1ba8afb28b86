"""What a role may do in an environment (policy.yaml `effective_permission`, `matrix`). Pure: rows in, verbs out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from keyway_core.roles import EnvironmentType, Role, Verb, matrix_allows


@dataclass(frozen=True, slots=True)
class Override:
    """One override that somebody of this backend wrote. `environment_id` None stands for every environment.

    Exactly one of `github_user_id` and `role` names whom it is for. It answers read and write together.
    """

    environment_id: UUID | None
    github_user_id: int | None
    role: Role | None
    can_read: bool
    can_write: bool

    @property
    def verbs(self) -> frozenset[Verb]:
        """What it allows."""
        allowed = {Verb.READ: self.can_read, Verb.WRITE: self.can_write}
        return frozenset(verb for verb, yes in allowed.items() if yes)


@dataclass(frozen=True, slots=True)
class Rules:
    """What lies above the matrix for one vault: its overrides, and the defaults of the organisation that owns it."""

    overrides: tuple[Override, ...] = ()
    defaults: Mapping[str, Any] | None = None


NO_RULES = Rules()


def allowed_verbs(
    role: Role, github_user_id: int, kind: EnvironmentType, environment_id: UUID | None, rules: Rules
) -> frozenset[Verb]:
    """The effective permission; the first line that says something wins. Never asked without a role from GitHub."""
    if rules is not NO_RULES:
        override = _most_specific(rules.overrides, role, github_user_id, environment_id)
        if override is not None:
            return override.verbs
    if not rules.defaults:
        return _by_matrix(role, kind)
    return frozenset(verb for verb in Verb if default_allows(rules.defaults, role, kind, verb))


@cache
def _by_matrix(role: Role, kind: EnvironmentType) -> frozenset[Verb]:
    return frozenset(verb for verb in Verb if matrix_allows(role, kind, verb))


def _most_specific(
    overrides: Iterable[Override], role: Role, github_user_id: int, environment_id: UUID | None
) -> Override | None:
    fitting = [
        row
        for row in overrides
        if (row.github_user_id == github_user_id or row.role is role)
        and (row.environment_id is None or row.environment_id == environment_id)
    ]
    return min(fitting, key=lambda row: (row.github_user_id is None, row.environment_id is None), default=None)


def default_allows(defaults: Mapping[str, Any] | None, role: Role, kind: EnvironmentType, verb: Verb) -> bool:
    """The organisation's word where it has one that is a boolean, else the matrix."""
    said: Any = defaults
    for step in (role.value, kind.value, verb.value):
        said = said.get(step) if isinstance(said, Mapping) else None
    return said if isinstance(said, bool) else matrix_allows(role, kind, verb)
