"""GitHub's answers about organisations."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import credentials
from .context import ApiError, answer, github_of, page_of, renderer
from .world import Org


async def organisation(request: Request) -> Response:
    """GET /orgs/{org}"""
    credentials.installation(request)
    return answer(request, renderer(request).org(_org(request)))


async def membership(request: Request) -> Response:
    """GET /orgs/{org}/memberships/{login}: needs Members on this organisation's installation."""
    org = _org_with_members(request)
    user = github_of(request).world.user(request.path_params["login"])
    if user.id not in org.members:
        raise ApiError(404, "Not Found")
    return answer(request, renderer(request).membership(org, user))


async def members(request: Request) -> Response:
    """GET /orgs/{org}/members?role=all|admin|member"""
    org = _org_with_members(request)
    wanted = request.query_params.get("role", "all")
    world = github_of(request).world
    chosen = [world.users[number] for number, role in org.members.items() if wanted in {"all", role}]
    chunk, headers = page_of(request, chosen)
    return answer(request, [renderer(request).user(user) for user in chunk], headers=headers)


async def installation(request: Request) -> Response:
    """GET /orgs/{org}/installation, with the App's JWT."""
    credentials.app(request)
    found = github_of(request).world.installed_on(_org(request).id)
    if found is None:
        raise ApiError(404, "Not Found")
    return answer(request, renderer(request).installation(found))


def _org_with_members(request: Request) -> Org:
    found, _token = credentials.installation(request, "members")
    org = _org(request)
    if found.account_id != org.id:
        raise ApiError(403, credentials.NOT_ACCESSIBLE)
    return org


def _org(request: Request) -> Org:
    return github_of(request).world.org(request.path_params["org"])


ROUTES = [
    Route("/orgs/{org}", organisation),
    Route("/orgs/{org}/installation", installation),
    Route("/orgs/{org}/members", members),
    Route("/orgs/{org}/memberships/{login}", membership),
]
