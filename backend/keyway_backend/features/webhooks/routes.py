"""Where GitHub delivers."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from keyway_backend.access.routing import GuardedRoute, public
from keyway_backend.features.webhooks import schemas
from keyway_backend.features.webhooks.service import Webhooks
from keyway_backend.platform.errors import BadRequest, Forbidden
from keyway_backend.platform.http import body

_SIGNATURE: Final = b"x-hub-signature-256"
_EVENT: Final = b"x-github-event"
_DELIVERY: Final = b"x-github-delivery"
_WORD: Final = re.compile(rb"[A-Za-z0-9_.:-]{1,100}")
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": schemas.Received},
    403: {"description": "GitHub did not sign these bytes"},
}
_HEADERS: Final = [
    {"name": name.decode(), "in": "header", "required": True, "schema": {"type": "string"}}
    for name in (_SIGNATURE, _EVENT, _DELIVERY)
]
_OPENAPI: Final = {
    "parameters": _HEADERS,
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
}


def router(webhooks: Webhooks) -> APIRouter:
    """The route of GitHub's deliveries."""
    routes = APIRouter(prefix="/v1/github", route_class=GuardedRoute, tags=["github"])

    @routes.post("/webhook", dependencies=[public()], responses=_ANSWERS, openapi_extra=_OPENAPI)
    async def receive_delivery(request: Request) -> Response:
        """Takes a delivery, once."""
        signature, event, delivery = (_header(request, name) for name in (_SIGNATURE, _EVENT, _DELIVERY))
        raw = await request.body()
        webhooks.verify(raw, signature)
        payload = _payload(raw)
        if not _WORD.fullmatch(event) or not _WORD.fullmatch(delivery):
            raise BadRequest("The headers do not name an event and a delivery.")
        await webhooks.receive(delivery.decode(), event.decode(), payload)
        return body({"received": True})

    return routes


def _header(request: Request, name: bytes) -> bytes:
    """A header that every delivery has once. Raises BadRequest (400) without it, Forbidden for more than one."""
    found: list[bytes] = [value for key, value in request.scope["headers"] if key == name]
    if not found:
        raise BadRequest(f"The header {name.decode()} is missing.")
    if len(found) > 1:
        raise Forbidden("The signature does not match.")
    return found[0]


def _payload(raw: bytes) -> dict[str, Any]:
    """Parsed only now that it is known whose it is."""
    try:
        payload = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(payload, dict):
        raise BadRequest("The body must be a JSON object.")
    return payload
