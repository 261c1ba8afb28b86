"""The composition root: settings in, an ASGI application out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from keyway_dashboard import VERSION, failures
from keyway_dashboard.backend import Backend, BackendError
from keyway_dashboard.features import ROUTES
from keyway_dashboard.http import Edge
from keyway_dashboard.pages import STATIC, Pages
from keyway_dashboard.sealing import Seals
from keyway_dashboard.sessions import Cookies
from keyway_dashboard.settings import Settings
from keyway_dashboard.static_files import StaticFiles
from keyway_dashboard.visits import Services, frame_of, networks


def create(settings: Settings) -> ASGIApp:
    """The whole dashboard for these settings."""
    static = StaticFiles(STATIC)
    pages = Pages(VERSION, static, frame_of)
    secrets = [settings.dashboard_session_secret, settings.dashboard_session_secret_previous]
    cookies = Cookies(Seals([secret.get_secret_value() for secret in secrets if secret.get_secret_value()]))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with Backend(settings.backend_url, settings.dashboard_hop_secret.get_secret_value()) as backend:
            app.state.services = Services(settings, pages, cookies, backend, networks(settings.trusted_proxies))
            yield

    app = Starlette(
        routes=[*ROUTES, Route("/static/{name}", static.serve)],
        exception_handlers={
            404: pages.missing,
            405: pages.wrong_method,
            413: pages.too_large,
            500: pages.broken,
            BackendError: failures.answer,
        },
        lifespan=lifespan,
    )
    return Edge(app)
