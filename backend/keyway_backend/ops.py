"""The ops port: liveness, readiness with named checks, metrics, the OpenAPI document. Never public."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from keyway_backend.health import Health
from keyway_backend.platform.http import JSON, body


def ops_app(health: Health, openapi: Callable[[], dict[str, Any]]) -> Starlette:
    """The application of the ops port. Both ports share one event loop: what takes long to make is made once, when
    it is asked for first.
    """
    described = functools.cache(lambda: orjson.dumps(openapi()))

    async def livez(_: Request) -> Response:
        """The process turns its event loop."""
        return body({"status": "alive"})

    async def readyz(_: Request) -> Response:
        """Whether requests should be sent here; names what is broken."""
        report = await health.report()
        ready = report.ready and not health.draining
        checks = {name: wrong or "ok" for name, wrong in report.checks.items()}
        status = "ready" if ready else "draining" if health.draining else "not ready"
        return body({"status": status, "checks": checks}, 200 if ready else 503)

    async def metrics(_: Request) -> Response:
        """Prometheus text."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def document(_: Request) -> Response:
        """The contract of the public port."""
        return Response(described(), media_type=JSON)

    return Starlette(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            Route("/openapi.json", document),
        ]
    )
