"""Shapes of the wire (contract.md 4.2 and 4.10), named as the public clients read them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


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


class ExposedUser(BaseModel):
    """Who saw something; a workflow has no id."""

    id: str | None
    username: str
    avatarUrl: str | None  # noqa: N815


class ExposureSummary(BaseModel):
    """How many people saw how many secrets how often."""

    users: int
    secrets: int
    accesses: int


class ListedUser(BaseModel):
    """A person in a list."""

    user: ExposedUser
    secretsAccessed: int  # noqa: N815
    vaultsAccessed: int  # noqa: N815
    lastAccess: str  # noqa: N815


class ExposureList(BaseModel):
    """The people who saw something."""

    summary: ExposureSummary
    users: list[ListedUser]


class SeenSecret(BaseModel):
    """A secret that somebody saw. `status`: is its present value one that they saw, or a newer one, or is it gone?"""

    secretId: str  # noqa: N815
    key: str
    environment: str
    roleAtAccess: str | None  # noqa: N815
    firstAccess: str  # noqa: N815
    lastAccess: str  # noqa: N815
    accessCount: int  # noqa: N815
    firstRevision: int | None  # noqa: N815
    lastRevision: int | None  # noqa: N815
    status: Literal["current", "rotated", "deleted"]
    rotatedAt: str | None  # noqa: N815
    tickedAt: str | None  # noqa: N815
    mustRotate: bool  # noqa: N815


class ReportSummary(BaseModel):
    """What one person saw, in numbers, however much of it is in the answer."""

    totalSecretsAccessed: int  # noqa: N815
    totalVaultsAccessed: int  # noqa: N815
    secretsToRotate: int  # noqa: N815
    firstAccess: str | None  # noqa: N815
    lastAccess: str | None  # noqa: N815


class ReportVault(BaseModel):
    """What one person saw in one vault: as much as is in the answer, with the numbers of all of it."""

    vaultId: str | None  # noqa: N815
    repoFullName: str  # noqa: N815
    totalSecrets: int  # noqa: N815
    secretsToRotate: int  # noqa: N815
    secrets: list[SeenSecret]


class UserReport(BaseModel):
    """What one person saw."""

    user: ExposedUser
    summary: ReportSummary
    vaults: list[ReportVault]


class ExposedPerson(BaseModel):
    """A person, and what they saw in a vault."""

    user: ExposedUser
    secrets: list[SeenSecret]


class Access(BaseModel):
    """A person in the history of a secret."""

    user: ExposedUser
    roleAtAccess: str | None  # noqa: N815
    platform: Literal["cli", "web", "api", "mcp"]
    firstAccess: str  # noqa: N815
    lastAccess: str  # noqa: N815
    accessCount: int  # noqa: N815


class AccessHistory(BaseModel):
    """Who saw a secret."""

    accesses: list[Access]
    total: int


class ExposureListAnswer(BaseModel):
    """Envelope."""

    data: ExposureList
    meta: Meta


class ReportAnswer(BaseModel):
    """Envelope."""

    data: UserReport
    meta: Meta


class OptionalReportAnswer(BaseModel):
    """Envelope."""

    data: UserReport | None
    meta: Meta


class AccessHistoryAnswer(BaseModel):
    """Envelope."""

    data: AccessHistory
    meta: Meta


class VaultExposureAnswer(BaseModel):
    """Envelope."""

    data: list[ExposedPerson]
    meta: PageMeta
