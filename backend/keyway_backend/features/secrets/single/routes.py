"""Single secrets of a vault (contract.md 4.4): list, create, change, reveal, versions, trash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from keyway_core.limits import PAGE_DEFAULT_LONG, PAGE_MAX
from keyway_core.roles import Verb

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import SecretGrant, VaultGrant
from keyway_backend.access.guards import Right, SecretGuard, VaultGuard, id_in_path
from keyway_backend.access.narrow import narrow
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.secrets import errors
from keyway_backend.features.secrets.rules import InvalidPushError
from keyway_backend.features.secrets.single import rules, schemas
from keyway_backend.features.secrets.single.entries import LiveSecrets
from keyway_backend.features.secrets.single.trash import Trash
from keyway_backend.features.secrets.single.versions import Versions
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.http import ok, page

T = TypeVar("T")

Member = Annotated[VaultGrant, Depends(VaultGuard(Scope.READ))]
Author = Annotated[VaultGrant, Depends(VaultGuard(Scope.WRITE))]
Cleaner = Annotated[VaultGrant, Depends(VaultGuard(Scope.DELETE, Right.ADMIN))]
Reader = Annotated[SecretGrant, Depends(SecretGuard(Scope.READ, Verb.READ))]
Writer = Annotated[SecretGrant, Depends(SecretGuard(Scope.WRITE, Verb.WRITE))]
Remover = Annotated[SecretGrant, Depends(SecretGuard(Scope.DELETE, Verb.WRITE))]
Restorer = Annotated[SecretGrant, Depends(SecretGuard(Scope.WRITE, Verb.WRITE, trashed=True))]
Purger = Annotated[SecretGrant, Depends(SecretGuard(Scope.DELETE, Verb.WRITE, trashed=True))]
Limit = Annotated[int | None, Query(ge=1, le=PAGE_MAX)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class Single:
    """What these routes call."""

    live: LiveSecrets
    versions: Versions
    trash: Trash


def router(single: Single) -> APIRouter:
    """All of them."""
    routes = APIRouter(prefix="/v1/vaults/{owner}/{repo}", route_class=GuardedRoute, tags=["secrets"])
    _live(routes, single.live)
    _versions(routes, single.versions)
    _trash(routes, single.trash)
    return routes


def _live(routes: APIRouter, live: LiveSecrets) -> None:
    @routes.get("/secrets", responses=schemas.answer(schemas.SecretPage))
    async def list_secrets(request: Request, grant: Member, limit: Limit = None, offset: Offset = 0) -> Response:
        """Names of the environments that the caller may read; without `limit` up to a thousand."""
        most = limit or PAGE_DEFAULT_LONG
        shown, total = await live.page(grant, limit=most, offset=offset)
        return page(request, shown, total=total, limit=most, offset=offset)

    @routes.post("/secrets", responses=schemas.CREATE_ANSWERS, openapi_extra=schemas.CREATE_OPENAPI)
    async def create_secret(request: Request, grant: Author) -> Response:
        """A new secret; or another value for the one of that name."""
        body = await json_body(request)
        name = _read(rules.read_environment, body)
        available = [environment.name for environment, _ in grant.environments.values()]
        target = narrow(grant, name, Verb.WRITE, missing=errors.missing_environment(name, available))
        put = await live.put(target, _read(rules.read_entry, body))
        data = {"id": put.id, "status": "created" if put.created else "updated"}
        return ok(request, data, status=201 if put.created else 200)

    @routes.patch("/secrets/{secretId}", responses=schemas.CHANGE_ANSWERS, openapi_extra=schemas.CHANGE_OPENAPI)
    async def change_secret(request: Request, grant: Writer) -> Response:
        """Another name, another value, or both."""
        return ok(request, await live.change(grant, _read(rules.read_edit, await json_body(request))))

    @routes.delete("/secrets/{secretId}", responses=schemas.REMOVE_ANSWERS)
    async def trash_secret(request: Request, grant: Remover) -> Response:
        """To the trash, for 30 days."""
        return ok(request, await live.remove(grant))

    @routes.get("/secrets/{secretId}/value", responses=schemas.answer(schemas.ValueAnswer))
    async def reveal_secret(request: Request, grant: Reader) -> Response:
        """The value."""
        text = (await live.value(grant)).reveal()
        return ok(request, {"value": text, "preview": rules.preview(text)})


def _versions(routes: APIRouter, versions: Versions) -> None:
    path = "/secrets/{secretId}/versions"

    @routes.get(path, responses=schemas.answer(schemas.VersionsAnswer))
    async def list_versions(request: Request, grant: Reader) -> Response:
        """The values that it had, newest first, without them."""
        return ok(request, {"versions": await versions.every(grant)})

    @routes.get(f"{path}/{{versionId}}/value", responses=schemas.answer(schemas.VersionValueAnswer))
    async def reveal_version(request: Request, grant: Reader) -> Response:
        """A value that it had."""
        value, number = await versions.value(grant, id_in_path(request, "versionId"))
        return ok(request, {"value": value.reveal(), "versionNumber": number})

    @routes.post(f"{path}/{{versionId}}/restore", responses=schemas.RESTORE_VERSION_ANSWERS)
    async def restore_version(request: Request, grant: Writer) -> Response:
        """Makes it the live value again."""
        return ok(request, await versions.restore(grant, id_in_path(request, "versionId")))

    @routes.delete(f"{path}/{{versionId}}", status_code=204, responses=schemas.PURGE_VERSION_ANSWERS)
    async def purge_version(request: Request, grant: Remover) -> Response:
        """Forgets it for good; that it was there stays known."""
        await versions.purge(grant, id_in_path(request, "versionId"))
        return Response(status_code=204)


def _trash(routes: APIRouter, trash: Trash) -> None:
    @routes.get("/trash", responses=schemas.answer(schemas.TrashPage))
    async def list_trash(request: Request, grant: Member, limit: Limit = None, offset: Offset = 0) -> Response:
        """What was deleted less than 30 days ago; without `limit` up to a thousand."""
        most = limit or PAGE_DEFAULT_LONG
        shown, total = await trash.page(grant, limit=most, offset=offset)
        return page(request, shown, total=total, limit=most, offset=offset)

    @routes.delete("/trash", responses=schemas.answer(schemas.EmptiedAnswer))
    async def empty_trash(request: Request, grant: Cleaner) -> Response:
        """Forgets all of it for good."""
        deleted = await trash.empty(grant)
        return ok(request, {"deleted": deleted, "message": "The trash is empty."})

    @routes.post("/trash/{secretId}/restore", responses=schemas.RESTORE_ANSWERS)
    async def restore_secret(request: Request, grant: Restorer) -> Response:
        """Brings it back with its versions."""
        return ok(request, await trash.restore(grant))

    @routes.delete("/trash/{secretId}", status_code=204, responses={204: {"description": "forgotten"}})
    async def purge_secret(grant: Purger, request: Request) -> Response:  # noqa: ARG001 - the short way hands it over
        """Forgets it and its versions for good."""
        await trash.purge(grant)
        return Response(status_code=204)


def _read(reader: Callable[[Mapping[str, Any]], T], body: Mapping[str, Any]) -> T:
    try:
        return reader(body)
    except InvalidPushError as error:
        raise errors.invalid(error.faults) from None
