"""Shapes of the wire (contract.md 4.1, 4.2). Fields are named as the public clients read them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DeviceStartBody(BaseModel):
    """What a client knows of the repository it stands in; all of it optional, none of it decides anything."""

    model_config = ConfigDict(extra="ignore")

    repository: str | None = None
    ownerId: int | None = None  # noqa: N815
    repoId: int | None = None  # noqa: N815


class DevicePollBody(BaseModel):
    """The code of a sign-in under way."""

    model_config = ConfigDict(extra="ignore")

    deviceCode: str = Field(min_length=1, max_length=512)  # noqa: N815


class DeviceStartAnswer(BaseModel):
    """Where to type which code, how long it is good (s), and how often to ask (s)."""

    deviceCode: str  # noqa: N815
    userCode: str  # noqa: N815
    verificationUri: str  # noqa: N815
    verificationUriComplete: str  # noqa: N815
    expiresIn: int  # noqa: N815
    interval: int
    githubAppInstallUrl: str  # noqa: N815


class DevicePollAnswer(BaseModel):
    """Every state of a sign-in; the public CLI reads no body of a status of 400 or more."""

    status: Literal["pending", "approved", "expired", "denied"]
    error: str | None = None
    message: str | None = None
    keywayToken: str | None = None  # noqa: N815
    githubLogin: str | None = None  # noqa: N815
    expiresAt: str | None = None  # noqa: N815


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class Validated(BaseModel):
    """Whom a credential stands for."""

    username: str
    forgeType: Literal["github"]  # noqa: N815
    forgeUserId: str | None  # noqa: N815
    plan: str
    createdAt: str | None  # noqa: N815


class ValidatedAnswer(BaseModel):
    """Envelope."""

    data: Validated
    meta: Meta


class Me(Validated):
    """The caller."""

    id: str | None
    email: str | None
    avatarUrl: str | None  # noqa: N815


class MeAnswer(BaseModel):
    """Envelope."""

    data: Me
    meta: Meta


Allowed = int | Literal["unlimited"]


class Limits(BaseModel):
    """What a plan allows."""

    maxPublicRepos: Allowed  # noqa: N815
    maxPrivateRepos: Allowed  # noqa: N815
    maxProviders: Allowed  # noqa: N815
    maxEnvironmentsPerVault: Allowed  # noqa: N815
    maxSecretsPerPrivateVault: Allowed  # noqa: N815


class Used(BaseModel):
    """What is used of it."""

    public: int
    private: int
    providers: int


class Usage(BaseModel):
    """A person's plan."""

    plan: Literal["free", "pro", "team", "business"]
    limits: Limits
    usage: Used


class UsageAnswer(BaseModel):
    """Envelope."""

    data: Usage
    meta: Meta


class OneSession(BaseModel):
    """A session that lives. `current`: the one that asks."""

    id: str
    kind: Literal["cli", "dashboard"]
    current: bool
    userAgent: str | None  # noqa: N815
    ip: str | None
    createdAt: str  # noqa: N815
    lastUsedAt: str | None  # noqa: N815
    expiresAt: str  # noqa: N815


class Pagination(BaseModel):
    """Where in a list an answer stands."""

    total: int
    limit: int
    offset: int
    hasMore: bool  # noqa: N815


class PageMeta(Meta):
    """Beside a page of a list."""

    pagination: Pagination


class SessionListAnswer(BaseModel):
    """Envelope."""

    data: list[OneSession]
    meta: PageMeta


class Revoked(BaseModel):
    """How many sessions ended."""

    revoked: int


class RevokedAnswer(BaseModel):
    """Envelope."""

    data: Revoked
    meta: Meta
