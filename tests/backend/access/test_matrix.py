"""The effective permission, line by line (policy.yaml `effective_permission`)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import pytest
from keyway_backend.access.matrix import NO_RULES, Override, Rules, allowed_verbs
from keyway_core.roles import EnvironmentType, Role, Verb
from oracle.policy import Policy

ME: Final = 7
HERE: Final = UUID(int=1)
THERE: Final = UUID(int=2)
NOTHING: Final[frozenset[Verb]] = frozenset()
READ: Final = frozenset({Verb.READ})
BOTH: Final = frozenset(Verb)


def user(environment: UUID | None, verbs: frozenset[Verb], who: int = ME) -> Override:
    """An override for a person."""
    return Override(environment, who, None, Verb.READ in verbs, Verb.WRITE in verbs)


def role(environment: UUID | None, verbs: frozenset[Verb], which: Role = Role.WRITE) -> Override:
    """An override for a role."""
    return Override(environment, None, which, Verb.READ in verbs, Verb.WRITE in verbs)


def decided(*overrides: Override, kind: EnvironmentType = EnvironmentType.STANDARD, **more: Any) -> frozenset[Verb]:
    """What a writer may do in the environment HERE under these overrides."""
    asked: dict[str, Any] = {"role": Role.WRITE, "github_user_id": ME, "environment_id": HERE} | more
    defaults = asked.pop("defaults", None)
    return allowed_verbs(kind=kind, rules=Rules(overrides, defaults), **asked)


class TestOverridesRefuse:
    """An override takes away what the matrix gives."""

    @pytest.mark.parametrize(
        "overrides",
        [
            [user(HERE, NOTHING)],
            [user(None, NOTHING)],
            [role(HERE, NOTHING)],
            [role(None, NOTHING)],
            [user(HERE, NOTHING), user(None, BOTH)],
            [user(None, NOTHING), role(HERE, BOTH)],
            [role(HERE, NOTHING), role(None, BOTH)],
            [role(None, BOTH), role(HERE, BOTH), user(None, BOTH), user(HERE, NOTHING)],
        ],
    )
    def test_the_most_specific_one_decides(self, overrides: list[Override]) -> None:
        """A person before a role, an environment before all of them, whatever the order of the rows."""
        assert decided(*overrides) == decided(*reversed(overrides)) == NOTHING

    @pytest.mark.parametrize(
        "override", [user(HERE, BOTH, who=8), role(HERE, BOTH, Role.ADMIN), user(THERE, BOTH), role(THERE, BOTH)]
    )
    def test_one_for_somebody_else_or_elsewhere_gives_nothing(self, override: Override) -> None:
        """Another person's, another role's and another environment's rows are not mine."""
        assert decided(override, kind=EnvironmentType.PROTECTED) == READ

    def test_one_answers_both_verbs(self) -> None:
        """A row that allows reading forbids writing, even where the matrix allows it."""
        assert decided(user(HERE, READ)) == READ

    def test_a_missing_environment_has_no_exact_row(self) -> None:
        """Rows for one environment do not speak of one that is not there; rows for all do."""
        assert decided(user(HERE, NOTHING), environment_id=None) == BOTH
        assert decided(user(None, NOTHING), environment_id=None) == NOTHING


class TestOrganisationDefaults:
    """`[role][type][verb]`, where it is a boolean."""

    def test_refuse_before_the_matrix(self) -> None:
        """A default takes one verb away and leaves the other to the matrix."""
        assert decided(defaults={"write": {"standard": {"write": False}}}) == READ

    def test_yield_to_an_override(self) -> None:
        """An override is read first."""
        assert decided(user(None, BOTH), defaults={"write": {"standard": {"read": False}}}) == BOTH

    @pytest.mark.parametrize(
        "defaults",
        [None, {}, [], "no", {"write": None}, {"write": {"standard": []}}, {"write": {"standard": {"read": 0}}},
         {"write": {"standard": {"read": "false"}}}, {"admin": {"standard": {"read": False}}}],
    )  # fmt: skip
    def test_say_nothing_unless_boolean(self, defaults: Any) -> None:
        """Whatever else stands there leaves the decision to the matrix."""
        assert decided(defaults=defaults) == BOTH


class TestMatrix:
    """What is left when nobody said anything."""

    @pytest.mark.parametrize("which", list(Role))
    @pytest.mark.parametrize("kind", list(EnvironmentType))
    def test_is_the_policys(self, which: Role, kind: EnvironmentType) -> None:
        """Every cell equals the one of policy.yaml."""
        wanted = {"R": READ, "RW": BOTH, "none": NOTHING}[Policy.load().document["matrix"][which.value][kind.value]]
        assert allowed_verbs(which, ME, kind, HERE, NO_RULES) == wanted
