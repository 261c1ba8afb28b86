"""Vaults: create, list, show."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from keyway_core.limits import PAGE_DEFAULT_LONG, PAGE_MAX
from starlette.responses import Response

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import PersonGrant, RepositoryGrant, VaultGrant
from keyway_backend.access.guards import NewVaultGuard, PersonGuard, VaultGuard
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.vaults import schemas
from keyway_backend.features.vaults.service import Vaults
from keyway_backend.platform.http import ok, page

Reader = Annotated[PersonGrant, Depends(PersonGuard(Scope.READ))]
Founder = Annotated[RepositoryGrant, Depends(NewVaultGuard())]
Member = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ, while_uninstalled=True))]
Limit = Annotated[int | None, Query(ge=1, le=PAGE_MAX)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]

_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"model": schemas.NewVaultAnswer},
    409: {"description": "The repository has a vault"},
}
_BODY = {"requestBody": {"content": {"application/json": {"schema": schemas.NewVaultBody.model_json_schema()}}}}


def router(vaults: Vaults) -> APIRouter:
    """The routes of vaults."""
    routes = APIRouter(prefix="/v1/vaults", route_class=GuardedRoute, tags=["vaults"])

    @routes.get("", responses={200: {"model": schemas.VaultListAnswer}})
    async def list_vaults(request: Request, grant: Reader, limit: Limit = None, offset: Offset = 0) -> Response:
        """Every vault on which the caller has a role; without `limit` all of them, up to a thousand."""
        most = limit or PAGE_DEFAULT_LONG
        shown, total = await vaults.every(grant, limit=most, offset=offset)
        return page(request, shown, total=total, limit=most, offset=offset)

    @routes.post("", status_code=201, responses=_CREATED, openapi_extra=_BODY)
    async def create_vault(request: Request, grant: Founder) -> Response:
        """A vault for a repository that the caller administers."""
        return ok(request, await vaults.create(grant), status=201)

    @routes.get("/{owner}/{repo}", responses={200: {"model": schemas.VaultAnswer}})
    async def show_vault(request: Request, grant: Member, owner: str, repo: str) -> Response:  # noqa: ARG001 - the guard's
        """One vault."""
        return ok(request, await vaults.show(grant))

    return routes
