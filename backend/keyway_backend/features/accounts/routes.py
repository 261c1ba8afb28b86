"""Sign-in, who am I, sign-out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from keyway_core.limits import PAGE_DEFAULT, PAGE_MAX
from pydantic import BaseModel, ValidationError
from starlette.responses import RedirectResponse, Response

from keyway_backend.access.actor import Origin, Scope
from keyway_backend.access.decide import Access
from keyway_backend.access.grants import PersonGrant
from keyway_backend.access.guards import PersonGuard, id_in_path
from keyway_backend.access.routing import GuardedRoute, public
from keyway_backend.features.accounts import schemas
from keyway_backend.features.accounts.own import OwnAccount, OwnSession, Who
from keyway_backend.features.accounts.service import Accounts
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.clock import iso
from keyway_backend.platform.cookies import SessionCookies
from keyway_backend.platform.errors import FieldError, ValidationFailed
from keyway_backend.platform.http import body, ok, page

Shape = TypeVar("Shape", bound=BaseModel)
Anybody = Annotated[PersonGrant, Depends(PersonGuard(None, ci=True))]
Owner = Annotated[PersonGrant, Depends(PersonGuard(Scope.SESSION))]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


def router(accounts: Accounts, origin_of: Callable[[Request], Origin]) -> APIRouter:
    """The routes. `origin_of` reads where a request without a credential came from."""
    routes = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["sign-in"])

    @routes.post(
        "/auth/device/start", dependencies=[public()], **_takes(schemas.DeviceStartBody, schemas.DeviceStartAnswer)
    )
    async def start_device_login(request: Request) -> Response:
        """Begins GitHub's device flow."""
        sent = _parsed(schemas.DeviceStartBody, await json_body(request))
        return body(await accounts.start(origin_of(request), owner_id=sent.ownerId, repo_id=sent.repoId))

    @routes.post(
        "/auth/device/poll", dependencies=[public()], **_takes(schemas.DevicePollBody, schemas.DevicePollAnswer)
    )
    async def poll_device_login(request: Request) -> Response:
        """How a sign-in stands."""
        sent = _parsed(schemas.DevicePollBody, await json_body(request))
        return body(await accounts.poll(origin_of(request), sent.deviceCode))

    @routes.get("/auth/device/verify", dependencies=[public()], status_code=302, response_class=RedirectResponse)
    @routes.post("/auth/device/verify", dependencies=[public()], status_code=302, response_class=RedirectResponse)
    async def show_code_page() -> Response:
        """Codes are typed on GitHub's page; nothing of the query is read or echoed."""
        return RedirectResponse(accounts.code_page, 302)

    return routes


def own_router(own: OwnAccount, session: SessionCookies, access: Access) -> APIRouter:
    """Who one is, and one's sessions."""
    routes = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["account"])

    @routes.post("/auth/token/validate", responses={200: {"model": schemas.ValidatedAnswer}})
    async def validate_token(request: Request, grant: Anybody) -> Response:
        """Whom a credential stands for."""
        return ok(request, _validated(await own.who(grant.actor)))

    @routes.get("/users/me", responses={200: {"model": schemas.MeAnswer}})
    async def show_me(request: Request, grant: Anybody) -> Response:
        """The caller."""
        who = await own.who(grant.actor)
        user = who.user
        more = {
            "id": str(user.id) if user else None,
            "email": user.email if user else None,
            "avatarUrl": user.avatar_url if user else None,
        }
        return ok(request, _validated(who) | more)

    @routes.get("/users/me/usage", responses={200: {"model": schemas.UsageAnswer}})
    async def show_usage(request: Request, grant: Owner) -> Response:
        """The caller's plan, and what is used of it."""
        return ok(request, await own.usage(grant))

    @routes.get("/auth/sessions", responses={200: {"model": schemas.SessionListAnswer}})
    async def list_sessions(
        request: Request, grant: Owner, limit: Limit = PAGE_DEFAULT, offset: Offset = 0
    ) -> Response:
        """The caller's sessions that live, newest first."""
        found, total = await own.sessions(grant, limit=limit, offset=offset)
        shown = [_session(one, current=one.id == grant.actor.credential_id) for one in found]
        return page(request, shown, total=total, limit=limit, offset=offset)

    @routes.delete("/auth/sessions", responses={200: {"model": schemas.RevokedAnswer}})
    async def revoke_other_sessions(request: Request, grant: Owner) -> Response:
        """Ends every session of the caller but this one."""
        return ok(request, {"revoked": await own.revoke_others(grant)})

    @routes.delete("/auth/sessions/{id}", status_code=204, responses={404: {"description": "Not one of the caller's"}})
    async def revoke_session(request: Request, grant: Owner) -> Response:
        """Ends a session of the caller."""
        await own.revoke(grant, id_in_path(request, "id"))
        return Response(status_code=204)

    @routes.post("/auth/logout", dependencies=[public()], status_code=204)
    async def log_out(request: Request) -> Response:
        """Ends the session, or the token of a workflow, that was sent along; a cookie needs a page of ours."""
        await own.log_out(access.origin(request), access.signing_out(request))
        answer = Response(status_code=204)
        session.clear(answer)
        return answer

    return routes


def _takes(sent: type[BaseModel], answered: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI of a route that reads its body by itself."""
    schema = {"application/json": {"schema": sent.model_json_schema()}}
    return {"responses": {200: {"model": answered}}, "openapi_extra": {"requestBody": {"content": schema}}}


def _parsed(shape: type[Shape], sent: dict[str, Any]) -> Shape:
    """The body in its shape. Raises ValidationFailed, which names fields and never what they held."""
    try:
        return shape.model_validate(sent)
    except ValidationError as error:
        fields = [
            FieldError(".".join(map(str, item["loc"])), f"wrong form ({item['type']})") for item in error.errors()
        ]
        raise ValidationFailed("Invalid request data", errors=fields) from None


def _validated(who: Who) -> dict[str, Any]:
    return {
        "username": who.login,
        "forgeType": "github",
        "forgeUserId": str(who.user.github_user_id) if who.user else None,
        "plan": who.plan,
        "createdAt": iso(who.user.created_at) if who.user else None,
    }


def _session(one: OwnSession, *, current: bool) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "kind": one.kind,
        "current": current,
        "userAgent": one.user_agent,
        "ip": one.ip,
        "createdAt": iso(one.created_at),
        "lastUsedAt": iso(one.last_used_at) if one.last_used_at else None,
        "expiresAt": iso(one.expires_at),
    }
