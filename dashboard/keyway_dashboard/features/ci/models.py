"""What the backend says of rules for workflow runs, in words, and what a form makes of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from keyway_dashboard.backend import Invalid
from keyway_dashboard.features.vaults.models import Environment

_BRANCH: Final = "refs/heads/"
_RUNNERS: Final = {
    "self-hosted": "on runners of your own",
    "any": "on any runner",
    "github-hosted": "on GitHub's runners",
}
_FIELDS: Final = {
    "environment": "Environment",
    "refs": "Branches and tags",
    "events": "Events",
    "githubEnvironment": "GitHub environment",
    "jobWorkflowRef": "Reusable workflow",
    "runnerEnvironment": "Runners",
}
_HINTS: Final = {
    "refs": "a line is a branch, or begins with refs/heads/, refs/tags/ or refs/pull/; a star stands at the end alone",
    "events": "names of events are small letters and underscores",
}


class Rule(BaseModel):
    """What a run must fulfil. None: as it is without a rule."""

    id: str
    environment: str
    events: list[str] | None
    refs: list[str] | None
    githubEnvironment: str | None  # noqa: N815
    jobWorkflowRef: str | None  # noqa: N815
    runnerEnvironment: str | None  # noqa: N815

    @property
    def places(self) -> list[str]:
        """Branches and tags as people write them; empty: the default branch."""
        return [one.removeprefix(_BRANCH) for one in self.refs or []]

    @property
    def runner(self) -> str:
        """On what it runs, empty where the rule does not say."""
        return _RUNNERS.get(self.runnerEnvironment or "", "")


@dataclass(frozen=True)
class Gate:
    """An environment, and the rules that open it. Without one it has the habit of its type."""

    environment: Environment
    rules: list[Rule]

    @property
    def is_shut(self) -> bool:
        """Whether no run gets in."""
        return self.environment.type == "protected" and not any(self.holds(one) for one in self.rules)

    def holds(self, rule: Rule) -> bool:
        """Whether a rule opens it. What an environment was before it was protected is not enough for one."""
        return self.environment.type != "protected" or bool(rule.refs or rule.githubEnvironment)


def gates(environments: Sequence[Environment], rules: Sequence[Rule]) -> list[Gate]:
    """Every environment with its rules."""
    return [Gate(one, [rule for rule in rules if rule.environment == one.name]) for one in environments]


def body(form: dict[str, str]) -> dict[str, Any]:
    """The rule that a form describes. What was left empty is not said."""
    said: dict[str, Any] = {"environment": form.get("environment", "")}
    lines = [one.strip() for one in form.get("refs", "").splitlines()]
    said["refs"] = [one if one.startswith("refs/") else _BRANCH + one for one in lines if one]
    said["events"] = form.get("events", "").replace(",", " ").split()
    for name in ("githubEnvironment", "jobWorkflowRef", "runnerEnvironment"):
        said[name] = form.get(name, "").strip()
    return {name: value for name, value in said.items() if value}


def problems(error: Invalid) -> list[str]:
    """What was wrong with a form, by the names of its fields."""
    return [_problem(one.field.partition(".")[0], one.message) for one in error.fields] or [error.detail]


def _problem(field: str, message: str) -> str:
    # The backend's own sentences are for people; those about a form name a kind of mistake.
    ours = _HINTS.get(field, "that is too long, or has a character that cannot be there")
    return f"{_FIELDS.get(field, field)}: {ours}." if "wrong form" in message else message
