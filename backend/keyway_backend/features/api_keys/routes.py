"""API keys: make, list, show, revoke, report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from keyway_core.sensitive import Sensitive
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from keyway_backend.access.actor import Origin, Scope
from keyway_backend.access.grants import PersonGrant
from keyway_backend.access.guards import PersonGuard, id_in_path
from keyway_backend.access.routing import GuardedRoute, public
from keyway_backend.features.api_keys import rules, schemas
from keyway_backend.features.api_keys.rules import Wanted
from keyway_backend.features.api_keys.service import ApiKeys
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.errors import BadRequest, FieldError, ValidationFailed
from keyway_backend.platform.http import ok

Shape = TypeVar("Shape", bound=BaseModel)
Keeper = Annotated[PersonGrant, Depends(PersonGuard(Scope.API_KEYS))]


def router(keys: ApiKeys, origin_of: Callable[[Request], Origin]) -> APIRouter:
    """The routes of API keys. `origin_of` reads where a request without a credential came from."""
    routes = APIRouter(prefix="/v1/api-keys", route_class=GuardedRoute, tags=["api keys"])

    @routes.get("", responses={200: {"model": schemas.KeysAnswer}})
    async def list_api_keys(request: Request, grant: Keeper) -> Response:
        """The caller's keys, revoked ones too, newest first."""
        return ok(request, {"keys": await keys.every(grant)})

    @routes.post("", responses={200: {"model": schemas.MintedAnswer}}, openapi_extra=_takes(schemas.NewKeyBody))
    async def create_api_key(request: Request, grant: Keeper) -> Response:
        """A new key; its token is told this once."""
        wanted = _wanted(_parsed(schemas.NewKeyBody, await json_body(request)))
        return ok(request, await keys.create(grant, wanted))

    @routes.post(
        "/leak-reports",
        dependencies=[public()],
        status_code=202,
        responses={202: {"model": schemas.AcceptedAnswer}},
        openapi_extra=_takes(schemas.LeakReportBody),
    )
    async def report_leaked_api_key(request: Request) -> Response:
        """Ends a key that somebody found. Says nothing about whether there is such a key."""
        sent = _parsed(schemas.LeakReportBody, await json_body(request))
        await keys.report_leak(Sensitive(sent.token), origin_of(request))
        return ok(request, {"accepted": True}, status=202)

    @routes.get("/{id}", responses={200: {"model": schemas.KeyAnswer}})
    async def show_api_key(request: Request, grant: Keeper) -> Response:
        """One key."""
        return ok(request, await keys.show(grant, _id(request)))

    @routes.delete("/{id}", status_code=204)
    async def revoke_api_key(request: Request, grant: Keeper) -> Response:
        """Ends a key."""
        await keys.revoke(grant, _id(request))
        return Response(status_code=204)

    return routes


def _takes(shape: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": shape.model_json_schema()}}}}


def _id(request: Request) -> UUID:
    """The id of the path; here, and nowhere else, a malformed one is 400 (contract.md 1.1)."""
    found = id_in_path(request, "id")
    if found is None:
        raise BadRequest("The id of an API key is a UUID")
    return found


def _parsed(shape: type[Shape], sent: dict[str, Any]) -> Shape:
    """The body in its shape. Raises ValidationFailed, which names fields and never what they held."""
    try:
        return shape.model_validate(sent)
    except ValidationError as error:
        fields = [
            FieldError(".".join(map(str, item["loc"])), f"wrong form ({item['type']})") for item in error.errors()
        ]
        raise ValidationFailed("Invalid request data", errors=fields) from None


def _wanted(sent: schemas.NewKeyBody) -> Wanted:
    vaults, environments = sent.vaultIds or [], sent.environmentIds or []
    if environments and not vaults:
        raise _fault("environmentIds", "Name the vaults of these environments in vaultIds.")
    try:
        addresses = rules.addresses(sent.allowedIps or [])
    except ValueError:
        raise _fault("allowedIps", "Each is an address, or a network in CIDR form.") from None
    scopes = frozenset(map(Scope, sent.scopes))
    binding = rules.binding_of(vaults, environments)
    return Wanted(sent.name, sent.environment, scopes, sent.expiresInDays, addresses, binding)


def _fault(field: str, sentence: str) -> ValidationFailed:
    return ValidationFailed("Invalid request data", errors=[FieldError(field, sentence)])
