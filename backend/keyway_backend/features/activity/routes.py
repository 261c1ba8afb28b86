"""Activity: one's own, and that of a vault."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from keyway_core.limits import PAGE_MAX
from pydantic import AwareDatetime
from starlette.responses import Response

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import PersonGrant, VaultGrant
from keyway_backend.access.guards import PersonGuard, VaultGuard
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.activity import schemas
from keyway_backend.features.activity.service import Activity
from keyway_backend.features.activity.store import Filters, Part
from keyway_backend.platform.http import page

Reader = Annotated[PersonGrant, Depends(PersonGuard(Scope.READ))]
Member = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ, asks_manage=True))]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Word = Annotated[str | None, Query(pattern=r"^[a-z_]{1,64}$")]
Login = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_\[\]-]{1,100}$")]
EnvironmentName = Annotated[str | None, Query(pattern=r"^[^\x00-\x1f\x7f]{1,50}$")]
Moment = Annotated[AwareDatetime | None, Query()]

_DEFAULT = 20


async def _filters(
    action: Word = None, source: Word = None, platform: Word = None, since: Moment = None, until: Moment = None
) -> Filters:
    return Filters(None, action, source, platform, since=_in_range(since), until=_in_range(until))


def _in_range(moment: datetime | None) -> datetime | None:
    """Years that Postgres and the calendar agree on."""
    return moment.replace(year=min(max(moment.year, 1900), 9000)) if moment is not None else None


def router(activity: Activity) -> APIRouter:
    """The routes of activity."""
    routes = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["activity"])

    @routes.get("/activity", responses={200: {"model": schemas.ActivityAnswer}})
    async def own_activity(
        request: Request,
        grant: Reader,
        filters: Annotated[Filters, Depends(_filters)],
        limit: Limit = _DEFAULT,
        offset: Offset = 0,
    ) -> Response:
        """What the caller did, newest first."""
        shown, total = await activity.own(grant, filters, Part(limit, offset))
        return page(request, shown, total=total, limit=limit, offset=offset)

    @routes.get("/vaults/{owner}/{repo}/activity", responses={200: {"model": schemas.VaultActivityAnswer}})
    async def vault_activity(
        request: Request,
        grant: Member,
        filters: Annotated[Filters, Depends(_filters)],
        person: Login = None,
        environment: EnvironmentName = None,
        limit: Limit = _DEFAULT,
        offset: Offset = 0,
    ) -> Response:
        """What happened in a vault: everybody's actions for those who manage it, for others their own."""
        shown, total = await activity.of_vault(grant, replace(filters, login=person), environment, Part(limit, offset))
        return page(request, shown, total=total, limit=limit, offset=offset)

    return routes
