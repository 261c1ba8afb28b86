"""Which workflow run may read which environment (policy.yaml `oidc`). Pure: claims and conditions in, yes or no out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keyway_core.roles import EnvironmentType

EVENTS: Final = ("push", "schedule", "workflow_dispatch", "release", "deployment")
REQUIRED: Final = (
    "iss", "aud", "sub", "exp", "iat", "nbf", "jti", "repository", "repository_id", "repository_owner_id",
    "event_name", "ref", "ref_type", "run_id", "actor_id",
)  # fmt: skip
LEEWAY_SECONDS: Final = 60
HOSTED: Final = "github-hosted"
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_BRANCH: Final = "refs/heads/"
_TAG: Final = "refs/tags/"
_PULL: Final = "refs/pull/"


class OddClaims(ValueError):
    """A claim is missing or of the wrong kind: the token is no proof."""


@dataclass(frozen=True, slots=True)
class Run:
    """A workflow run, as its issuer describes it. Names are labels; what decides are numbers, the event and the ref."""

    repository: str
    repository_id: int
    owner_id: int
    event: str
    ref: str
    ref_type: str
    run_id: str
    actor_id: int
    actor: str
    github_environment: str | None
    job_workflow_ref: str | None
    runner: str | None
    jti: str
    ends_at: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rule demands. None stands for the default of a run without a rule; all of them must hold."""

    events: tuple[str, ...] | None = None
    refs: tuple[str, ...] | None = None
    github_environment: str | None = None
    job_workflow_ref: str | None = None
    runner: str | None = None

    def as_document(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "events": sorted(set(self.events)) if self.events is not None else None,
            "refs": sorted(set(self.refs)) if self.refs is not None else None,
            "githubEnvironment": self.github_environment,
            "jobWorkflowRef": self.job_workflow_ref,
            "runnerEnvironment": self.runner,
        }

    @property
    def guards_protected(self) -> bool:
        """Whether it spells out enough for a protected environment."""
        return self.refs is not None or self.github_environment is not None


def conditions_of(document: Mapping[str, Any]) -> Conditions:
    """The conditions of a kept rule."""
    events, refs = document["events"], document["refs"]
    return Conditions(
        tuple(events) if events is not None else None,
        tuple(refs) if refs is not None else None,
        document["githubEnvironment"],
        document["jobWorkflowRef"],
        document["runnerEnvironment"],
    )


@dataclass(frozen=True, slots=True)
class Habits:
    """What holds where a rule says nothing: the default branch, and whether runs elsewhere than at GitHub's count."""

    default_branch: str
    hosted_only: bool


def run_of(claims: Mapping[str, Any]) -> Run:
    """The run of verified claims. Raises OddClaims."""
    return Run(
        _text(claims, "repository"),
        _number(claims, "repository_id"),
        _number(claims, "repository_owner_id"),
        _text(claims, "event_name"),
        _text(claims, "ref"),
        _text(claims, "ref_type"),
        _text(claims, "run_id"),
        _number(claims, "actor_id"),
        _optional(claims, "actor") or "",
        _optional(claims, "environment"),
        _optional(claims, "job_workflow_ref"),
        _optional(claims, "runner_environment"),
        _text(claims, "jti"),
        int(claims["exp"]),
    )


def allowed(run: Run, kind: EnvironmentType, rules: Iterable[Conditions], habits: Habits) -> Conditions | None:
    """The first rule that allows the run, the defaults where there is no rule, or None.

    An environment that has rules is ruled by them alone: to write one is to say who, and not who else.
    """
    written = list(rules)
    if not written:
        return DEFAULTS if kind is not EnvironmentType.PROTECTED and fits(run, DEFAULTS, habits) else None
    protected = kind is EnvironmentType.PROTECTED
    return next((one for one in written if (one.guards_protected or not protected) and fits(run, one, habits)), None)


def fits(run: Run, wanted: Conditions, habits: Habits) -> bool:
    """Whether a run meets every condition."""
    return (
        run.event in (wanted.events if wanted.events is not None else EVENTS)
        and _is_consistent(run)
        and _ref_fits(run, wanted, habits)
        and wanted.github_environment in {None, run.github_environment}
        and wanted.job_workflow_ref in {None, run.job_workflow_ref}
        and _runner_fits(run, wanted, habits)
    )


DEFAULTS: Final = Conditions()


def _is_consistent(run: Run) -> bool:
    """A branch may be called `refs/tags/v1`: what a ref is, its own prefix and its type must both say.

    GitHub gives the merge of a pull request the type of a branch; a rule means it only by `refs/pull/`.
    """
    return run.ref.startswith({"branch": (_BRANCH, _PULL), "tag": (_TAG,)}.get(run.ref_type, ()))


def _ref_fits(run: Run, wanted: Conditions, habits: Habits) -> bool:
    if wanted.refs is None:
        return bool(habits.default_branch) and run.ref == f"{_BRANCH}{habits.default_branch}"
    return any(
        run.ref.startswith(pattern[:-1]) if pattern.endswith("*") else run.ref == pattern for pattern in wanted.refs
    )


def _runner_fits(run: Run, wanted: Conditions, habits: Habits) -> bool:
    demanded = wanted.runner or (HOSTED if habits.hosted_only else "any")
    return demanded in {"any", run.runner}


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    if not isinstance(found, str) or not found:
        raise OddClaims(name)
    return found


def _optional(claims: Mapping[str, Any], name: str) -> str | None:
    return _text(claims, name) if claims.get(name) is not None else None


def _number(claims: Mapping[str, Any], name: str) -> int:
    text = _text(claims, name)
    if _NUMBER.fullmatch(text) is None:
        raise OddClaims(name)
    return int(text)
