"""The security pages."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import PersonGrant, VaultGrant
from keyway_backend.access.guards import PersonGuard, VaultGuard
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.alerts import schemas
from keyway_backend.features.alerts.service import Alerts
from keyway_backend.features.alerts.store import Part
from keyway_backend.platform.http import ok

_DEFAULT: Final = 50
_MOST: Final = 100

Reader = Annotated[PersonGrant, Depends(PersonGuard(Scope.READ))]
Member = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ, asks_manage=True))]
VaultId = Annotated[UUID | None, Query()]


async def _part(
    limit: Annotated[int, Query(ge=1, le=1_000_000)] = _DEFAULT, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> Part:
    """These lists cut a limit that is too high, as their clients expect."""
    return Part(min(limit, _MOST), offset)


Page = Annotated[Part, Depends(_part)]


def router(alerts: Alerts) -> APIRouter:
    """The routes of the security pages."""
    routes = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["security"])

    @routes.get("/users/me/security/alerts", responses={200: {"model": schemas.OwnAlertsAnswer}})
    async def own_alerts(request: Request, grant: Reader, part: Page) -> Response:
        """Alerts of the caller's own reads, newest first."""
        return ok(request, await alerts.own(grant, part))

    @routes.get("/users/me/security/overview", responses={200: {"model": schemas.OverviewAnswer}})
    async def overview(request: Request, grant: Reader) -> Response:
        """The vaults that the caller manages, in numbers."""
        return ok(request, await alerts.overview(grant))

    @routes.get("/users/me/security/access-log", responses={200: {"model": schemas.AccessLogAnswer}})
    async def access_log(
        request: Request,
        grant: Reader,
        part: Page,
        vaultId: VaultId = None,  # noqa: N803 - the wire's name
    ) -> Response:
        """Who read what in the vaults that the caller manages, newest first."""
        return ok(request, await alerts.log(grant, vaultId, part))

    @routes.get("/vaults/{owner}/{repo}/security/alerts", responses={200: {"model": schemas.VaultAlertsAnswer}})
    async def vault_alerts(request: Request, grant: Member, part: Page) -> Response:
        """Alerts of a vault: all of them for those who manage it, for others their own."""
        return ok(request, await alerts.of_vault(grant, part))

    return routes
