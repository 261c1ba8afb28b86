"""Shapes of the wire (contract.md 4.6), named as the public clients read them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class Pagination(BaseModel):
    """Where in a list an answer stands."""

    total: int
    limit: int
    offset: int
    hasMore: bool  # noqa: N815


class PageMeta(BaseModel):
    """Beside a page of a list."""

    requestId: str  # noqa: N815
    pagination: Pagination


class ActivityActor(BaseModel):
    """Who did it; a workflow has no id."""

    id: str | None
    username: str
    avatarUrl: str | None  # noqa: N815


class ActivityItem(BaseModel):
    """One action."""

    id: str
    action: str
    vaultId: str | None  # noqa: N815
    repoFullName: str | None  # noqa: N815
    actor: ActivityActor
    platform: Literal["cli", "web", "api", "mcp"]
    metadata: dict[str, Any] | None
    timestamp: str


class VaultActivityItem(ActivityItem):
    """One action in a vault, and where it came from."""

    source: str
    environment: str | None
    ip: str | None
    deviceId: str | None  # noqa: N815


class ActivityAnswer(BaseModel):
    """Envelope."""

    data: list[ActivityItem]
    meta: PageMeta


class VaultActivityAnswer(BaseModel):
    """Envelope."""

    data: list[VaultActivityItem]
    meta: PageMeta
