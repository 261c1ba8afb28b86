"""History of environments, rollback, copies and comparison (policy.yaml `own_routes`). No answer carries a value."""

from __future__ import annotations

import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from keyway_core.limits import PAGE_DEFAULT, PAGE_MAX
from keyway_core.roles import Verb

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import EnvironmentGrant, VaultGrant
from keyway_backend.access.guards import EnvironmentGuard, VaultGuard, id_in_path
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.revisions import schemas
from keyway_backend.features.revisions.comparing import Comparisons
from keyway_backend.features.revisions.service import Revisions
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.errors import FieldError, ValidationFailed
from keyway_backend.platform.http import ok, page

_TAG: Final = re.compile(r'"([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"')
_ONE: Final = "/{owner}/{repo}/environments/{name}"
_REVISION: Final = f"{_ONE}/revisions/{{revision}}"

Poller = Annotated[EnvironmentGrant, Depends(EnvironmentGuard(Scope.READ, Verb.READ, ci=True))]
Reader = Annotated[EnvironmentGrant, Depends(EnvironmentGuard(Scope.READ, Verb.READ))]
Writer = Annotated[EnvironmentGrant, Depends(EnvironmentGuard(Scope.WRITE, Verb.WRITE))]
Comparer = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ, only_reads=True))]
Copier = Annotated[VaultGrant, Depends(VaultGuard(Scope.WRITE, also=Scope.READ))]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


def router(revisions: Revisions, comparisons: Comparisons) -> APIRouter:
    """The routes of revisions."""
    routes = APIRouter(prefix="/v1/vaults", route_class=GuardedRoute, tags=["revisions"])
    _add_history(routes, revisions)
    _add_changes(routes, revisions)
    _add_comparisons(routes, comparisons)
    return routes


def _add_history(routes: APIRouter, revisions: Revisions) -> None:
    @routes.get(f"{_ONE}/revision", responses=schemas.HEAD_ANSWERS, openapi_extra=schemas.HEAD_OPENAPI)
    @routes.head(
        f"{_ONE}/revision",
        responses=schemas.HEAD_ANSWERS,
        openapi_extra=schemas.HEAD_OPENAPI,
        operation_id="head_environment_revision",
    )
    async def show_head(request: Request, grant: Poller) -> Response:
        """Where an environment stands: cheap enough to be asked often. Answers HEAD as well."""
        revision_id, number = await revisions.head(grant)
        headers = {"ETag": f'"{revision_id}"'}
        known = {UUID(tag) for tag in _TAG.findall(request.headers.get("if-none-match", ""))}
        if revision_id in known:
            return Response(status_code=304, headers=headers)
        data = {"environment": grant.asked_name, "revision": {"id": revision_id, "number": number}}
        return ok(request, data, headers=headers)

    @routes.get(f"{_ONE}/revisions", responses={200: {"model": schemas.RevisionsAnswer}})
    async def list_revisions(
        request: Request, grant: Reader, limit: Limit = PAGE_DEFAULT, offset: Offset = 0
    ) -> Response:
        """Who changed an environment, when, and how much; newest first."""
        shown, total = await revisions.every(grant, limit=limit, offset=offset)
        return page(request, shown, total=total, limit=limit, offset=offset)

    @routes.get(_REVISION, responses={200: {"model": schemas.RevisionAnswer}})
    async def show_revision(request: Request, grant: Reader) -> Response:
        """One revision, by number or id, with the names of the keys that it changed."""
        return ok(request, await revisions.show(grant, request.path_params["revision"]))

    @routes.get(
        f"{_REVISION}/diff", responses={200: {"model": schemas.DifferenceAnswer}}, openapi_extra=schemas.DIFF_OPENAPI
    )
    async def diff_revisions(request: Request, grant: Reader) -> Response:
        """What is different between two revisions: names and kinds of change."""
        against = request.query_params.get("against")
        return ok(request, await revisions.diff(grant, request.path_params["revision"], against))


def _add_changes(routes: APIRouter, revisions: Revisions) -> None:
    @routes.post(f"{_REVISION}/rollback", responses=schemas.ROLLBACK_ANSWERS, openapi_extra=schemas.ROLLBACK_OPENAPI)
    async def roll_back(request: Request, grant: Writer) -> Response:
        """Makes an environment hold again what it held at a revision. This is a new revision; history stays."""
        sent, started_from = await json_body(request), _started_from(request)
        return ok(request, await revisions.roll_back(grant, request.path_params["revision"], sent, started_from))

    @routes.post(f"{_ONE}/copy", responses=schemas.COPY_ANSWERS, openapi_extra=schemas.COPY_OPENAPI)
    async def copy_environment(request: Request, grant: Copier) -> Response:
        """Copies values into another environment of the vault, re-sealed inside the crypto service."""
        sent, started_from = await json_body(request), _started_from(request)
        return ok(request, await revisions.copy(grant, request.path_params["name"], sent, started_from))

    @routes.post(
        "/{owner}/{repo}/secrets/{secretId}/copy",
        responses=schemas.COPY_SECRET_ANSWERS,
        openapi_extra=schemas.COPY_SECRET_OPENAPI,
    )
    async def copy_secret(request: Request, grant: Copier) -> Response:
        """Copies one value into another environment, or under another key."""
        sent, started_from = await json_body(request), _started_from(request)
        copied = await revisions.copy_secret(grant, id_in_path(request, "secretId"), sent, started_from)
        return ok(request, copied.answer, status=201 if copied.created else 200)


def _add_comparisons(routes: APIRouter, comparisons: Comparisons) -> None:
    @routes.get(
        "/{owner}/{repo}/compare",
        responses={200: {"model": schemas.ComparisonAnswer}},
        openapi_extra=schemas.COMPARE_OPENAPI,
    )
    async def compare_environments(request: Request, grant: Comparer) -> Response:
        """What two environments have in common, in names. Values are compared inside the crypto service."""
        query = request.query_params
        return ok(request, await comparisons.compare(grant, query.get("left"), query.get("right")))

    @routes.post(
        f"{_ONE}/digests", responses={200: {"model": schemas.DigestsAnswer}}, openapi_extra=schemas.DIGESTS_OPENAPI
    )
    async def issue_digests(request: Request, grant: Reader) -> Response:
        """Keyed digests for a scan of files, with a key of this answer alone. Counts as a read of these values."""
        return ok(request, await comparisons.digests(grant, await json_body(request)))

    @routes.post(
        f"{_ONE}/import/preview",
        responses={200: {"model": schemas.PreviewAnswer}},
        openapi_extra=schemas.PREVIEW_OPENAPI,
    )
    async def preview_import(request: Request, grant: Writer) -> Response:
        """What a .env file or a map would create and update. Writes nothing and repeats no value."""
        return ok(request, await comparisons.preview(grant, await json_body(request)))


def _started_from(request: Request) -> UUID | None:
    """The revision of If-Match. Raises ValidationFailed."""
    sent = request.headers.get("if-match")
    if sent is None:
        return None
    tag = _TAG.fullmatch(sent.strip())
    if tag is None:
        message = "The id of a revision in double quotes is required."
        raise ValidationFailed("Invalid request data", errors=[FieldError("If-Match", message)])
    return UUID(tag[1])
