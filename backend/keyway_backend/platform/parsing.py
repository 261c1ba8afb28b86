"""From a body that was read to a checked shape. A fault is told by its field and kind, never by what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from keyway_backend.platform.errors import FieldError, ValidationFailed

Shape = TypeVar("Shape", bound=BaseModel)


def parsed(shape: type[Shape], sent: Mapping[str, Any]) -> Shape:
    """The body in its shape. Raises ValidationFailed (400)."""
    try:
        return shape.model_validate(sent)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        faults = [FieldError(_dotted(one["loc"]), _sentence(one["type"])) for one in found]
        raise invalid(*faults) from None


def invalid(*faults: FieldError) -> ValidationFailed:
    """The refusal that names these fields."""
    return ValidationFailed("Invalid request data", errors=faults)


def uuid_or_none(text: str) -> UUID | None:
    """An id of a path. What is none names nothing: the answer is that of a missing one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step)[:256] for step in location) or "body"


def _sentence(kind: str) -> str:
    return "This field is required." if kind == "missing" else f"This field has a wrong form ({kind})."
