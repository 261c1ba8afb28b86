"""The application: routes, GitHub's forms of refusal, and the guard around all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from . import api_app, api_orgs, api_repos, api_user, controls, oauth, oidc, pages
from .api_repos import Moved
from .context import ApiError, Github, answer, refusal, renderer
from .faults import Faults
from .grants import Grants
from .guard import Guard
from .pages import PageError, page_refusal
from .seeding import make_world
from .settings import Settings
from .world import Missing, World


def make_app(settings: Settings) -> Guard:
    """The stand-in for these settings; its world is the kept one, or a new one of the seed."""
    world = World.load(settings.state) if settings.state.exists() else make_world(settings.seed)
    github = Github(settings, world, Grants(settings.state.with_name("grants.json")), Faults())
    parts = [api_user, api_repos, api_orgs, api_app, oauth, oidc, pages]
    if settings.control_token:
        parts.append(controls)
    routes = [route for part in parts for route in part.ROUTES]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        github.end()

    app = Starlette(
        lifespan=lifespan,
        routes=[Route("/_ready", _ready), *routes],
        exception_handlers={
            ApiError: _api_error,
            PageError: _page_error,
            Moved: _moved,
            Missing: _missing,
            HTTPException: _http_error,
        },
    )
    app.router.redirect_slashes = False
    app.state.github = github
    return Guard(app, github)


async def _ready(_request: Request) -> Response:
    return PlainTextResponse("ready\n")


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - the key above says so
    return refusal(request, error)


async def _page_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, PageError)  # noqa: S101
    return page_refusal(error)


async def _missing(request: Request, _error: Exception) -> Response:
    return refusal(request, ApiError(404, "Not Found"))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return refusal(request, ApiError(error.status_code, error.detail))


async def _moved(request: Request, error: Exception) -> Response:
    assert isinstance(error, Moved)  # noqa: S101
    url = renderer(request).api + error.path
    return answer(request, {"message": "Moved Permanently", "url": url}, 301, {"location": url})
