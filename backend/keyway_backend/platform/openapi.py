"""The OpenAPI document, completed: what every route may answer besides its own, who may call it, what its path names.

The routes describe what is theirs. Guards and the edge of every request decide the rest, so the rest is added here,
from the guards, and cannot be forgotten on a route.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from starlette.routing import BaseRoute

_EVERYWHERE: Final = {
    400: "Malformed, or a field of the wrong shape",
    404: "Unknown path",
    405: "Known path, other method",
    413: "Body or environment over the limit; names the figure",
    415: "Neither JSON nor a form",
    429: "Rate limited",
    503: "Crypto, database or GitHub cannot answer",
}
_GUARDED: Final = {
    401: "The credential is missing, malformed, unknown, expired or revoked",
    403: "A valid credential that may not",
}
_NAME: Final = {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,100}$"}
_BEARER: Final = {"type": "http", "scheme": "bearer", "description": "A session, an API key or a workflow's token"}
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


class FieldProblem(BaseModel):
    """One field that was wrong. Never what was sent."""

    field: str
    code: Literal["invalid"]
    message: str


class ProblemBody(BaseModel):
    """RFC 7807, served as application/json (contract.md 1.3)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    traceId: str = Field(description="the request id, as in X-Request-ID")  # noqa: N815
    errors: list[FieldProblem] | None = None


def document(
    app: FastAPI,
    routes: Iterable[BaseRoute],
    public_paths: frozenset[tuple[str, str]],
    needed: Mapping[tuple[str, str], dict[str, str]],
) -> dict[str, Any]:
    """The whole document. `public_paths`: (method, path) of the routes on which no credential is looked at; `needed`:
    what others need of one, told as `x-keyway-needs`."""
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=list(routes))
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas |= _schemas(ProblemBody)
    made["components"]["securitySchemes"] = {"bearer": dict(_BEARER)}
    for path, item in made["paths"].items():
        for method, operation in item.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content["schema"] = _hoisted(content["schema"], schemas)
            _complete(path, operation, public=(method.upper(), path) in public_paths)
            if needs := needed.get((method.upper(), path)):
                operation["x-keyway-needs"] = needs
            if method == "head":
                _without_bodies(operation)
    return made


def _complete(path: str, operation: dict[str, Any], *, public: bool) -> None:
    operation["security"] = [] if public else [{"bearer": []}]
    for status, meaning in (_EVERYWHERE if public else _EVERYWHERE | _GUARDED).items():
        operation["responses"].setdefault(str(status), _problem(meaning))
    operation["responses"].pop("422", None)
    for status, response in operation["responses"].items():
        if int(status) >= 400:
            response.setdefault("content", _problem("")["content"])
    declared = operation.setdefault("parameters", [])
    known = {parameter["name"] for parameter in declared}
    for name in _PARAMETER.findall(path):
        if name not in known:
            declared.append({"name": name, "in": "path", "required": True, "schema": dict(_NAME)})


def _hoisted(schema: Any, schemas: dict[str, Any]) -> Any:
    """A body's schema whose inner definitions stand where the whole document finds them."""
    if isinstance(schema, list):
        return [_hoisted(inner, schemas) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    for name, inner in schema.get("$defs", {}).items():
        schemas[name] = _hoisted(inner, schemas)
    found = {name: _hoisted(inner, schemas) for name, inner in schema.items() if name != "$defs"}
    if isinstance(found.get("$ref"), str):
        found["$ref"] = found["$ref"].replace("#/$defs/", "#/components/schemas/")
    return found


def _without_bodies(operation: dict[str, Any]) -> None:
    """An answer to HEAD is that to GET without its body."""
    for response in operation["responses"].values():
        response.pop("content", None)


def _problem(meaning: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    inner = schema.pop("$defs", {})
    return {model.__name__: schema, **inner}
