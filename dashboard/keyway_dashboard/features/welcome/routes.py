"""The front page, and what an orchestrator asks."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from keyway_dashboard.backend import State
from keyway_dashboard.features.vaults.routes import overview
from keyway_dashboard.pages import Frame
from keyway_dashboard.visits import Services, Visit, open_get, theme_of


async def front(request: Request, services: Services) -> Response:
    """The vaults of somebody who is signed in; for others what this Keyway is, and whether its API answers."""
    session = services.cookies.session(request)
    if session is not None:
        return await overview(Visit(request, session, services))
    frame = Frame("/", theme_of(request))
    health = await services.backend.health()
    return services.pages.page("front", frame=frame, api_url=services.settings.api_url, answer=health)


async def livez(_request: Request, _services: Services) -> Response:
    """200 as long as this process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(_request: Request, services: Services) -> Response:
    """200 when the backend is healthy, else 503: without it there is nothing to show."""
    state = (await services.backend.health()).state
    return JSONResponse({"status": state.value}, 200 if state is State.HEALTHY else 503)


ROUTES = [open_get("/", front), open_get("/livez", livez), open_get("/readyz", readyz)]
