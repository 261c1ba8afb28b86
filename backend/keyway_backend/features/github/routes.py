"""Questions about a repository at GitHub."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from keyway_core.limits import PAGE_MAX
from starlette.responses import Response

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import PersonGrant
from keyway_backend.access.guards import PersonGuard, repository_named
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.github import schemas
from keyway_backend.features.github.installations import Installations
from keyway_backend.features.github.service import Repositories
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.errors import FieldError, ValidationFailed
from keyway_backend.platform.http import ok, page
from keyway_backend.platform.limits import CHECK_INSTALLATION, limits_of

Reader = Annotated[PersonGrant, Depends(PersonGuard(Scope.READ))]
Holder = Annotated[PersonGrant, Depends(PersonGuard(Scope.SESSION))]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]

_DEFAULT: Final = 20
_BODY = {
    "requestBody": {"content": {"application/json": {"schema": schemas.CheckInstallationBody.model_json_schema()}}}
}


def router(repositories: Repositories, installations: Installations) -> APIRouter:
    """The routes about repositories and installations."""
    routes = APIRouter(prefix="/v1/github", route_class=GuardedRoute, tags=["github"])

    @routes.post("/check-installation", responses={200: {"model": schemas.InstallationAnswer}}, openapi_extra=_BODY)
    async def check_installation(request: Request, grant: Reader) -> Response:
        """Whether the App is installed for a repository."""
        if (limits := limits_of(request)) is not None:
            await limits.person(request.scope, CHECK_INSTALLATION, grant.actor.github_user_id)
        sent = await json_body(request)
        owner, name = _named(sent.get("repoOwner"), sent.get("repoName"))
        return ok(request, await repositories.installation(grant, owner, name))

    @routes.get("/repo-ids", responses={200: {"model": schemas.NumbersAnswer}})
    async def show_repository_ids(request: Request, grant: Reader, repo: Annotated[str, Query()]) -> Response:
        """The numbers of a repository and its owner."""
        owner, name = repository_named(repo, "repo")
        return ok(request, await repositories.numbers(grant, owner, name))

    @routes.get("/installations", responses={200: {"model": schemas.InstallationsAnswer}})
    async def list_installations(request: Request, grant: Holder) -> Response:
        """The installations that the caller made, or has on the own account."""
        return ok(request, await installations.own(grant))

    @routes.get("/available-orgs", responses={200: {"model": schemas.AvailableOrganizationsAnswer}})
    async def list_available_organizations(request: Request, grant: Holder) -> Response:
        """The organisations that the App is installed on and the caller is in."""
        return ok(request, await installations.organizations(grant))

    @routes.get("/repositories", responses={200: {"model": schemas.RepositoriesAnswer}})
    async def list_repositories(
        request: Request, grant: Holder, limit: Limit = _DEFAULT, offset: Offset = 0
    ) -> Response:
        """The repositories on which the caller could have a vault, with the role there."""
        found = await installations.repositories(grant)
        return page(request, found[offset : offset + limit], total=len(found), limit=limit, offset=offset)

    return routes


def _named(owner: object, name: object) -> tuple[str, str]:
    """Both as one repository. Raises ValidationFailed naming the field that is wrong."""
    for field, given in (("repoOwner", owner), ("repoName", name)):
        if not isinstance(given, str) or not given or "/" in given:
            raise ValidationFailed("Invalid request data", errors=[FieldError(field, "Give a name, without a slash.")])
    return repository_named(f"{owner}/{name}", "repoName")
