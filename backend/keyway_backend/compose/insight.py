"""Who did and saw what: activity, exposure, alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter

from keyway_backend.access.decide import Access
from keyway_backend.db.engine import Database
from keyway_backend.features.activity import routes as activity_routes
from keyway_backend.features.activity.service import Activity
from keyway_backend.features.exposure import routes as exposure_routes
from keyway_backend.features.exposure.service import Exposure


@dataclass(frozen=True, slots=True)
class Insight:
    """The services of these features."""

    activity: Activity
    exposure: Exposure

    @classmethod
    def of(cls, database: Database, access: Access) -> Self:
        """All of them."""
        return cls(Activity(database), Exposure(database, access))

    def routers(self) -> tuple[APIRouter, ...]:
        """Their routes."""
        return activity_routes.router(self.activity), exposure_routes.router(self.exposure)
