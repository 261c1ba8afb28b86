"""Exposure: of the vaults that the caller manages, of an organisation, of a vault, of a secret."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from keyway_core.limits import PAGE_MAX
from keyway_core.roles import Verb
from starlette.responses import Response

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import OrgGrant, PersonGrant, SecretGrant, VaultGrant
from keyway_backend.access.guards import OrgGuard, PersonGuard, Right, SecretGuard, VaultGuard, id_in_path
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.exposure import rules, schemas
from keyway_backend.features.exposure.service import Exposure
from keyway_backend.features.exposure.store import Part, Window
from keyway_backend.platform.errors import FieldError, NotFound, ValidationFailed
from keyway_backend.platform.http import ok, page

_USERNAME: Final = re.compile(r"[A-Za-z0-9_\[\]-]{1,100}")
_CSV: Final = "text/csv; charset=utf-8; header=present"
_CSV_PEOPLE: Final = PAGE_MAX

Reader = Annotated[PersonGrant, Depends(PersonGuard(Scope.READ))]
Member = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ, asks_manage=True))]
Manager = Annotated[VaultGrant, Depends(VaultGuard(Scope.WRITE, Right.MANAGE, also=Scope.READ))]
SecretReader = Annotated[SecretGrant, Depends(SecretGuard(Scope.READ, Verb.READ))]
Owner = Annotated[OrgGrant, Depends(OrgGuard(Right.ORG_ADMIN, Scope.READ))]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
OptionalLimit = Annotated[int | None, Query(ge=1, le=PAGE_MAX)]
HistoryLimit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Day = Annotated[str, Query(max_length=40)]
_CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "model": schemas.VaultExposureAnswer,
        "content": {"text/csv": {"schema": {"type": "string"}}},
        "description": "People with what they saw; as CSV a line for each person and secret",
    }
}


async def _window(startDate: Day = "", endDate: Day = "") -> Window:  # noqa: N803 - the wire's names
    faults = [
        FieldError(name, "Give a day or a moment, as 2026-01-31 or 2026-01-31T12:00:00Z.")
        for name, text in (("startDate", startDate), ("endDate", endDate))
        if text and rules.moment(text) is None
    ]
    if faults:
        raise ValidationFailed("Invalid request data", errors=faults)
    return Window(rules.moment(startDate) if startDate else None, rules.moment(endDate) if endDate else None)


def router(exposure: Exposure) -> APIRouter:
    """The routes of exposure."""
    routes = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["exposure"])
    _of_the_caller(routes, exposure)
    _of_organizations(routes, exposure)
    _of_vaults(routes, exposure)
    _ticks(routes, exposure)
    return routes


def _of_the_caller(routes: APIRouter, exposure: Exposure) -> None:
    @routes.get("/users/me/exposure", responses={200: {"model": schemas.ExposureListAnswer}})
    async def managed_exposure(
        request: Request,
        grant: Reader,
        window: Annotated[Window, Depends(_window)],
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """The people who saw something in vaults that the caller manages."""
        return ok(request, await exposure.managed(grant, window, Part(limit, offset)))

    @routes.get("/users/me/exposure/{username}", responses={200: {"model": schemas.OptionalReportAnswer}})
    async def managed_report(
        request: Request, grant: Reader, username: str, limit: OptionalLimit = None, offset: Offset = 0
    ) -> Response:
        """What one person saw in vaults that the caller manages; null when that is nothing. `limit` counts secrets."""
        known = _USERNAME.fullmatch(username) is not None
        return ok(request, await exposure.managed_report(grant, username, Part(limit, offset)) if known else None)


def _of_organizations(routes: APIRouter, exposure: Exposure) -> None:
    @routes.get("/orgs/{org}/exposure", responses={200: {"model": schemas.ExposureListAnswer}})
    async def organization_exposure(
        request: Request,
        grant: Owner,
        window: Annotated[Window, Depends(_window)],
        vaultId: Annotated[str, Query(max_length=64)] = "",  # noqa: N803 - the wire's name
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """The people who saw something in the organisation's vaults."""
        vault_id = rules.identity(vaultId)
        if vaultId and vault_id is None:
            raise ValidationFailed("Invalid request data", errors=[FieldError("vaultId", "Give the id of a vault.")])
        return ok(request, await exposure.organization(grant, vault_id, window, Part(limit, offset)))

    @routes.get("/orgs/{org}/exposure/{username}", responses={200: {"model": schemas.ReportAnswer}})
    async def organization_report(
        request: Request, grant: Owner, username: str, limit: OptionalLimit = None, offset: Offset = 0
    ) -> Response:
        """What one person saw in the organisation's vaults. `limit` counts secrets."""
        if not _USERNAME.fullmatch(username):
            raise NotFound("Nothing is known of this person here.")
        return ok(request, await exposure.organization_report(grant, username, Part(limit, offset)))


def _of_vaults(routes: APIRouter, exposure: Exposure) -> None:
    @routes.get("/vaults/{owner}/{repo}/exposure", responses=_CSV_ANSWER)
    async def vault_exposure(
        request: Request,
        grant: Member,
        limit: OptionalLimit = None,
        offset: Offset = 0,
    ) -> Response:
        """Who saw what in a vault, and what was rotated since: JSON, or CSV when `Accept` asks for it."""
        wants_csv = _prefers_csv(request.headers.get("accept", ""))
        most = limit or (_CSV_PEOPLE if wants_csv else 20)
        pairs, total = await exposure.vault(grant, Part(most, offset))
        if not wants_csv:
            answer = page(request, rules.by_person(pairs), total=total, limit=most, offset=offset)
            answer.headers["Vary"] = "Accept"
            return answer
        headers = {"Vary": "Accept", "Content-Disposition": 'attachment; filename="exposure.csv"'}
        return Response(rules.table(pairs), headers=headers, media_type=_CSV)

    @routes.get(
        "/vaults/{owner}/{repo}/secrets/{secretId}/access-history",
        responses={200: {"model": schemas.AccessHistoryAnswer}},
    )
    async def access_history(
        request: Request, grant: SecretReader, limit: HistoryLimit = 50, offset: Offset = 0
    ) -> Response:
        """Who saw a secret."""
        return ok(request, await exposure.history(grant, Part(limit, offset)))


def _ticks(routes: APIRouter, exposure: Exposure) -> None:
    path = "/vaults/{owner}/{repo}/exposure/{userId}/ticks/{secretId}"

    @routes.put(path, status_code=204)
    async def tick(request: Request, grant: Manager) -> Response:
        """Notes that what a person saw of a secret was dealt with. A later read makes it open again."""
        await exposure.tick(grant, id_in_path(request, "userId"), id_in_path(request, "secretId"), done=True)
        return Response(status_code=204)

    @routes.delete(path, status_code=204)
    async def untick(request: Request, grant: Manager) -> Response:
        """Takes such a note back."""
        await exposure.tick(grant, id_in_path(request, "userId"), id_in_path(request, "secretId"), done=False)
        return Response(status_code=204)


def _prefers_csv(accept: str) -> bool:
    """Whether CSV is asked for, and not after JSON."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    wanted = [kind for kind in kinds if kind in {"text/csv", "application/json", "*/*"}]
    return wanted[:1] == ["text/csv"]
