"""Vaults: create, list, show, delete; their environments: list, create, rename, type, delete."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from keyway_core.limits import PAGE_DEFAULT_LONG, PAGE_MAX
from pydantic import BaseModel
from starlette.responses import Response

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import PersonGrant, RepositoryGrant, VaultGrant
from keyway_backend.access.guards import NewVaultGuard, PersonGuard, Right, VaultGuard
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.vaults import schemas
from keyway_backend.features.vaults.service import Vaults, Wanted
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.http import ok, page

Reader = Annotated[PersonGrant, Depends(PersonGuard(Scope.READ))]
Founder = Annotated[RepositoryGrant, Depends(NewVaultGuard())]
Member = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ, while_uninstalled=True))]
Colleague = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ))]
Admin = Annotated[VaultGrant, Depends(VaultGuard(Scope.WRITE, Right.ADMIN))]
Remover = Annotated[VaultGrant, Depends(VaultGuard(Scope.DELETE, Right.ADMIN))]
VaultRemover = Annotated[VaultGrant, Depends(VaultGuard(Scope.DELETE, Right.ADMIN, while_uninstalled=True))]
Warden = Annotated[VaultGrant, Depends(VaultGuard(Scope.SESSION, Right.ADMIN))]
Limit = Annotated[int | None, Query(ge=1, le=PAGE_MAX)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Words = Annotated[str, Query(max_length=200, description="words of the name or of environments' names; all must fit")]
Order = Annotated[Literal["updated", "name"], Query(description="last changed first, or by owner and name")]

_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"model": schemas.NewVaultAnswer},
    409: {"description": "The repository has a vault"},
}
_TAKEN: dict[int | str, dict[str, Any]] = {409: {"description": "The vault has an environment of that name"}}


def _body(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


def router(vaults: Vaults) -> APIRouter:
    """The routes of vaults."""
    routes = APIRouter(prefix="/v1/vaults", route_class=GuardedRoute, tags=["vaults"])

    @routes.get("", responses={200: {"model": schemas.VaultListAnswer}})
    async def list_vaults(
        request: Request, grant: Reader, limit: Limit = None, offset: Offset = 0, q: Words = "", sort: Order = "updated"
    ) -> Response:
        """Every vault on which the caller has a role; without `limit` all of them, up to a thousand."""
        most = limit or PAGE_DEFAULT_LONG
        wanted = Wanted(most, offset, q.lower().split(), by_name=sort == "name")
        shown, total = await vaults.every(grant, wanted)
        return page(request, shown, total=total, limit=most, offset=offset)

    @routes.post("", status_code=201, responses=_CREATED, openapi_extra=_body(schemas.NewVaultBody))
    async def create_vault(request: Request, grant: Founder) -> Response:
        """A vault for a repository that the caller administers."""
        return ok(request, await vaults.create(grant), status=201)

    @routes.get("/{owner}/{repo}", responses={200: {"model": schemas.VaultAnswer}})
    async def show_vault(request: Request, grant: Member, owner: str, repo: str) -> Response:  # noqa: ARG001 - the guard's
        """One vault."""
        return ok(request, await vaults.show(grant))

    @routes.delete("/{owner}/{repo}", status_code=204, responses={204: {"description": "Deleted"}})
    async def delete_vault(request: Request, grant: VaultRemover) -> Response:  # noqa: ARG001 - of every handler
        """The vault with everything in it. Its ciphertext is purged after 30 days; who saw what stays on record."""
        await vaults.delete(grant)
        return Response(status_code=204)

    _add_environments(routes, vaults)
    return routes


def _add_environments(routes: APIRouter, vaults: Vaults) -> None:
    @routes.get("/{owner}/{repo}/environments", responses={200: {"model": schemas.EnvironmentsAnswer}})
    async def list_environments(request: Request, grant: Colleague) -> Response:
        """The environments of a vault, in display order."""
        return ok(request, {"environments": vaults.environments(grant)})

    @routes.post(
        "/{owner}/{repo}/environments",
        status_code=201,
        responses=_TAKEN | {201: {"model": schemas.NewEnvironmentAnswer}},
        openapi_extra=_body(schemas.NewEnvironmentBody),
    )
    async def create_environment(request: Request, grant: Admin) -> Response:
        """One more environment, empty, of the type that its name implies."""
        return ok(request, await vaults.create_environment(grant, await json_body(request)), status=201)

    @routes.patch(
        "/{owner}/{repo}/environments/{name}",
        responses=_TAKEN | {200: {"model": schemas.RenamedEnvironmentAnswer}},
        openapi_extra=_body(schemas.RenamedEnvironmentBody),
    )
    async def rename_environment(request: Request, grant: Admin) -> Response:
        """Another name for an environment. Its type, overrides, CI rules and history stay."""
        name = request.path_params["name"]
        return ok(request, await vaults.rename_environment(grant, name, await json_body(request)))

    @routes.delete("/{owner}/{repo}/environments/{name}", responses={200: {"model": schemas.DeletedEnvironmentAnswer}})
    async def delete_environment(request: Request, grant: Remover) -> Response:
        """An environment with its values; not the last one. Ciphertext is purged after 30 days."""
        return ok(request, await vaults.delete_environment(grant, request.path_params["name"]))

    @routes.patch(
        "/{owner}/{repo}/environments/{name}/type",
        responses={200: {"model": schemas.RetypedEnvironmentAnswer}},
        openapi_extra=_body(schemas.RetypedEnvironmentBody),
    )
    async def retype_environment(request: Request, grant: Warden) -> Response:
        """How much an environment is guarded: who may read and write there follows at once."""
        name = request.path_params["name"]
        return ok(request, await vaults.retype_environment(grant, name, await json_body(request)))
