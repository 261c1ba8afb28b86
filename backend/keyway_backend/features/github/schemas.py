"""Shapes of the wire (contract.md 4.8)."""

from __future__ import annotations

from typing import Literal

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


class InstallationItem(BaseModel):
    """The App on one account."""

    id: str
    installationId: int  # noqa: N815
    accountLogin: str  # noqa: N815
    accountType: Literal["user", "organization"]  # noqa: N815
    repositorySelection: str  # noqa: N815
    repositoryCount: int  # noqa: N815
    installedAt: str  # noqa: N815


class InstallationList(BaseModel):
    """What the caller installed."""

    installations: list[InstallationItem]
    installUrl: str  # noqa: N815


class InstallationsAnswer(BaseModel):
    """Envelope."""

    data: InstallationList
    meta: Meta


class AvailableOrganization(BaseModel):
    """An organisation that the App is installed on."""

    login: str
    display_name: str
    avatar_url: str | None
    status: Literal["ready"]
    user_role: Literal["admin", "member"]
    already_connected: bool


class AvailableOrganizations(BaseModel):
    """Those that the caller can connect."""

    organizations: list[AvailableOrganization]
    install_url: str


class AvailableOrganizationsAnswer(BaseModel):
    """Envelope."""

    data: AvailableOrganizations
    meta: Meta


class RepositoryItem(BaseModel):
    """A repository that the App reaches, and what the caller is there."""

    id: int
    fullName: str  # noqa: N815
    owner: str
    name: str
    private: bool
    role: Literal["read", "triage", "write", "maintain", "admin"]
    installationId: int  # noqa: N815
    hasVault: bool  # noqa: N815


class Pagination(BaseModel):
    """Where in a list an answer stands."""

    total: int
    limit: int
    offset: int
    hasMore: bool  # noqa: N815


class PageMeta(Meta):
    """Beside a page of a list."""

    pagination: Pagination


class RepositoriesAnswer(BaseModel):
    """Envelope."""

    data: list[RepositoryItem]
    meta: PageMeta
