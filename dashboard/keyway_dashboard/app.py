"""The composition root: settings in, an ASGI application out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from keyway_dashboard import VERSION
from keyway_dashboard.backend import Backend
from keyway_dashboard.features.welcome.routes import ROUTES
from keyway_dashboard.http import Edge
from keyway_dashboard.pages import STATIC, Pages
from keyway_dashboard.settings import Settings


def create(settings: Settings) -> ASGIApp:
    """The whole dashboard for these settings."""
    pages = Pages(VERSION)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with Backend(settings.backend_url) as backend:
            app.state.backend = backend
            yield

    app = Starlette(
        routes=[*ROUTES, Mount("/static", StaticFiles(directory=STATIC))],
        exception_handlers={404: pages.missing, 405: pages.missing, 500: pages.broken},
        lifespan=lifespan,
    )
    app.state.settings, app.state.pages = settings, pages
    return Edge(app)
