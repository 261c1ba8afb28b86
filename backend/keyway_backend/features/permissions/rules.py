"""Overrides and the older minimum-role rules as facts, without rows (policy.yaml `effective_permission`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keyway_core.roles import ROLE_ORDER, EnvironmentType, Role, Verb, matrix_allows

from keyway_backend.access.matrix import default_allows

EVERY_ENVIRONMENT: Final = "*"

ROLES: Final = {
    Role.READ: "May look at the repository",
    Role.TRIAGE: "May manage issues and pull requests",
    Role.WRITE: "May push to the repository",
    Role.MAINTAIN: "May manage the repository without its sensitive actions",
    Role.ADMIN: "May do everything in the repository",
}
ENVIRONMENT_TYPES: Final = {
    EnvironmentType.PROTECTED: "Production-like: admins write, writers read",
    EnvironmentType.STANDARD: "Everything between: everybody reads, writers write",
    EnvironmentType.DEVELOPMENT: "For work in progress: everybody reads, writers write",
}


@dataclass(frozen=True, slots=True)
class MinimumRoles:
    """The older form of a rule: the lowest role that may read, and the lowest that may write."""

    read: Role
    write: Role

    def verbs(self, role: Role) -> tuple[bool, bool]:
        """What the rule lets a role do: read, write."""
        rank = ROLE_ORDER.index
        return rank(role) >= rank(self.read), rank(role) >= rank(self.write)

    def shown(self) -> dict[str, str]:
        """As the wire has it."""
        return {"read": self.read.value, "write": self.write.value}


def minimum_roles(allowed: Mapping[Role, tuple[bool, bool]]) -> MinimumRoles | None:
    """The rule that says the same as these overrides of one environment; None when no minimum does."""
    if set(allowed) != set(ROLE_ORDER):
        return None
    lowest = [next((role for role in ROLE_ORDER if allowed[role][verb]), None) for verb in (0, 1)]
    if lowest[0] is None or lowest[1] is None:
        return None
    rule = MinimumRoles(lowest[0], lowest[1])
    return rule if all(rule.verbs(role) == tuple(allowed[role]) for role in ROLE_ORDER) else None


def default_minimum(kind: EnvironmentType) -> MinimumRoles:
    """The matrix in the older form."""
    lowest = {verb: next(role for role in ROLE_ORDER if matrix_allows(role, kind, verb)) for verb in Verb}
    return MinimumRoles(lowest[Verb.READ], lowest[Verb.WRITE])


def minimum_table() -> dict[str, dict[str, str]]:
    """`default_minimum` of every type of environment."""
    return {kind.value: default_minimum(kind).shown() for kind in EnvironmentType}


def matrix(defaults: Mapping[str, Any] | None = None) -> dict[str, dict[str, dict[str, bool]]]:
    """Role by type of environment: what holds where nothing more specific was said. `defaults`: an organisation's."""
    return {
        role.value: {
            kind.value: {verb.value: default_allows(defaults, role, kind, verb) for verb in Verb}
            for kind in EnvironmentType
        }
        for role in ROLE_ORDER
    }


def description() -> dict[str, dict[str, str]]:
    """The words beside the matrix."""
    return {
        "roles": {role.value: text for role, text in ROLES.items()},
        "environmentTypes": {kind.value: text for kind, text in ENVIRONMENT_TYPES.items()},
    }


def reach(verbs: Iterable[frozenset[Verb]], *, manages: bool) -> dict[str, bool]:
    """What somebody can do in at least one environment of a vault."""
    everywhere = list(verbs)
    return {
        "canRead": any(Verb.READ in one for one in everywhere),
        "canWrite": any(Verb.WRITE in one for one in everywhere),
        "canManage": manages,
    }


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that differ, as they are now."""
    return {name: value for name, value in after.items() if before.get(name) != value}
