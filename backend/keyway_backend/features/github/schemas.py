"""Shapes of the wire (contract.md 4.8)."""

from __future__ import annotations

from pydantic import BaseModel


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class CheckInstallationBody(BaseModel):
    """A repository."""

    repoOwner: str  # noqa: N815
    repoName: str  # noqa: N815


class InstallationState(BaseModel):
    """Whether the App reaches it."""

    installed: bool
    installationId: int | None = None  # noqa: N815
    installUrl: str  # noqa: N815


class InstallationAnswer(BaseModel):
    """Envelope."""

    data: InstallationState
    meta: Meta


class Numbers(BaseModel):
    """GitHub's ids, null when the caller has no role there."""

    ownerId: int | None  # noqa: N815
    repoId: int | None  # noqa: N815


class NumbersAnswer(BaseModel):
    """Envelope."""

    data: Numbers
    meta: Meta
