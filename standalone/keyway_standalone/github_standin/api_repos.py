"""GitHub's answers about repositories and who may do what on them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import credentials
from .context import ApiError, Github, answer, github_of, page_of, renderer
from .world import Missing, Repo, User


class Moved(Exception):
    """The name in the path is a former one; `path` leads on."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


async def repository(request: Request) -> Response:
    """GET /repos/{owner}/{repo} and /repositories/{id}"""
    repo = _visible_repo(request)
    return answer(request, renderer(request).repo(repo))


async def permission(request: Request) -> Response:
    """GET …/collaborators/{login}/permission: on a public repository everybody reads, without being a collaborator."""
    repo = _visible_repo(request)
    user = _person(request)
    everybody = "read" if repo.visibility == "public" else None
    role = github_of(request).world.role(repo, user.id) or everybody
    return answer(request, renderer(request).permission(user, role))


async def collaborator(request: Request) -> Response:
    """GET …/collaborators/{login}: 204 for whoever was given a role, else 404."""
    repo = _visible_repo(request)
    if github_of(request).world.role(repo, _person(request).id) is None:
        raise ApiError(404, "Not Found")
    return answer(request, None, 204)


async def collaborators(request: Request) -> Response:
    """GET …/collaborators"""
    repo = _visible_repo(request)
    chunk, headers = page_of(request, github_of(request).world.people_with_role(repo))
    return answer(request, [renderer(request).collaborator(repo, user) for user in chunk], headers=headers)


async def installation(request: Request) -> Response:
    """GET /repos/{owner}/{repo}/installation, with the App's JWT."""
    credentials.app(request)
    found = github_of(request).world.covering(_repo(request))
    if found is None:
        raise ApiError(404, "Not Found")
    return answer(request, renderer(request).installation(found))


def _visible_repo(request: Request) -> Repo:
    """The repository of the path, for an installation that covers it. A wrong token is refused first."""
    credentials.installation(request)
    repo = _repo(request)
    credentials.visible(request, repo)
    return repo


def _repo(request: Request) -> Repo:
    """The repository of the path. Raises Moved for a former name, Missing for none."""
    world = github_of(request).world
    if "id" in request.path_params:
        return _numbered(github_of(request), request.path_params["id"])
    name = f"{request.path_params['owner']}/{request.path_params['repo']}"
    try:
        return world.repo(name)
    except Missing:
        moved = world.moved(name)
        if moved is None:
            raise
        rest = request.url.path.split("/", 4)[4:]
        raise Moved("/".join([f"/repositories/{moved.id}", *rest])) from None


def _numbered(github: Github, number: int) -> Repo:
    if number not in github.world.repos:
        raise Missing
    return github.world.repos[number]


def _person(request: Request) -> User:
    return github_of(request).world.user(request.path_params["login"])


ROUTES = [
    Route(prefix + path, handler)
    for prefix in ("/repos/{owner}/{repo}", "/repositories/{id:int}")
    for path, handler in (
        ("", repository),
        ("/installation", installation),
        ("/collaborators", collaborators),
        ("/collaborators/{login}", collaborator),
        ("/collaborators/{login}/permission", permission),
    )
]
