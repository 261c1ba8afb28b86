"""The front page, and what an orchestrator asks."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keyway_dashboard.backend import Backend, State
from keyway_dashboard.pages import Pages
from keyway_dashboard.settings import Settings


async def front(request: Request) -> Response:
    """What this Keyway is, whether its API answers, and the commands for it."""
    settings: Settings = request.app.state.settings
    backend: Backend = request.app.state.backend
    pages: Pages = request.app.state.pages
    return pages.page("front", api_url=settings.api_url, answer=await backend.health())


async def livez(_request: Request) -> Response:
    """200 as long as this process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """200 when the backend is healthy, else 503: without it there is nothing to show."""
    backend: Backend = request.app.state.backend
    state = (await backend.health()).state
    return JSONResponse({"status": state.value}, 200 if state is State.HEALTHY else 503)


ROUTES = [Route("/", front), Route("/livez", livez), Route("/readyz", readyz)]
