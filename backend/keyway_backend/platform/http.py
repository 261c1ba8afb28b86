"""The edge of every request: its id, its size, its headers, and the one place where errors become bodies.

Plain ASGI, because each layer of `BaseHTTPMiddleware` costs several per cent of a pull.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from uuid import uuid4

import orjson
import psycopg
from fastapi.exceptions import RequestValidationError
from keyway_core.limits import REQUEST_BODY_BYTES
from psycopg_pool import PoolTimeout
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyway_backend.platform import errors, log
from keyway_backend.platform.arrivals import SMALL_BYTES, Arrivals, Share
from keyway_backend.platform.bodies import json_body as json_body  # noqa: PLC0414 - part of this surface
from keyway_backend.platform.errors import FieldError, Problem, Unauthorized
from keyway_backend.platform.limits import SCOPE_KEY

JSON: Final = "application/json; charset=utf-8"
# A slash that was encoded is part of a name and never a step of the path; no name of ours has one.
_ENCODED_SLASH: Final = b"%2f"
_WEBHOOK: Final = "/v1/github/webhook"
# Only values are large, and such a body is read after its sender is known (`access/guards.py`). GitHub's own bodies are
# signed, and held only until that is checked.
_LARGE: Final = frozenset({"/v1/secrets/push", _WEBHOOK})
_IN_A_VAULT: Final = "/v1/vaults/"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Observer = Callable[[str, str, int, float], None]
"""Told of every answer: method, route template, status, seconds."""

_log = log.logger("http")


class RequestEdge:
    """Gives each request an id, bounds its body, sets every answer's headers, logs one line without query or body."""

    def __init__(self, app: ASGIApp, observe: Observer, arrivals: Arrivals) -> None:
        self._app = app
        self._observe = observe
        self._arrivals = arrivals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["keyway.request_id"] = _request_id(scope)
        if _ENCODED_SLASH in (raw := scope.get("raw_path", b"").lower()):
            scope["path"] = raw.decode("latin-1")
        started = time.perf_counter()
        status: int | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                if (window := scope.get(SCOPE_KEY)) is not None:
                    headers.update(window.headers)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            with self._arrivals.of(scope, receive, *_body_of(scope)) as bounded:
                await self._app(scope, bounded, send_with_headers)
        except Exception as error:
            if status is None:
                _log.error("unanswered", exc_info=error, request_id=request_id, **_place(scope))
                raise
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            self._observe(scope["method"], route, status or 503, seconds)
            _log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status or 503,
                ms=round(seconds * 1000, 1),
                request_id=request_id,
            )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(text := str(value, "latin-1")):
            return text
    return uuid4().hex


def _body_of(scope: Scope) -> tuple[int, Share]:
    """How large a body may be, and with whose it shares memory."""
    late = scope["path"] in _LARGE or scope["path"].startswith(_IN_A_VAULT)
    return REQUEST_BODY_BYTES if late else SMALL_BYTES, "signed" if scope["path"] == _WEBHOOK else "known"


def request_id(request: Request) -> str:
    """The id that answers, logs and audit rows of this request carry."""
    return str(request.scope["keyway.request_id"])


