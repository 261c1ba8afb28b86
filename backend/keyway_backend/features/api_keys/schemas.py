"""Shapes of the wire (contract.md 4.7), named as the public dashboard reads them; the bindings are ours."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from keyway_core.limits import API_KEY_DAYS, API_KEY_MAX_DAYS
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from keyway_backend.features.api_keys.rules import MAX_ADDRESSES, MAX_BOUND

ScopeName = Literal["read:secrets", "write:secrets", "delete:secrets", "admin:api-keys"]


class NewKeyBody(BaseModel):
    """A key that somebody asks for."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    ]
    environment: Literal["live", "test"]
    scopes: list[ScopeName] = Field(min_length=1, max_length=16)
    expiresInDays: Annotated[int, Field(strict=True, ge=1, le=API_KEY_MAX_DAYS)] | None = Field(  # noqa: N815
        None, description=f"default {API_KEY_DAYS}; of a key that makes one, at most its own"
    )
    allowedIps: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] | None = Field(  # noqa: N815
        None, max_length=MAX_ADDRESSES, description="addresses and networks; empty: everywhere"
    )
    vaultIds: list[UUID] | None = Field(  # noqa: N815
        None, max_length=MAX_BOUND, description="empty: every vault that the owner reaches"
    )
    environmentIds: list[UUID] | None = Field(  # noqa: N815
        None, max_length=MAX_BOUND, description="of these vaults; empty: all of them"
    )


class LeakReportBody(BaseModel):
    """A token that somebody found."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: str = Field(max_length=1_000)


class Key(BaseModel):
    """A key, as its owner sees it."""

    id: str
    name: str
    prefix: str
    environment: Literal["live", "test"]
    scopes: list[ScopeName]
    vaultIds: list[str]  # noqa: N815
    environmentIds: list[str]  # noqa: N815
    expiresAt: str  # noqa: N815
    lastUsedAt: str | None  # noqa: N815
    usageCount: int  # noqa: N815
    createdAt: str  # noqa: N815
    revokedAt: str | None  # noqa: N815
    revokedReason: str | None  # noqa: N815
    isActive: bool  # noqa: N815


class MintedKey(Key):
    """A new key; its token is told this once."""

    token: str


class KeyDetail(Key):
    """A key by itself."""

    allowedIps: list[str]  # noqa: N815


class Keys(BaseModel):
    """A person's keys, newest first."""

    keys: list[Key]


class Accepted(BaseModel):
    """Says nothing about whether there is such a key."""

    accepted: Literal[True]


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class MintedAnswer(BaseModel):
    """Envelope."""

    data: MintedKey
    meta: Meta


class KeyAnswer(BaseModel):
    """Envelope."""

    data: KeyDetail
    meta: Meta


class KeysAnswer(BaseModel):
    """Envelope."""

    data: Keys
    meta: Meta


class AcceptedAnswer(BaseModel):
    """Envelope."""

    data: Accepted
    meta: Meta
