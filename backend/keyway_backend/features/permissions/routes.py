"""Overrides, effective permissions, the older rules, collaborators (contract.md 4.4 and 4.5)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from keyway_core.roles import Role
from starlette.responses import Response

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import VaultGrant
from keyway_backend.access.guards import Right, VaultGuard
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.permissions import rules, schemas
from keyway_backend.features.permissions.collaborators import Collaborators
from keyway_backend.features.permissions.rules import MinimumRoles
from keyway_backend.features.permissions.service import Permissions
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.http import ok
from keyway_backend.platform.parsing import parsed, uuid_or_none

Member = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ))]
Admin = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ, Right.ADMIN))]
Ruler = Annotated[VaultGrant, Depends(VaultGuard(Scope.SESSION, Right.ADMIN))]
Manager = Annotated[VaultGrant, Depends(VaultGuard(Scope.SESSION, Right.MANAGE))]
User = Annotated[str | None, Query(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.\-]+$")]

_TAKEN: Final[dict[str, Any]] = {"description": "An override of that target and environment exists"}


def _body(shape: type[Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shape.model_json_schema()}}}}


def router(permissions: Permissions, collaborators: Collaborators) -> APIRouter:
    """All routes about permissions of a vault."""
    routes = APIRouter(prefix="/v1/vaults/{owner}/{repo}", route_class=GuardedRoute, tags=["permissions"])
    _overrides(routes, permissions)
    _consequences(routes, permissions)
    _minimum_rules(routes, permissions)
    _people(routes, collaborators)
    return routes


def _overrides(routes: APIRouter, permissions: Permissions) -> None:
    @routes.get("/permissions/overrides", responses={200: {"model": schemas.OverrideListAnswer}})
    async def list_overrides(request: Request, grant: Member) -> Response:
        """The overrides of a vault, and the matrix below them."""
        return ok(request, await permissions.overrides(grant))

    @routes.post(
        "/permissions/overrides",
        responses={200: {"model": schemas.OverrideAnswer}, 409: _TAKEN},
        openapi_extra=_body(schemas.NewOverrideBody),
    )
    async def create_override(request: Request, grant: Manager) -> Response:
        """An override for a person or a role."""
        body = parsed(schemas.NewOverrideBody, await json_body(request))
        return ok(request, await permissions.create(grant, body))

    @routes.put(
        "/permissions/overrides/{id}",
        responses={200: {"model": schemas.OverrideAnswer}},
        openapi_extra=_body(schemas.ChangeOverrideBody),
    )
    async def change_override(request: Request, grant: Manager, id: str) -> Response:  # noqa: A002 - the path's name
        """What an override allows."""
        body = parsed(schemas.ChangeOverrideBody, await json_body(request))
        return ok(request, await permissions.change(grant, uuid_or_none(id), body))

    @routes.delete("/permissions/overrides/{id}", responses={200: {"model": schemas.DeletedAnswer}})
    async def delete_override(request: Request, grant: Manager, id: str) -> Response:  # noqa: A002 - the path's name
        """Removes one override."""
        return ok(request, await permissions.remove(grant, uuid_or_none(id)))

    @routes.delete("/permissions/reset", responses={200: {"model": schemas.ResetAnswer}})
    async def reset_overrides(request: Request, grant: Manager) -> Response:
        """Removes all overrides of the vault."""
        return ok(request, await permissions.reset(grant))


def _consequences(routes: APIRouter, permissions: Permissions) -> None:
    @routes.get("/permissions/effective", responses={200: {"model": schemas.EffectiveAnswer}})
    async def show_effective(request: Request, grant: Member, user: User = None) -> Response:
        """What the caller may do in each environment; `?user=` asks about somebody else, for those who manage."""
        return ok(request, await permissions.effective(grant, user))

    @routes.get("/permissions/defaults", responses={200: {"model": schemas.DefaultsAnswer}})
    async def show_defaults(request: Request, grant: Member) -> Response:  # noqa: ARG001 - the guard's
        """The matrix, and words about it."""
        return ok(request, {"matrix": rules.matrix(), "description": rules.description()})


def _minimum_rules(routes: APIRouter, permissions: Permissions) -> None:
    @routes.get("/permissions", responses={200: {"model": schemas.RuleListAnswer}})
    async def list_rules(request: Request, grant: Member) -> Response:
        """The rules of a vault as minimum roles."""
        return ok(request, await permissions.minimum_rules(grant))

    @routes.put(
        "/permissions/{env}",
        responses={200: {"model": schemas.RuleSetAnswer}, 409: {"description": "Somebody else changes these rules"}},
        openapi_extra=_body(schemas.RuleBody),
    )
    async def set_rule(request: Request, grant: Ruler, env: str) -> Response:
        """The lowest roles that may read and write in an environment."""
        asked = parsed(schemas.RuleBody, await json_body(request)).permissions
        wanted = MinimumRoles(Role(asked.read), Role(asked.write))
        return ok(request, await permissions.set_minimum(grant, env, wanted))

    @routes.delete("/permissions/{env}", responses={200: {"model": schemas.RuleDroppedAnswer}})
    async def drop_rule(request: Request, grant: Ruler, env: str) -> Response:
        """Back to the defaults in an environment."""
        return ok(request, await permissions.drop_minimum(grant, env))


def _people(routes: APIRouter, collaborators: Collaborators) -> None:
    @routes.get("/collaborators", responses={200: {"model": schemas.CollaboratorsAnswer}})
    async def list_collaborators(request: Request, grant: Admin) -> Response:
        """Everybody with a role on the repository, and how far it reaches here."""
        return ok(request, await collaborators.collaborators(grant))

    @routes.get("/contributors", responses={200: {"model": schemas.ContributorsAnswer}})
    async def list_contributors(request: Request, grant: Admin) -> Response:
        """Everybody with a role on the repository."""
        return ok(request, await collaborators.contributors(grant))
