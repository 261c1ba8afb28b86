"""POST /v1/auth/oidc/github, and the rules of a vault (policy.yaml `own_routes`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from keyway_core.limits import PAGE_DEFAULT, PAGE_MAX
from starlette.responses import Response

from keyway_backend.access.actor import Origin, Scope
from keyway_backend.access.grants import VaultGrant
from keyway_backend.access.guards import Right, VaultGuard
from keyway_backend.access.routing import GuardedRoute, public
from keyway_backend.features.ci import schemas
from keyway_backend.features.ci.rules import Conditions
from keyway_backend.features.ci.service import Workflows
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.clock import iso
from keyway_backend.platform.errors import Unauthorized
from keyway_backend.platform.http import ok, page
from keyway_backend.platform.parsing import parsed, uuid_or_none

Member = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ))]
Manager = Annotated[VaultGrant, Depends(VaultGuard(Scope.SESSION, Right.MANAGE))]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]

_SAME: Final[dict[str, Any]] = {"description": "The environment has the same rule"}
_EXCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": schemas.IssuedAnswer},
    401: {"description": "No token of a workflow run that can be exchanged here"},
    403: {"description": "No vault and no rule allows the run to read this environment"},
}


def _body(shape: type[Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shape.model_json_schema()}}}}


def router(workflows: Workflows, origin_of: Callable[[Request], Origin]) -> APIRouter:
    """The routes for workflows."""
    routes = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["ci"])
    _exchange(routes, workflows, origin_of)
    _rules(routes, workflows)
    return routes


def _exchange(routes: APIRouter, workflows: Workflows, origin_of: Callable[[Request], Origin]) -> None:
    @routes.post(
        "/auth/oidc/github",
        dependencies=[public()],
        responses=_EXCHANGED,
        openapi_extra=_body(schemas.ExchangeBody),
    )
    async def exchange_token(request: Request) -> Response:
        """GitHub's token of a run for one that reads one environment for a quarter of an hour."""
        sent = await json_body(request)
        if not isinstance(sent.get("token"), str):
            raise Unauthorized("Send the token of a workflow run.")
        body = parsed(schemas.ExchangeBody, sent)
        issued = await workflows.exchange(origin_of(request), body.token, body.environment)
        answer = {
            "token": issued.token.reveal(),
            "repository": issued.repository,
            "environment": issued.environment,
            "expiresAt": iso(issued.expires_at),
        }
        return ok(request, answer)


def _rules(routes: APIRouter, workflows: Workflows) -> None:
    path = "/vaults/{owner}/{repo}/oidc-rules"

    @routes.get(path, responses={200: {"model": schemas.RuleListAnswer}})
    async def list_rules(request: Request, grant: Member, limit: Limit = PAGE_DEFAULT, offset: Offset = 0) -> Response:
        """Which runs may read which environment."""
        shown, total = await workflows.rules(grant, limit=limit, offset=offset)
        return page(request, shown, total=total, limit=limit, offset=offset)

    @routes.post(
        path,
        status_code=201,
        responses={201: {"model": schemas.RuleAnswer}, 409: _SAME},
        openapi_extra=_body(schemas.RuleBody),
    )
    async def create_rule(request: Request, grant: Manager) -> Response:
        """A rule for an environment."""
        body = parsed(schemas.RuleBody, await json_body(request))
        return ok(request, await workflows.create(grant, body.environment, _conditions(body)), status=201)

    @routes.get(path + "/{id}", responses={200: {"model": schemas.RuleAnswer}})
    async def show_rule(request: Request, grant: Member, id: str) -> Response:  # noqa: A002 - the path's name
        """One rule."""
        return ok(request, await workflows.rule(grant, uuid_or_none(id)))

    @routes.put(
        path + "/{id}",
        responses={200: {"model": schemas.RuleAnswer}, 409: _SAME},
        openapi_extra=_body(schemas.RuleBody),
    )
    async def change_rule(request: Request, grant: Manager, id: str) -> Response:  # noqa: A002 - the path's name
        """Another form of a rule. Tokens that came from its old form end."""
        rule_id = (await workflows.rule(grant, uuid_or_none(id)))["id"]
        body = parsed(schemas.RuleBody, await json_body(request))
        changed = await workflows.change(grant, uuid_or_none(rule_id), body.environment, _conditions(body))
        return ok(request, changed)

    @routes.delete(path + "/{id}", status_code=204)
    async def delete_rule(grant: Manager, id: str) -> Response:  # noqa: A002 - the path's name
        """Removes a rule; tokens that came from it end with it."""
        await workflows.delete(grant, uuid_or_none(id))
        return Response(status_code=204)


def _conditions(body: schemas.RuleBody) -> Conditions:
    return Conditions(
        tuple(body.events) if body.events is not None else None,
        tuple(body.refs) if body.refs is not None else None,
        body.githubEnvironment,
        body.jobWorkflowRef,
        body.runnerEnvironment,
    )