def body(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer without envelope."""
    return Response(orjson.dumps(data), status, headers, media_type=JSON)


def ok(request: Request, data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The envelope of contract.md 1.2: {"data": …, "meta": {"requestId": …}}."""
    return body({"data": data, "meta": {"requestId": request_id(request)}}, status, headers)


def page(request: Request, rows: list[Any], *, total: int, limit: int, offset: int) -> Response:
    """A page of a list, with its pagination meta."""
    pagination = {"total": total, "limit": limit, "offset": offset, "hasMore": offset + len(rows) < total}
    return body({"data": rows, "meta": {"pagination": pagination, "requestId": request_id(request)}})


class Renderer:
    """Turns whatever climbed to the edge into an RFC 7807 body, served as application/json (contract.md 1.3)."""

    def __init__(self, error_base_url: str) -> None:
        self._base = error_base_url.rstrip("/")

    def handlers(self) -> dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]:
        """What FastAPI is given as `exception_handlers`."""
        return {
            Problem: self._problem,
            RequestValidationError: self._invalid,
            HTTPException: self._http,
            psycopg.Error: self._database,
            PoolTimeout: self._database,
            ClientDisconnect: self._gone,
            Exception: self._unexpected,
        }

    def render(self, problem: Problem, request: Request) -> Response:
        """The answer for a problem."""
        content: dict[str, Any] = {
            "type": f"{self._base}/{problem.slug}",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "instance": request.url.path,
            "traceId": request_id(request),
        }
        if problem.errors:
            content["errors"] = [{"field": e.field, "code": e.code, "message": e.message} for e in problem.errors]
        return body(content | problem.extra, problem.status, problem.headers)

    async def _problem(self, request: Request, error: Problem) -> Response:
        limits = getattr(request.app.state, "limits", None)
        if isinstance(error, Unauthorized) and limits is not None:
            error = await limits.refused(request.scope, error)
        return self.render(error, request)

    async def _invalid(self, request: Request, error: RequestValidationError) -> Response:
        """Keeps where and what kind. The input, its context and the library's sentence may quote a secret: dropped."""
        fields = [FieldError(_dotted(item["loc"]), _sentence(item["type"])) for item in error.errors()]
        if any(item["type"] == "json_invalid" for item in error.errors()):
            return self.render(errors.BadRequest("The body is not valid JSON."), request)
        return self.render(errors.ValidationFailed("Invalid request data", errors=fields), request)

    async def _http(self, request: Request, error: HTTPException) -> Response:
        match error.status_code:
            case 404:
                return self.render(errors.NotFound(f"There is no route {request.method} {request.url.path}."), request)
            case 405:
                problem = errors.MethodNotAllowed(
                    f"{request.method} is not possible here.", headers={"Allow": ", ".join(_allowed(request))}
                )
                return self.render(problem, request)
            case 415:
                return self.render(errors.UnsupportedMediaType("Send application/json."), request)
            case _:
                return self.render(errors.BadRequest("The request cannot be read."), request)

    async def _database(self, request: Request, error: Exception) -> Response:
        _log.error(
            "database",
            exc_info=error,
            request_id=request_id(request),
            sqlstate=getattr(error, "sqlstate", None),
            **_place(request.scope),
        )
        return self.render(
            errors.Unavailable("The database cannot answer; try again. A change that was under way may have happened."),
            request,
        )

    async def _gone(self, request: Request, error: ClientDisconnect) -> Response:  # noqa: ARG002 - the framework's
        """Nobody reads this; it stands in the log as what it was."""
        return self.render(errors.BadRequest("The connection ended before the body did."), request)

    async def _unexpected(self, request: Request, error: Exception) -> Response:
        _log.error("unexpected", exc_info=error, request_id=request_id(request), **_place(request.scope))
        return self.render(
            errors.Unavailable(
                "Something went wrong here; the log has the request id. Look before you repeat a change."
            ),
            request,
        )


def _place(scope: Scope) -> dict[str, str]:
    """Where a request went, without a name."""
    return {"method": scope["method"], "route": getattr(scope.get("route"), "path", "unmatched")}


def _allowed(request: Request) -> list[str]:
    """The methods of all routes at this path; the framework knows only those of the first one."""
    found: set[str] = set()
    for route in request.app.router.routes:
        match, _ = route.matches(dict(request.scope))
        if match is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def _dotted(location: tuple[int | str, ...]) -> str:
    """`body.secrets.KEY`: the path without its first step. A key name is a label, not a value."""
    return ".".join(str(step) for step in location[1:]) or str(location[0])


def _sentence(kind: str) -> str:
    return "This field is required." if kind == "missing" else f"This field has a wrong form ({kind})."
