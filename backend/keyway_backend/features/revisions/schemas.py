"""The shapes of revisions on the wire, for the OpenAPI document. All of them are ours: no public client knows them."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from keyway_core.limits import KEYS_PER_ENVIRONMENT
from pydantic import BaseModel, Field

from keyway_backend.features.revisions.rules import MESSAGE_CHARACTERS


class Meta(BaseModel):
    """Of every answer."""

    requestId: str  # noqa: N815 - the wire's name


class Pagination(BaseModel):
    """Where in a list an answer stands."""

    total: int
    limit: int
    offset: int
    hasMore: bool  # noqa: N815


class PageMeta(Meta):
    """Beside a page of a list."""

    pagination: Pagination


class RevisionRef(BaseModel):
    """One state of one environment."""

    id: UUID
    number: int = Field(ge=0)


class HeadContent(BaseModel):
    """Where an environment stands."""

    environment: str
    revision: RevisionRef


class Author(BaseModel):
    """Who made a revision."""

    id: UUID
    username: str
    avatarUrl: str | None  # noqa: N815


class Counts(BaseModel):
    """What a revision did, in keys."""

    created: int
    updated: int
    deleted: int


class Revision(RevisionRef):
    """A change of an environment's values, like a commit."""

    author: Author | None
    credentialKind: str  # noqa: N815
    source: str
    message: str | None
    counts: Counts
    createdAt: str  # noqa: N815


class ChangedKeys(BaseModel):
    """The names of what changed."""

    created: list[str]
    updated: list[str]
    deleted: list[str]


class RevisionWithKeys(Revision):
    """A revision with the names of what it changed."""

    keys: ChangedKeys


class Number(BaseModel):
    """A revision by its number; 0 is the environment before the first one."""

    number: int = Field(ge=0)


class Difference(BaseModel):
    """What is different in `revision`, seen from `against`."""

    revision: RevisionRef
    against: Number
    added: list[str]
    changed: list[str]
    removed: list[str]
    unchanged: int


class Stats(Counts):
    """What a change did, in keys."""

    unchanged: int


class Change(BaseModel):
    """What became of a change. All but `success` is missing for those who may not read the environment."""

    success: bool
    revision: RevisionRef | None = None
    stats: Stats | None = None
    keys: ChangedKeys | None = None
    skipped: list[str] | None = None


class RolledBack(Change):
    """What became of a rollback. `skipped` keys were purged and are as they were before."""

    rolledBackTo: RevisionRef  # noqa: N815


class Copied(Change):
    """What became of a copy. `skipped` keys were there already."""

    source: str
    target: str


class CopiedSecret(Copied):
    """What became of a copied secret."""

    key: str


class Side(BaseModel):
    """An environment that was compared, and how it stood."""

    environment: str
    revision: RevisionRef


class Comparison(BaseModel):
    """Names, and whether the values behind them are the same."""

    left: Side
    right: Side
    onlyInLeft: list[str]  # noqa: N815
    onlyInRight: list[str]  # noqa: N815
    different: list[str]
    same: list[str]


class Digests(BaseModel):
    """Keyed digests, in hexadecimal, of the values that cannot be guessed. The key (Base64) is of this answer alone."""

    algorithm: str
    key: str
    revision: RevisionRef
    digests: dict[str, str]
    omitted: list[str]


class Preview(BaseModel):
    """What an import would do. Who may not read the environment is told `changed` and nothing else."""

    revision: RevisionRef | None = None
    created: list[str] | None = None
    updated: list[str] | None = None
    unchanged: list[str] | None = None
    changed: list[str] | None = None
    warnings: list[str]


class HeadAnswer(BaseModel):
    """Envelope."""

    data: HeadContent
    meta: Meta


class RevisionsAnswer(BaseModel):
    """Envelope."""

    data: list[Revision]
    meta: PageMeta


class RevisionAnswer(BaseModel):
    """Envelope."""

    data: RevisionWithKeys
    meta: Meta


class DifferenceAnswer(BaseModel):
    """Envelope."""

    data: Difference
    meta: Meta


class RolledBackAnswer(BaseModel):
    """Envelope."""

    data: RolledBack
    meta: Meta


