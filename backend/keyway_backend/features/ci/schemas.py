"""Shapes of our own routes for workflows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

EventName = Annotated[str, Field(strict=True, pattern=r"^[a-z_]{1,50}$")]
# refs/heads/, refs/tags/ and refs/pull/ are distinct; a star may stand at the end alone.
RefPattern = Annotated[str, Field(strict=True, pattern=r"^refs/(heads|tags|pull)/([^*\x00-\x20\x7f]{1,255}\*?|\*)$")]
Label = Annotated[str, Field(strict=True, min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Own(BaseModel):
    """A body of a route of our own: an unknown field is a mistake (policy.yaml `unknown_body_fields`)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ExchangeBody(_Own):
    """GitHub's token of a workflow run, and the environment that the run wants to read."""

    token: str = Field(repr=False)
    environment: Annotated[str, Field(strict=True, min_length=1, max_length=50)]


class RuleBody(_Own):
    """What a run must fulfil to read an environment. What is left out is as it is without a rule."""

    environment: Annotated[str, Field(strict=True, min_length=1, max_length=50)]
    events: Annotated[list[EventName], Field(min_length=1, max_length=20)] | None = None
    refs: Annotated[list[RefPattern], Field(min_length=1, max_length=50)] | None = None
    githubEnvironment: Label | None = None  # noqa: N815
    jobWorkflowRef: Label | None = None  # noqa: N815
    runnerEnvironment: Literal["github-hosted", "self-hosted", "any"] | None = None  # noqa: N815


class Rule(BaseModel):
    """A rule."""

    id: str
    environment: str
    events: list[str] | None
    refs: list[str] | None
    githubEnvironment: str | None  # noqa: N815
    jobWorkflowRef: str | None  # noqa: N815
    runnerEnvironment: str | None  # noqa: N815
    createdAt: str  # noqa: N815
    updatedAt: str  # noqa: N815


class Issued(BaseModel):
    """A token that reads one environment."""

    token: str
    repository: str
    environment: str
    expiresAt: str  # noqa: N815


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class Pagination(BaseModel):
    """Where in a list an answer stands."""

    total: int
    limit: int
    offset: int
    hasMore: bool  # noqa: N815


class PageMeta(Meta):
    """Beside a page of a list."""

    pagination: Pagination


class RuleAnswer(BaseModel):
    """Envelope."""

    data: Rule
    meta: Meta


class RuleListAnswer(BaseModel):
    """Envelope."""

    data: list[Rule]
    meta: PageMeta


class IssuedAnswer(BaseModel):
    """Envelope."""

    data: Issued
    meta: Meta
