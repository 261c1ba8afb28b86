"""The routes of providers, connections and syncs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from keyway_backend.access.actor import Origin, Scope
from keyway_backend.access.grants import PersonGrant, VaultGrant
from keyway_backend.access.guards import PersonGuard, SyncGuard, VaultGuard
from keyway_backend.access.routing import GuardedRoute, public
from keyway_backend.features.integrations import schemas
from keyway_backend.features.integrations.rules import Direction
from keyway_backend.features.integrations.service import STATE_SECONDS, Integrations, Returned, StateRefusedError
from keyway_backend.features.integrations.syncing import Syncing, Wanted
from keyway_backend.features.sign_in.pages import page
from keyway_backend.platform import cookies
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.http import ok
from keyway_backend.platform.parsing import parsed, uuid_or_none


def _name(alias: str) -> Any:
    return Query(alias=alias, min_length=1, max_length=50, pattern=schemas.PLAIN)


BROWSER_COOKIE: Final = "__Host-keyway_provider"
Reader = Annotated[PersonGrant, Depends(PersonGuard(Scope.READ))]
Owner = Annotated[PersonGrant, Depends(PersonGuard(Scope.SESSION))]
Member = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ))]
Onlooker = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ, only_reads=True))]
Syncer = Annotated[VaultGrant, Depends(SyncGuard())]
Text = Annotated[str | None, Query(max_length=2048)]
Connection = Annotated[str, Query(alias="connectionId", max_length=200)]
Project = Annotated[str, Query(alias="projectId", min_length=1, max_length=200, pattern=schemas.PLAIN)]
Service = Annotated[str | None, Query(alias="serviceId", min_length=1, max_length=200, pattern=schemas.PLAIN)]
Ours = Annotated[str, _name("keywayEnvironment")]
Theirs = Annotated[str, _name("providerEnvironment")]
OursOrNone = Annotated[str | None, _name("keywayEnvironment")]
TheirsOrNone = Annotated[str | None, _name("providerEnvironment")]
Both = Annotated[str, Query(min_length=1, max_length=50, pattern=schemas.PLAIN)]

_PRODUCTION: Final = "production"
_UNKNOWN: Final[dict[str, Any]] = {"description": "No such provider"}
_PROBLEM: Final = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
_HTML: Final = {"text/html": {"schema": {"type": "string"}}}
_CALLBACK: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A page", "content": _HTML},
    302: {"description": "Connected: on to the target"},
    400: {"description": "No valid, unused state of this browser", "content": _HTML | {"application/json": _PROBLEM}},
}


def _body(shape: type[Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shape.model_json_schema()}}}}


def router(integrations: Integrations, syncing: Syncing, origin_of: Callable[[Request], Origin]) -> APIRouter:
    """All 13."""
    routes = APIRouter(prefix="/v1/integrations", route_class=GuardedRoute, tags=["integrations"])
    _connections(routes, integrations)
    _browsers(routes, integrations, origin_of)
    _comparisons(routes, syncing)
    _syncs(routes, syncing)
    return routes


def _connections(routes: APIRouter, integrations: Integrations) -> None:
    @routes.get("", dependencies=[public()], responses={200: {"model": schemas.ProviderListAnswer}})
    async def list_providers(request: Request) -> Response:
        """Every provider, and whether this server is configured for it."""
        return ok(request, {"providers": integrations.providers()})

    @routes.get("/connections", responses={200: {"model": schemas.ConnectionListAnswer}})
    async def list_connections(request: Request, grant: Reader) -> Response:
        """The caller's own."""
        return ok(request, {"connections": await integrations.connections(grant)})

    @routes.delete("/connections/{id}", status_code=204, response_class=Response)
    async def delete_connection(request: Request, grant: Owner) -> Response:
        """Forgets one, with its links."""
        await integrations.disconnect(grant, uuid_or_none(request.path_params["id"]))
        return Response(status_code=204)

    @routes.post(
        "/{provider}/connect",
        responses={200: {"model": schemas.ConnectedAnswer}, 404: _UNKNOWN},
        openapi_extra=_body(schemas.ConnectBody),
    )
    async def connect_provider(request: Request, grant: Owner) -> Response:
        """Keeps a token that the caller made at the provider."""
        sent = await json_body(request)
        return ok(request, await integrations.connect(grant, request.path_params["provider"], sent.get("token")))

    @routes.get("/connections/{id}/projects", responses={200: {"model": schemas.ProjectListAnswer}})
    async def list_projects(request: Request, grant: Reader) -> Response:
        """What one connection reaches."""
        found = await integrations.projects(grant, uuid_or_none(request.path_params["id"]))
        return ok(request, {"projects": found})

    @routes.get(
        "/providers/{provider}/all-projects", responses={200: {"model": schemas.ReachedListAnswer}, 404: _UNKNOWN}
    )
    async def list_all_projects(request: Request, grant: Reader) -> Response:
        """What all connections to a provider reach."""
        return ok(request, await integrations.all_projects(grant, request.path_params["provider"]))


