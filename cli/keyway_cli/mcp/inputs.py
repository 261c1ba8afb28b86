"""Inputs that several tools take."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]
_ENVIRONMENT_FORM: Final = "^[a-zA-Z][a-zA-Z0-9_-]*$"
_KEY_FORM: Final = "^[A-Za-z_][A-Za-z0-9_]*$"


def text(description: str, **more: Any) -> Schema:
    """A text."""
    return {"type": "string", "description": description, "maxLength": 4_096} | more


def environment(description: str = "Environment; without it the one this server was set up for.") -> Schema:
    """The name of an environment."""
    return text(description, pattern=_ENVIRONMENT_FORM, maxLength=50)


def key(description: str, form: str = _KEY_FORM) -> Schema:
    """The name of a secret."""
    return text(description, pattern=form, maxLength=256)


def number(description: str, least: int, most: int) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": description, "minimum": least, "maximum": most}


def flag(description: str) -> Schema:
    """Yes or no."""
    return {"type": "boolean", "description": description}


def texts(description: str, most: int) -> Schema:
    """A list of texts."""
    items = {"type": "string", "maxLength": 100_000}
    return {"type": "array", "description": description, "items": items, "maxItems": most}
