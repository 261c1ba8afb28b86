"""GitHub's answers to a person's own token, and the look-up of a person by number."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import credentials
from .context import ApiError, answer, github_of, page_of, renderer
from .world import Installation, Repo, User, World, covers


async def own_profile(request: Request) -> Response:
    """GET /user"""
    return answer(request, renderer(request).own_profile(credentials.person(request)))


async def emails(request: Request) -> Response:
    """GET /user/emails: needs the account permission Email addresses."""
    user = credentials.person_letting(request, "email_addresses")
    primary = {"email": user.email, "primary": True, "verified": True, "visibility": "private"}
    return answer(request, [primary])


async def installations(request: Request) -> Response:
    """GET /user/installations: those on the person's own account and where the person has a role."""
    user = credentials.person(request)
    world = github_of(request).world
    held = [found for found in world.installations.values() if _concerns(world, found, user)]
    chunk, headers = page_of(request, held)
    shown = [renderer(request).installation(found) for found in chunk]
    return answer(request, {"total_count": len(held), "installations": shown}, headers=headers)


async def installation_repositories(request: Request) -> Response:
    """GET /user/installations/{id}/repositories: where the person has an explicit role."""
    user = credentials.person(request)
    world = github_of(request).world
    found = world.installations.get(request.path_params["id"])
    if found is None or not _concerns(world, found, user):
        raise ApiError(404, "Not Found")
    held = _reached(world, found, user)
    chunk, headers = page_of(request, held)
    shown = [renderer(request).repo(repo, world.role(repo, user.id)) for repo in chunk]
    return answer(request, {"total_count": len(held), "repositories": shown}, headers=headers)


async def own_membership(request: Request) -> Response:
    """GET /user/memberships/orgs/{org}: needs the organisation permission Members."""
    world = github_of(request).world
    org = world.org(request.path_params["org"])
    user = credentials.person_on(request, org.id, "members")
    if user.id not in org.members:
        raise ApiError(404, "Not Found")
    return answer(request, renderer(request).membership(org, user))


async def by_number(request: Request) -> Response:
    """GET /user/{account_id}"""
    credentials.installation(request)
    user = github_of(request).world.users.get(request.path_params["account_id"])
    if user is None:
        raise ApiError(404, "Not Found")
    return answer(request, renderer(request).profile(user))


def _concerns(world: World, installation: Installation, user: User) -> bool:
    org = world.orgs.get(installation.account_id)
    member = org is not None and user.id in org.members
    return installation.account_id == user.id or member or bool(_reached(world, installation, user))


def _reached(world: World, installation: Installation, user: User) -> list[Repo]:
    return [repo for repo in world.repos.values() if covers(installation, repo) and world.role(repo, user.id)]


ROUTES = [
    Route("/user", own_profile),
    Route("/user/emails", emails),
    Route("/user/installations", installations),
    Route("/user/installations/{id:int}/repositories", installation_repositories),
    Route("/user/memberships/orgs/{org}", own_membership),
    Route("/user/{account_id:int}", by_number),
]