class CopiedAnswer(BaseModel):
    """Envelope."""

    data: Copied
    meta: Meta


class CopiedSecretAnswer(BaseModel):
    """Envelope."""

    data: CopiedSecret
    meta: Meta


class ComparisonAnswer(BaseModel):
    """Envelope."""

    data: Comparison
    meta: Meta


class DigestsAnswer(BaseModel):
    """Envelope."""

    data: Digests
    meta: Meta


class PreviewAnswer(BaseModel):
    """Envelope."""

    data: Preview
    meta: Meta


Answers = dict[int | str, dict[str, Any]]

_MESSAGE: Final = {"type": "string", "maxLength": MESSAGE_CHARACTERS, "description": "kept with the revision"}
_ENVIRONMENT: Final = {"type": "string", "minLength": 1, "maxLength": 50}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "description": "the revision that the environment must be at; refused with 409 when it has moved on",
    "schema": {"type": "string", "pattern": '^"[0-9a-f-]{36}"$'},
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "description": "the ETag of an earlier answer; 304 when nothing has changed since",
    "schema": {"type": "string"},
}
_AGAINST: Final = {
    "name": "against",
    "in": "query",
    "description": "number or id of another revision, 0 for the beginning; default: the one before",
    "schema": {"type": "string"},
}
_SIDES: Final = [
    {"name": name, "in": "query", "required": True, "description": "an environment", "schema": dict(_ENVIRONMENT)}
    for name in ("left", "right")
]
_MOVED: Final[Answers] = {409: {"description": "The environment has moved on from the revision of If-Match"}}


def _body(properties: dict[str, Any], required: list[str], *, needed: bool = True) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"required": needed, "content": {"application/json": {"schema": schema}}}


HEAD_ANSWERS: Final[Answers] = {
    200: {"model": HeadAnswer},
    304: {"description": "Nothing has changed since the revision of If-None-Match"},
}
ROLLBACK_ANSWERS: Final[Answers] = {
    200: {"model": RolledBackAnswer},
    409: {"description": "The environment has moved on, or values were purged and not excepted"},
}
COPY_ANSWERS: Final[Answers] = _MOVED | {200: {"model": CopiedAnswer}}
COPY_SECRET_ANSWERS: Final[Answers] = _MOVED | {
    200: {"model": CopiedSecretAnswer, "description": "The key had a value, which was replaced"},
    201: {"model": CopiedSecretAnswer, "description": "The key is new"},
}
HEAD_OPENAPI: Final[dict[str, Any]] = {"parameters": [_IF_NONE_MATCH]}
DIFF_OPENAPI: Final[dict[str, Any]] = {"parameters": [_AGAINST]}
COMPARE_OPENAPI: Final[dict[str, Any]] = {"parameters": _SIDES}
ROLLBACK_OPENAPI: Final[dict[str, Any]] = {
    "parameters": [_IF_MATCH],
    "requestBody": _body({"skipPurged": {"type": "boolean"}, "message": _MESSAGE}, [], needed=False),
}
COPY_OPENAPI: Final[dict[str, Any]] = {
    "parameters": [_IF_MATCH],
    "requestBody": _body(
        {
            "target": _ENVIRONMENT,
            "keys": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "maxItems": KEYS_PER_ENVIRONMENT,
                "description": "default: all",
            },
            "overwrite": {"type": "boolean", "description": "replace what the target holds; default: leave it alone"},
            "message": _MESSAGE,
        },
        ["target"],
    ),
}
COPY_SECRET_OPENAPI: Final[dict[str, Any]] = {
    "parameters": [_IF_MATCH],
    "requestBody": _body(
        {
            "target": _ENVIRONMENT,
            "key": {"type": "string", "description": "its name in the target; default: the name that it has"},
            "message": _MESSAGE,
        },
        ["target"],
    ),
}
DIGESTS_OPENAPI: Final[dict[str, Any]] = {"requestBody": _body({}, [], needed=False)}
PREVIEW_OPENAPI: Final[dict[str, Any]] = {
    "requestBody": _body(
        {
            "text": {"type": "string", "description": "the text of a .env file"},
            "secrets": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        [],
    )
}
