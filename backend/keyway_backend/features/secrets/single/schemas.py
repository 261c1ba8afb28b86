"""Shapes of single secrets on the wire (contract.md 4.4), for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from keyway_core.limits import VALUE_BYTES
from pydantic import BaseModel, Field

from keyway_backend.features.secrets.schemas import KEY_PATTERN, Answers, Meta
from keyway_backend.features.secrets.single.rules import ENVIRONMENT_LENGTH

# Where the caller may write and not read, no name is told that was not in the request.
Name = str | None


class Person(BaseModel):
    """Somebody who changed something."""

    username: str
    avatarUrl: str | None  # noqa: N815 - the wire's name, here and below


class SecretItem(BaseModel):
    """A secret without its value."""

    id: UUID
    key: Name
    environment: str
    createdAt: str  # noqa: N815
    updatedAt: str  # noqa: N815
    lastModifiedBy: Person | None  # noqa: N815


class Pagination(BaseModel):
    """Where in a list an answer stands."""

    total: int
    limit: int
    offset: int
    hasMore: bool  # noqa: N815


class PageMeta(Meta):
    """Beside a page of a list."""

    pagination: Pagination


class SecretPage(BaseModel):
    """Envelope."""

    data: list[SecretItem]
    meta: PageMeta


class SecretAnswer(BaseModel):
    """Envelope."""

    data: SecretItem
    meta: Meta


class Put(BaseModel):
    """What a create did. Who may not read there is always told `updated`."""

    id: UUID
    status: Literal["created", "updated"]


class PutAnswer(BaseModel):
    """Envelope."""

    data: Put
    meta: Meta


class Trashed(BaseModel):
    """A secret on its way to the trash."""

    id: UUID
    key: Name
    environment: str
    deletedAt: str  # noqa: N815
    expiresAt: str  # noqa: N815
    message: str


class TrashedAnswer(BaseModel):
    """Envelope."""

    data: Trashed
    meta: Meta


class Value(BaseModel):
    """A value, and as much of it as may be shown beside others."""

    value: str
    preview: str


class ValueAnswer(BaseModel):
    """Envelope."""

    data: Value
    meta: Meta


class VersionItem(BaseModel):
    """A value that the secret had. Numbers count from its first one."""

    id: UUID
    versionNumber: int = Field(ge=1)  # noqa: N815
    createdAt: str  # noqa: N815
    createdBy: Person | None  # noqa: N815


class VersionList(BaseModel):
    """Newest first."""

    versions: list[VersionItem]


class VersionsAnswer(BaseModel):
    """Envelope."""

    data: VersionList
    meta: Meta


class VersionValue(BaseModel):
    """The value of a version."""

    value: str
    versionNumber: int = Field(ge=1)  # noqa: N815


class VersionValueAnswer(BaseModel):
    """Envelope."""

    data: VersionValue
    meta: Meta


class VersionRestored(BaseModel):
    """The secret has the value of that version again."""

    message: str
    key: Name
    versionNumber: int = Field(ge=1)  # noqa: N815


class VersionRestoredAnswer(BaseModel):
    """Envelope."""

    data: VersionRestored
    meta: Meta


class TrashItem(BaseModel):
    """A secret in the trash."""

    id: UUID
    key: str
    environment: str
    deletedAt: str  # noqa: N815
    expiresAt: str  # noqa: N815
    daysRemaining: int = Field(ge=0, le=30)  # noqa: N815


class TrashPage(BaseModel):
    """Envelope."""

    data: list[TrashItem]
    meta: PageMeta


class Restored(BaseModel):
    """A secret that came back."""

    id: UUID
    key: Name
    environment: str
    message: str


class RestoredAnswer(BaseModel):
    """Envelope."""

    data: Restored
    meta: Meta


class Emptied(BaseModel):
    """How many secrets were forgotten for good."""

    deleted: int = Field(ge=0)
    message: str


class EmptiedAnswer(BaseModel):
    """Envelope."""

    data: Emptied
    meta: Meta


def answer(model: type[BaseModel], *, conflict: str | None = None) -> Answers:
    """200, and 409 where it can happen."""
    more: Answers = {409: {"description": conflict}} if conflict else {}
    return {200: {"model": model}} | more


_KEY: Final = {"type": "string", "pattern": KEY_PATTERN}
_VALUE: Final = {
    "type": "string",
    "maxLength": VALUE_BYTES,
    "description": f"at most {VALUE_BYTES} bytes of UTF-8, without NUL",
}
_CREATE_BODY: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["key", "value", "environment"],
    "properties": {
        "key": _KEY,
        "value": _VALUE,
        "environment": {"type": "string", "minLength": 1, "maxLength": ENVIRONMENT_LENGTH},
    },
}
_CHANGE_BODY: Final[dict[str, Any]] = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "name": _KEY | {"description": "the new name"},
        "key": _KEY | {"description": "the same as `name`"},
        "value": _VALUE | {"description": f"{_VALUE['description']}; an empty one changes nothing"},
    },
}

CREATE_OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _CREATE_BODY}}}
}
CHANGE_OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _CHANGE_BODY}}}
}
_BUSY: Final = "others kept changing the environment"
CREATE_ANSWERS: Final[Answers] = answer(PutAnswer, conflict=_BUSY) | {201: {"model": PutAnswer}}
CHANGE_ANSWERS: Final = answer(SecretAnswer, conflict="the new name is taken")
REMOVE_ANSWERS: Final = answer(TrashedAnswer, conflict=_BUSY)
RESTORE_VERSION_ANSWERS: Final = answer(VersionRestoredAnswer, conflict=_BUSY)
RESTORE_ANSWERS: Final = answer(RestoredAnswer, conflict="the key exists again")
PURGE_VERSION_ANSWERS: Final[Answers] = {
    204: {"description": "forgotten"},
    409: {"description": "it is the live value"},
}
