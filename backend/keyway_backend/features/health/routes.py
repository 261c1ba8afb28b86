"""What anybody may ask: is it up (contract.md 4.0). Status and version, nothing that helps an attacker."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from keyway_backend import VERSION
from keyway_backend.access.routing import GuardedRoute, public
from keyway_backend.health import Health
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.http import body


class HealthAnswer(BaseModel):
    """Whether this instance can do its work."""

    status: Literal["healthy", "unhealthy"]
    version: str


class ApiAnswer(BaseModel):
    """Which API answers here."""

    version: Literal["v1"]
    status: Literal["ok"]
    timestamp: str


def router(health: Health) -> APIRouter:
    """The public health routes."""
    routes = APIRouter(route_class=GuardedRoute, tags=["health"])

    @routes.get(
        "/health", dependencies=[public()], responses={200: {"model": HealthAnswer}, 503: {"model": HealthAnswer}}
    )
    async def show_health() -> Response:
        """Whether the database and the crypto service answer."""
        healthy = (await health.report()).healthy
        answer = {"status": "healthy" if healthy else "unhealthy", "version": VERSION}
        return body(answer, 200 if healthy else 503)

    @routes.get("/v1/health", dependencies=[public()], responses={200: {"model": ApiAnswer}})
    @routes.head("/v1/health", dependencies=[public()], operation_id="head_api")
    async def show_api(request: Request) -> Response:
        """The version of the API. The public CLI's `doctor` sends HEAD."""
        if request.method == "HEAD":
            return Response(media_type="application/json")
        return body({"version": "v1", "status": "ok", "timestamp": iso(now())})

    return routes
