"""The shapes of push, pull and view on the wire, for the OpenAPI document (contract.md 4.3 and our supersets of it).

Answers are built by hand in `routes`, because a response model costs a tenth of a pull (design.md 11).
"""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from keyway_core.limits import KEYS_PER_ENVIRONMENT, PULL_MAX, VALUE_BYTES
from keyway_core.names import KEY, REPOSITORY
from pydantic import BaseModel, Field

from keyway_backend.features.secrets.rules import MESSAGE_CHARACTERS

SECRETS_JSON: Final = "application/vnd.keyway.secrets+json"
KEY_PATTERN: Final = f"^{KEY.pattern}$"


class Meta(BaseModel):
    """Of every answer."""

    requestId: str  # noqa: N815 - the wire's name


class Revision(BaseModel):
    """One state of one environment."""

    id: UUID
    number: int = Field(ge=0)


class DotenvContent(BaseModel):
    """The values as `.env` text, for the public clients."""

    content: str


class DotenvPull(BaseModel):
    """A pull without an Accept of our own."""

    data: DotenvContent
    meta: Meta


class JsonContent(BaseModel):
    """The values as they are."""

    secrets: dict[str, str]
    revision: Revision
    environment: str
    repository: str


class JsonPull(BaseModel):
    """A pull with `Accept: application/vnd.keyway.secrets+json`."""

    data: JsonContent
    meta: Meta


class ViewContent(BaseModel):
    """One value."""

    key: str
    value: str
    environment: str


class View(BaseModel):
    """The answer of a view."""

    data: ViewContent
    meta: Meta


class PushStats(BaseModel):
    """What a push did, in keys. `unchanged` is missing for those who may not read there."""

    created: int = Field(ge=0)
    updated: int = Field(ge=0)
    deleted: int = Field(ge=0)
    unchanged: int | None = Field(None, ge=0)


class PushContent(BaseModel):
    """What became of a push. `revision` is missing for those who may not read there."""

    success: Literal[True]
    message: str
    stats: PushStats
    revision: Revision | None = None


class PushAnswer(BaseModel):
    """The answer of a push."""

    data: PushContent
    meta: Meta


class ErrorField(BaseModel):
    """A field that was wrong. Never what it held."""

    field: str
    code: str
    message: str


class Problem(BaseModel):
    """An RFC 7807 body, served as application/json."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    traceId: str  # noqa: N815
    errors: list[ErrorField] | None = None


class RevisionConflict(Problem):
    """409: where the environment stands now."""

    currentRevision: Revision | None = None  # noqa: N815


PUSH_BODY: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["repoFullName", "environment", "secrets"],
    "properties": {
        "repoFullName": {"type": "string", "pattern": f"^{REPOSITORY.pattern}$"},
        "environment": {"type": "string", "minLength": 1, "maxLength": 50},
        "secrets": {
            "type": "object",
            "maxProperties": KEYS_PER_ENVIRONMENT,
            "propertyNames": {"pattern": KEY_PATTERN},
            "additionalProperties": {
                "type": "string",
                "maxLength": VALUE_BYTES,
                "description": f"at most {VALUE_BYTES} bytes of UTF-8, without NUL",
            },
        },
        "mode": {
            "type": "string",
            "enum": ["merge", "replace"],
            "description": "without it, a three-way merge with what this credential pulled in the last 15 minutes",
        },
        "delete": {
            "type": "array",
            "items": {"type": "string", "pattern": KEY_PATTERN},
            "maxItems": KEYS_PER_ENVIRONMENT,
            "description": "keys to delete, with mode merge",
        },
        "message": {"type": "string", "maxLength": MESSAGE_CHARACTERS, "description": "kept with the revision"},
    },
}


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"} | schema}


_IF_MATCH: Final = _header(
    "If-Match",
    "the revision that the push started from; the push is refused with 409 when the environment has moved on",
    pattern='^"[0-9a-f-]{36}"$',
)
_IDEMPOTENCY_KEY: Final = _header(
    "Idempotency-Key",
    "the same push with the same key within 24 hours happens once and gets the same answer",
    minLength=1,
    maxLength=255,
    pattern="^[!-~]+$",
)
_IF_NONE_MATCH: Final = _header("If-None-Match", "the ETag of an earlier pull; 304 when nothing has changed since")


def _inlined(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model without references, for a place that FastAPI does not resolve them from."""
    whole = model.model_json_schema()
    parts = whole.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            reference = node.get("$ref", "").removeprefix("#/$defs/")
            return resolve(parts[reference]) if reference else {name: resolve(part) for name, part in node.items()}
        return [resolve(part) for part in node] if isinstance(node, list) else node

    resolved: dict[str, Any] = resolve(whole)
    return resolved


def _query(name: str, description: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "required": required, "schema": schema}


_ENVIRONMENT: Final = [
    _query("repo", "owner/name", type="string", pattern=f"^{REPOSITORY.pattern}$"),
    _query("environment", "of the repository's vault", type="string", minLength=1, maxLength=50),
]
_PAGES: Final = [
    _query(
        "limit",
        "at most this many keys, in the order of their names; default: all",
        required=False,
        type="integer",
        minimum=1,
        maximum=PULL_MAX,
    ),
    _query(
        "offset",
        "leaves out the first ones; only with limit",
        required=False,
        type="integer",
        minimum=0,
        maximum=2_147_483_647,
    ),
]

Answers = dict[int | str, dict[str, Any]]

_PROBLEMS: Final[Answers] = {
    400: {"model": Problem, "description": "wrong form, or a limit of the environment"},
    401: {"model": Problem, "description": "the credential is missing, unknown, expired or revoked"},
    403: {"model": Problem, "description": "this credential may not, or there is no such vault for it"},
    429: {"model": Problem, "description": "over a rate limit"},
    503: {"model": Problem, "description": "crypto, the database or GitHub cannot answer, or stored data was damaged"},
}
_NOT_FOUND: Final[Answers] = {404: {"model": Problem, "description": "no secrets in that environment, or no such key"}}

PUSH_ANSWERS: Final[Answers] = _PROBLEMS | {
    200: {"model": PushAnswer, "description": "done; or nothing to do"},
    409: {"model": RevisionConflict, "description": "the environment moved on, or the Idempotency-Key was used before"},
    413: {"model": Problem, "description": "the body or the environment would be too large"},
    415: {"model": Problem, "description": "not JSON"},
}
PULL_ANSWERS: Final[Answers] = (
    _PROBLEMS
    | _NOT_FOUND
    | {
        200: {
            "model": DotenvPull,
            "description": "the values; which form depends on Accept",
            "content": {SECRETS_JSON: {"schema": _inlined(JsonPull)}},
        },
        304: {"description": "nothing has changed since the revision of If-None-Match"},
    }
)
VIEW_ANSWERS: Final[Answers] = _PROBLEMS | _NOT_FOUND | {200: {"model": View, "description": "the value"}}

PUSH_OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": PUSH_BODY}}},
    "parameters": [_IF_MATCH, _IDEMPOTENCY_KEY],
}
PULL_OPENAPI: Final[dict[str, Any]] = {"parameters": [*_ENVIRONMENT, *_PAGES, _IF_NONE_MATCH]}
VIEW_OPENAPI: Final[dict[str, Any]] = {
    "parameters": [*_ENVIRONMENT, _query("key", "the name of the secret", type="string", pattern=KEY_PATTERN)]
}
