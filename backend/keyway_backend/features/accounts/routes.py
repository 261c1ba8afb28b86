"""Sign-in, who am I, sign-out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import RedirectResponse, Response

from keyway_backend.access.actor import Origin
from keyway_backend.access.grants import PersonGrant
from keyway_backend.access.guards import PersonGuard
from keyway_backend.access.routing import GuardedRoute, public
from keyway_backend.features.accounts import rules, schemas
from keyway_backend.features.accounts.service import Accounts
from keyway_backend.features.accounts.store import User
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.clock import iso
from keyway_backend.platform.errors import FieldError, ValidationFailed
from keyway_backend.platform.http import body, ok

Shape = TypeVar("Shape", bound=BaseModel)
Who = Annotated[PersonGrant, Depends(PersonGuard(None))]


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

    @routes.post("/auth/token/validate", responses={200: {"model": schemas.ValidatedAnswer}})
    async def validate_token(request: Request, grant: Who) -> Response:
        """Whom a credential stands for."""
        return ok(request, _validated(await accounts.who(grant.actor)))

    @routes.get("/users/me", responses={200: {"model": schemas.MeAnswer}})
    async def show_me(request: Request, grant: Who) -> Response:
        """The caller."""
        user = await accounts.who(grant.actor)
        more = {"id": str(user.id), "email": user.email, "avatarUrl": user.avatar_url}
        return ok(request, _validated(user) | more)

    @routes.post("/auth/logout", dependencies=[public()], status_code=204)
    async def log_out(request: Request) -> Response:
        """Ends the session that was sent along."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        await accounts.log_out(origin_of(request), bearer.strip() if scheme.lower() == "bearer" else None)
        return Response(status_code=204)

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


def _validated(user: User) -> dict[str, Any]:
    return {
        "username": user.login,
        "forgeType": "github",
        "forgeUserId": str(user.github_user_id),
        "plan": rules.PLAN,
        "createdAt": iso(user.created_at),
    }
