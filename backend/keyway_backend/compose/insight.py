"""Who did and saw what: activity, exposure, alerts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Self

from fastapi import APIRouter

from keyway_backend import notify
from keyway_backend.access.decide import Access
from keyway_backend.access.rows import Rows
from keyway_backend.audit import GroupWriter
from keyway_backend.clients import geoip
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.activity import routes as activity_routes
from keyway_backend.features.activity.retention import AuditRetention
from keyway_backend.features.activity.service import Activity
from keyway_backend.features.alerts import routes as alerts_routes
from keyway_backend.features.alerts.rules import Finding, Place
from keyway_backend.features.alerts.service import Alerts, Exposed
from keyway_backend.features.alerts.watch import Watch
from keyway_backend.features.exposure import routes as exposure_routes
from keyway_backend.features.exposure.service import Exposure
from keyway_backend.jobs import Jobs
from keyway_backend.platform.clock import iso
from keyway_backend.platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Insight:
    """The services of these features."""

    activity: Activity
    exposure: Exposure
    alerts: Alerts
    retention: AuditRetention

    @classmethod
    def of(cls, database: Database, access: Access, *, days: int) -> Self:
        """All of them; `days` is how long the audit is kept."""
        exposure = Exposure(database, access)
        alerts = Alerts(database, access, partial(_summary, exposure))
        return cls(Activity(database), exposure, alerts, AuditRetention(database, days=days))

    def register(self, jobs: Jobs) -> None:
        """What they do by themselves."""
        jobs.every("* * * * *", "exposure_roll_up", self.exposure.roll_up)
        jobs.every("47 3 * * *", "forget_old_audit", self.retention.forget_old)

    def routers(self) -> tuple[APIRouter, ...]:
        """Their routes."""
        return (
            activity_routes.router(self.activity),
            exposure_routes.router(self.exposure),
            alerts_routes.router(self.alerts),
        )


async def watch(settings: Settings, database: Database, events: GroupWriter, opened: AsyncExitStack) -> None:
    """Judges what is read from now on, as long as `opened` is; tells people by mail where there is mail."""
    where = geoip.locator(settings.geoip_database_path, settings.ipinfo_url, settings.ipinfo_token.get_secret_value())
    opened.push_async_callback(where.close)
    mail = bool(settings.smtp_host or settings.resend_api_key.get_secret_value())
    watching = Watch(database, partial(_locate, where), _tell if mail else None)
    opened.push_async_callback(watching.stop)
    events.told = watching.nudge
    watching.start()


async def _summary(exposure: Exposure, shown: Rows) -> Exposed:
    return Exposed(*await exposure.summary(shown))


async def _locate(where: geoip.Locator, address: str) -> Place | None:
    if isinstance(where, geoip.Nowhere) or not geoip.is_public(address):
        return None
    try:
        found = await where.locate(address)
    except geoip.LocationUnknown:
        return None
    return Place(found.country, found.city, found.latitude, found.longitude)


async def _tell(connection: Connection, findings: Sequence[Finding]) -> None:
    read, place = findings[0].read, findings[0].place
    await notify.send(
        connection,
        "security_alert",
        read.user_id,
        type=", ".join(finding.type.value.replace("_", " ") for finding in findings),
        repository=read.repository,
        ip=read.ip,
        location=", ".join(part for part in (place.city, place.country) if part),
        user_agent=read.user_agent,
        at=iso(read.at),
    )