def _browsers(routes: APIRouter, integrations: Integrations, origin_of: Callable[[Request], Origin]) -> None:
    @routes.get(
        "/{provider}/authorize",
        status_code=302,
        response_class=RedirectResponse,
        responses={302: {"description": "To the provider"}, 404: _UNKNOWN},
    )
    async def authorize(request: Request, grant: Owner, redirect_uri: Text = None) -> Response:
        """Sends the caller's browser to the provider."""
        leaving = await integrations.leave(grant, request.path_params["provider"], redirect_uri)
        answer = RedirectResponse(leaving.url, 302)
        cookies.keep(answer, BROWSER_COOKIE, leaving.browser, seconds=STATE_SECONDS)
        return answer

    @routes.get("/{provider}/callback", dependencies=[public()], responses=_CALLBACK, response_class=Response)
    async def come_back(request: Request, state: Text = None, code: Text = None) -> Response:
        """Takes the browser back from the provider."""
        nonces = cookies.sent(request, BROWSER_COOKIE)
        if state is None or len(nonces) != 1:
            return _refused()
        try:
            name, origin = request.path_params["provider"], origin_of(request)
            answer = _returned(await integrations.come_back(name, state, nonces[0], code, origin))
        except StateRefusedError:
            return _refused()
        cookies.drop(answer, BROWSER_COOKIE)
        return answer


def _comparisons(routes: APIRouter, syncing: Syncing) -> None:
    at = "/vaults/{owner}/{repo}/sync"

    @routes.get(f"{at}/status", responses={200: {"model": schemas.StatusAnswer}})
    async def sync_status(  # noqa: PLR0913 - the query's parameters
        request: Request,
        grant: Onlooker,
        connection_id: Connection,
        project_id: Project,
        *,
        service_id: Service = None,
        environment: Both = _PRODUCTION,
        ours: OursOrNone = None,
        theirs: TheirsOrNone = None,
    ) -> Response:
        """What both sides hold; `environment` names both, unless each is named by itself."""
        id_ = uuid_or_none(connection_id)
        wanted = Wanted(id_, project_id, service_id, ours or environment, theirs or environment)
        return ok(request, await syncing.status(grant, wanted))

    @routes.get(f"{at}/diff", responses={200: {"model": schemas.DiffAnswer}})
    async def sync_diff(
        request: Request,
        grant: Onlooker,
        connection_id: Connection,
        project_id: Project,
        service_id: Service = None,
        ours: Ours = _PRODUCTION,
        theirs: Theirs = _PRODUCTION,
    ) -> Response:
        """Names that differ, and no value."""
        wanted = Wanted(uuid_or_none(connection_id), project_id, service_id, ours, theirs)
        return ok(request, await syncing.diff(grant, wanted))

    @routes.get(f"{at}/preview", responses={200: {"model": schemas.PreviewAnswer}})
    async def sync_preview(  # noqa: PLR0913 - the query's parameters
        request: Request,
        grant: Member,
        connection_id: Connection,
        project_id: Project,
        *,
        service_id: Service = None,
        ours: Ours = _PRODUCTION,
        theirs: Theirs = _PRODUCTION,
        direction: Direction = Direction.PUSH,
        allow_delete: Annotated[bool, Query(alias="allowDelete")] = False,
    ) -> Response:
        """What a sync would do."""
        id_ = uuid_or_none(connection_id)
        wanted = Wanted(id_, project_id, service_id, ours, theirs, direction, allow_delete)
        return ok(request, await syncing.preview(grant, wanted))


def _syncs(routes: APIRouter, syncing: Syncing) -> None:
    at = "/vaults/{owner}/{repo}/sync"

    @routes.post(f"{at}/link", responses={200: {"model": schemas.LinkedAnswer}}, openapi_extra=_body(schemas.LinkBody))
    async def link_project(request: Request, grant: Member) -> Response:
        """Remembers that an environment and a project belong together."""
        body = parsed(schemas.LinkBody, await json_body(request))
        return ok(request, {"link": await syncing.link(grant, _wanted(body))})

    @routes.post(at, responses={200: {"model": schemas.SyncedAnswer}}, openapi_extra=_body(schemas.SyncBody))
    async def sync(request: Request, grant: Syncer) -> Response:
        """Copies; a provider that fails is told in the answer."""
        body = parsed(schemas.SyncBody, await json_body(request))
        return ok(request, await syncing.sync(grant, _wanted(body, Direction(body.direction), delete=body.allowDelete)))


def _wanted(body: schemas.LinkBody, direction: Direction = Direction.PUSH, *, delete: bool = False) -> Wanted:
    ours, theirs = body.keywayEnvironment, body.providerEnvironment
    return Wanted(uuid_or_none(body.connectionId), body.projectId, body.serviceId, ours, theirs, direction, delete)


def _returned(result: Returned) -> Response:
    if result.failure is not None:
        return page(f"{result.provider} is not connected", result.failure, "You can close this page.")
    if result.redirect_uri is not None:
        return RedirectResponse(result.redirect_uri, 302)
    return page(f"{result.provider} is connected", "You can close this page and go on where you came from.")


def _refused() -> Response:
    return page(
        "This connection cannot go on",
        "It was started in another browser, was used already, or took longer than ten minutes. Nothing was connected.",
        status=400,
    )
