"""Organisations: listed, connected, shown, changed (contract.md 4.9)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import OrgGrant, PersonGrant
from keyway_backend.access.guards import OrgGuard, PersonGuard, Right
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.organizations import schemas
from keyway_backend.features.organizations.service import Organizations
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.http import ok
from keyway_backend.platform.parsing import parsed

Person = Annotated[PersonGrant, Depends(PersonGuard(Scope.SESSION))]
Member = Annotated[OrgGrant, Depends(OrgGuard(Right.ORG_MEMBER))]
Owner = Annotated[OrgGrant, Depends(OrgGuard(Right.ORG_ADMIN))]


def _body(shape: type[Any], *, required: bool = True) -> dict[str, Any]:
    schema = shape.model_json_schema()
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def router(organizations: Organizations) -> APIRouter:
    """The routes of organisations."""
    routes = APIRouter(prefix="/v1/orgs", route_class=GuardedRoute, tags=["organizations"])

    @routes.get("", responses={200: {"model": schemas.OrganizationListAnswer}})
    async def list_organizations(request: Request, grant: Person) -> Response:
        """The connected organisations of which the caller is an active member."""
        return ok(request, await organizations.mine(grant))

    @routes.post(
        "/connect", responses={200: {"model": schemas.ConnectedAnswer}}, openapi_extra=_body(schemas.ConnectBody)
    )
    async def connect_organization(request: Request, grant: Person) -> Response:
        """Connects an organisation that has the App and of which the caller is an active member."""
        login = parsed(schemas.ConnectBody, await json_body(request)).orgLogin
        return ok(request, await organizations.connect(grant, login))

    @routes.get("/{org}", responses={200: {"model": schemas.OrganizationAnswer}})
    async def show_organization(request: Request, grant: Member) -> Response:
        """One organisation."""
        return ok(request, await organizations.show(grant))

    @routes.put("/{org}", responses={200: {"model": schemas.SettingsAnswer}}, openapi_extra=_body(schemas.SettingsBody))
    async def change_organization(request: Request, grant: Owner) -> Response:
        """Its name and the default permissions of its members."""
        body = parsed(schemas.SettingsBody, await json_body(request))
        return ok(request, await organizations.change(grant, body))

    @routes.get("/{org}/members", responses={200: {"model": schemas.MemberListAnswer}})
    async def list_members(request: Request, grant: Member) -> Response:
        """The roster of now."""
        return ok(request, await organizations.members(grant))

    @routes.post("/{org}/members/sync", responses={200: {"model": schemas.SyncedAnswer}})
    async def sync_members(request: Request, grant: Owner) -> Response:
        """Brings the kept roster up to date."""
        return ok(request, await organizations.sync(grant))

    return routes
