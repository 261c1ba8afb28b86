"""Shapes of the wire (contract.md 4.2 and 4.4), named as the public clients read them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

AlertName = Literal["new_device", "new_location", "impossible_travel", "weird_user_agent", "rate_anomaly"]


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class Where(BaseModel):
    """Where an address is, as far as that is known."""

    country: str | None
    city: str | None


class VaultLabel(BaseModel):
    """A vault by its name of now."""

    repoFullName: str  # noqa: N815


class AlertEvent(BaseModel):
    """The read that raised an alert."""

    ip: str
    location: Where
    deviceId: str  # noqa: N815


class VaultAlert(BaseModel):
    """An alert of a vault."""

    id: str
    type: AlertName
    message: str
    createdAt: str  # noqa: N815
    event: AlertEvent | None


class OwnAlert(VaultAlert):
    """An alert of the caller's own read."""

    vault: VaultLabel | None


class AlertCounts(BaseModel):
    """Alerts in numbers."""

    total: int
    critical: int
    warning: int
    last7Days: int  # noqa: N815
    last30Days: int  # noqa: N815


class TopVault(BaseModel):
    """A vault that is pulled much."""

    repoFullName: str  # noqa: N815
    pullCount: int  # noqa: N815


class TopUser(BaseModel):
    """A person who pulls much."""

    username: str
    avatarUrl: str | None  # noqa: N815
    pullCount: int  # noqa: N815


class PullsOfDay(BaseModel):
    """How often something was pulled on a day, in UTC."""

    day: str
    pullCount: int  # noqa: N815


class PullsOfSource(BaseModel):
    """How often something was pulled in one way."""

    source: str
    pullCount: int  # noqa: N815


class AccessCounts(BaseModel):
    """Pulls in numbers. By day and by source: those of the last 30 days; a day without pulls is left out."""

    uniqueUsers: int  # noqa: N815
    totalPulls: int  # noqa: N815
    last7Days: int  # noqa: N815
    topVaults: list[TopVault]  # noqa: N815
    topUsers: list[TopUser]  # noqa: N815
    pullsByDay: list[PullsOfDay]  # noqa: N815
    pullsBySource: list[PullsOfSource]  # noqa: N815


class ExposureCounts(BaseModel):
    """Exposure in numbers."""

    usersWithAccess: int  # noqa: N815
    secretsAccessed: int  # noqa: N815
    lastAccessAt: str | None  # noqa: N815


class Overview(BaseModel):
    """The vaults that the caller manages, in numbers."""

    alerts: AlertCounts
    access: AccessCounts
    exposure: ExposureCounts


class Reader(BaseModel):
    """Who read."""

    username: str
    avatarUrl: str | None  # noqa: N815


class ReadMetadata(BaseModel):
    """What was read."""

    secretKey: str | None = None  # noqa: N815
    environment: str | None = None
    platform: str | None = None


class LoggedRead(BaseModel):
    """A read of values."""

    id: str
    timestamp: str
    action: Literal["pull", "view", "view_version"]
    user: Reader | None
    vault: VaultLabel | None
    ip: str | None
    location: Where
    deviceId: str  # noqa: N815
    hasAlert: bool  # noqa: N815
    source: str
    metadata: ReadMetadata


class AccessLog(BaseModel):
    """Who read what."""

    events: list[LoggedRead]
    total: int


class OwnAlertsAnswer(BaseModel):
    """Envelope."""

    data: list[OwnAlert]
    meta: Meta


class VaultAlertsAnswer(BaseModel):
    """Envelope."""

    data: list[VaultAlert]
    meta: Meta


class OverviewAnswer(BaseModel):
    """Envelope."""

    data: Overview
    meta: Meta


class AccessLogAnswer(BaseModel):
    """Envelope."""

    data: AccessLog
    meta: Meta
