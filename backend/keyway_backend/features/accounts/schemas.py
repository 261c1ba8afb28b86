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
