"""Roles, types and the matrix between them (policy.yaml `roles`, `matrix`)."""

from __future__ import annotations

import pytest
from keyway_core.roles import ROLE_ORDER, EnvironmentType, Role, Verb, matrix_allows, role_from_github, type_from_name

#        role        development standard protected
WANTED = """
         read        r           r        -
         triage      r           r        -
         write       rw          rw       r
         maintain    rw          rw       r
         admin       rw          rw       rw
"""
CELLS = [
    (role, kind, verb, verb[0] in cell)
    for role, *row in (line.split() for line in WANTED.strip().splitlines())
    for kind, cell in zip(("development", "standard", "protected"), row, strict=True)
    for verb in ("read", "write")
]


@pytest.mark.parametrize(("role", "kind", "verb", "allowed"), CELLS)
def test_every_cell_of_the_matrix(role: str, kind: str, verb: str, *, allowed: bool) -> None:
    """Thirty cells: five roles, three types, two verbs."""
    assert matrix_allows(Role(role), EnvironmentType(kind), Verb(verb)) is allowed


def test_the_matrix_has_no_other_cells() -> None:
    """The table above names every role, type and verb there is."""
    assert len(CELLS) == len(Role) * len(EnvironmentType) * len(Verb) == 30


def test_a_higher_role_never_loses_a_right() -> None:
    """From read to admin, rights only grow."""
    for kind in EnvironmentType:
        for verb in Verb:
            allowed = [matrix_allows(role, kind, verb) for role in ROLE_ORDER]
            assert allowed == sorted(allowed)


@pytest.mark.parametrize("name", ["", "none", "Admin", "owner", "custom-role", "write ", "admin\n"])
def test_a_role_that_is_not_known_is_none(name: str) -> None:
    """An unknown name never becomes a role."""
    assert role_from_github(name) is None


@pytest.mark.parametrize(
    ("name", "role"),
    [("pull", "read"), ("push", "write"), *((role.value, role.value) for role in Role)],
)
def test_roles_as_github_names_them(name: str, role: str) -> None:
    """The five role names, and the two old permission names."""
    assert role_from_github(name) is Role(role)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            (name, "protected")
            for name in ("production", "prod", "main", "master", "PROD", "production:eu", "Main:x:y")
        ),
        *((name, "development") for name in ("dev", "development", "local", "Dev", "local:me")),
        *(
            (name, "standard")
            for name in ("", "staging", "prod-eu", "production2", "preprod", "developer", ":prod", "qa")
        ),
    ],
)
def test_the_type_that_a_name_implies(name: str, kind: str) -> None:
    """Only the exact names, in any case and up to the first colon."""
    assert type_from_name(name) is EnvironmentType(kind)
