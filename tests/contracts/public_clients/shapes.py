"""What a client reads of an answer, as a literal: types, fixed words and rules, nested like the answer itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

Shape = Any
"""A type, a literal, a rule, a tuple (one of them), a dict (every name is there), a list (each of at least one)."""


@dataclass(frozen=True)
class Some:
    """A list that may be empty."""

    of: Shape


@dataclass(frozen=True)
class Optional:
    """A field that may be missing."""

    of: Shape


_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def moment(found: object) -> bool:
    """ISO 8601, UTC, milliseconds."""
    return isinstance(found, str) and _MOMENT.fullmatch(found) is not None


def uuid(found: object) -> bool:
    """An id of ours."""
    return isinstance(found, str) and str(UUID(found)) == found


def url(found: object) -> bool:
    """An address that a browser can open."""
    return isinstance(found, str) and found.startswith(("http://", "https://"))


def filled(found: object) -> bool:
    """A text that is not empty."""
    return isinstance(found, str) and found != ""


PERSON: Final = {"username": filled, "avatarUrl": (url, None)}


def reads(found: Any, shape: Shape, where: str = "data") -> Any:
    """Fails where a client would read something else than it expects; gives what was read."""
    if isinstance(shape, tuple) and any(isinstance(one, list) for one in shape):
        shape = next(one for one in shape if isinstance(one, list) is isinstance(found, list))
    if isinstance(shape, dict):
        assert isinstance(found, dict), f"{where} is no object: {found!r}"
        for name, inner in shape.items():
            if name not in found and isinstance(inner, Optional):
                continue
            assert name in found, f"{where}.{name} is missing"
            reads(found[name], inner.of if isinstance(inner, Optional) else inner, f"{where}.{name}")
    elif isinstance(shape, list | Some):
        assert isinstance(found, list), f"{where} is no list: {found!r}"
        assert found or isinstance(shape, Some), f"{where} is empty, so that nothing was read"
        for index, one in enumerate(found):
            reads(one, shape.of if isinstance(shape, Some) else shape[0], f"{where}[{index}]")
    else:
        assert _is(found, shape), f"{where} is {found!r}"
    return found


def _is(found: Any, shape: Shape) -> bool:
    if isinstance(shape, tuple):
        return any(_is(found, one) for one in shape)
    if isinstance(shape, type):
        return isinstance(found, shape) and (shape is bool or not isinstance(found, bool))
    if isinstance(shape, Callable):  # type: ignore[arg-type]
        return bool(shape(found))
    return type(found) is type(shape) and bool(found == shape)
