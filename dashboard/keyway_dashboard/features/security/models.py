"""What the backend says of reads and alerts (contract.md 4.2 and 4.4), and the charts that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pydantic import BaseModel

from keyway_dashboard.features.activity import words
from keyway_dashboard.features.activity.words import Source

DAYS: Final = 30


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
    pullCount: int  # noqa: N815


class PullsOfDay(BaseModel):
    """Pulls of a day, in UTC."""

    day: date
    pullCount: int  # noqa: N815


class PullsOfSource(BaseModel):
    """Pulls that came in one way."""

    source: str
    pullCount: int  # noqa: N815


class AccessCounts(BaseModel):
    """Pulls in numbers."""

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
    """The vaults that somebody manages, in numbers."""

    alerts: AlertCounts
    access: AccessCounts
    exposure: ExposureCounts


class Location(BaseModel):
    """Where an address is, as far as that is known."""

    country: str | None
    city: str | None

    @property
    def label(self) -> str:
        """City and country, or nothing."""
        return ", ".join(part for part in (self.city, self.country) if part)


class VaultLabel(BaseModel):
    """A vault by its name."""

    repoFullName: str  # noqa: N815


class AlertEvent(BaseModel):
    """The read that raised an alert."""

    ip: str
    location: Location


@dataclass(frozen=True)
class Meaning:
    """What a kind of alert says, and what to do."""

    label: str
    advice: str
    tone: str
    icon: str


MEANINGS: Final = {
    "new_device": Meaning("New device", "Not yours? End its session and rotate what it read.", "warn", "laptop"),
    "new_location": Meaning("New country", "Not travelling? End the session and rotate what it read.", "warn", "globe"),
    "impossible_travel": Meaning(
        "Impossible journey", "A token may be in two hands. End all sessions, then rotate.", "bad", "zap",
    ),
    "weird_user_agent": Meaning(
        "Unknown program", "None of Keyway's programs read this. Find out which one did.", "bad", "square-terminal",
    ),
    "rate_anomaly": Meaning(
        "Many reads at once", "A script in a loop, or somebody who takes everything. Look at the access log.", "bad",
        "refresh-cw",
    ),
}  # fmt: skip
_UNKNOWN: Final = Meaning("Alert", "Look at the access log around this time.", "bad", "shield-alert")


class Alert(BaseModel):
    """Something that looked unlike what was before."""

    id: str
    type: str
    message: str
    createdAt: str  # noqa: N815
    event: AlertEvent | None
    vault: VaultLabel | None = None

    @property
    def meaning(self) -> Meaning:
        """In words."""
        return MEANINGS.get(self.type, _UNKNOWN)


class Reader(BaseModel):
    """Who read."""

    username: str


class What(BaseModel):
    """What was read."""

    secretKey: str | None = None  # noqa: N815
    environment: str | None = None
    platform: str = ""


class Read(BaseModel):
    """A read of values."""

    id: str
    timestamp: str
    action: str
    user: Reader | None
    vault: VaultLabel | None
    ip: str | None
    location: Location
    hasAlert: bool  # noqa: N815
    source: str
    metadata: What

    @property
    def way(self) -> Source:
        """How somebody came."""
        return words.source_of(self.source, self.metadata.platform)

    @property
    def did(self) -> str:
        """In words."""
        return {"pull": "Pulled", "view": "Looked at", "view_version": "Looked at an older value of"}.get(
            self.action, "Read"
        )


class AccessLog(BaseModel):
    """Who read what."""

    events: list[Read]
    total: int


class Identified(BaseModel):
    """The id behind the name of a vault."""

    id: str


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: where it stands and how high it is, in units of its drawing."""

    label: str
    count: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Chart:
    """Columns over days. The drawing is `width` x `height` units and stretched over its place."""

    bars: list[Bar]
    top: int
    width: int = 600
    height: int = 120

    @property
    def total(self) -> int:
        """All of them."""
        return sum(bar.count for bar in self.bars)

    @property
    def most(self) -> Bar:
        """The highest."""
        return max(self.bars, key=lambda bar: bar.count)


def by_day(pulls: Sequence[PullsOfDay], today: date | None = None) -> Chart:
    """The last 30 days, those without pulls too."""
    last = today or datetime.now(UTC).date()
    counts = {one.day: one.pullCount for one in pulls}
    days = [last - timedelta(days=back) for back in reversed(range(DAYS))]
    top = max(1, *(counts.get(day, 0) for day in days))
    chart = Chart([], top)
    step = chart.width / DAYS
    for number, day in enumerate(days):
        count = counts.get(day, 0)
        # A day with one pull is seen beside a day with thousands.
        height = max(2.0, chart.height * count / top) if count else 0.0
        chart.bars.append(
            Bar(f"{day:%-d %b}", count, round(number * step + step * 0.15, 1), round(chart.height - height, 1),
                round(step * 0.7, 1), round(height, 1))
        )  # fmt: skip
    return chart


@dataclass(frozen=True)
class Share:
    """A line of a list of shares: `percent` of the largest."""

    label: str
    count: int
    percent: int
    href: str = ""


def shares(counted: Sequence[tuple[str, int, str]]) -> list[Share]:
    """Label, count and address; the largest fills its line."""
    top = max((count for _, count, _ in counted), default=1) or 1
    return [Share(label, count, max(1, round(100 * count / top)), href) for label, count, href in counted]
