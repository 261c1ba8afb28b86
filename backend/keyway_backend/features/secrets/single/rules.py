"""What is asked of a single secret, and what may be shown of one. Decisions only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from keyway_core.limits import TRASH_DAYS
from keyway_core.sensitive import Sensitive

from keyway_backend.features.secrets.rules import Fault, InvalidPushError, key_fault, utf8_bytes, value_fault

DEFAULT_ENVIRONMENT: Final = "default"
ENVIRONMENT_LENGTH: Final = 50
TRASH: Final = timedelta(days=TRASH_DAYS)

_DOT: Final = "\N{BULLET}"
_SHORT, _MIDDLING = 8, 12


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and the value that it shall have. `size`: UTF-8 bytes."""

    key: str
    text: Sensitive
    size: int


@dataclass(frozen=True, slots=True)
class Edit:
    """What shall become of a secret: another name, another value, or both. None stays as it is."""

    name: str | None
    text: Sensitive | None
    size: int = 0


def read_environment(body: Mapping[str, Any]) -> str:
    """The environment that a new secret names. Raises InvalidPushError."""
    name = body.get("environment", DEFAULT_ENVIRONMENT)
    if not isinstance(name, str) or not 0 < len(name) <= ENVIRONMENT_LENGTH or not name.isprintable():
        raise InvalidPushError([Fault("environment", f"Name an environment, in 1 to {ENVIRONMENT_LENGTH} characters.")])
    return name


def read_entry(body: Mapping[str, Any]) -> Entry:
    """A new secret. Raises InvalidPushError."""
    key, text = body.get("key"), body.get("value")
    wrong = {"key": _name_fault(key), "value": value_fault(text)}
    _refuse(wrong)
    return Entry(str(key), Sensitive(str(text)), utf8_bytes(str(text)) or 0)


def read_edit(body: Mapping[str, Any]) -> Edit:
    """`name` or its alias `key`, and `value`; an empty value changes nothing, as the dashboard means it.

    Raises InvalidPushError.
    """
    wrong = {field: _name_fault(body[field]) for field in ("name", "key") if field in body}
    if "value" in body:
        wrong["value"] = value_fault(body["value"])
    if not wrong:
        raise InvalidPushError([Fault("name", "Give a name, a value, or both.")])
    if "name" in body and "key" in body and body["name"] != body["key"]:
        wrong["key"] = wrong["key"] or "It means the same as `name`, and says something else."
    _refuse(wrong)
    name, text = body.get("name", body.get("key")), body.get("value") or None
    return Edit(name, Sensitive(text) if text else None, utf8_bytes(text or "") or 0)


def _name_fault(name: Any) -> str | None:
    return key_fault(name) if isinstance(name, str) else "A text is required."


def _refuse(wrong: Mapping[str, str | None]) -> None:
    faults = [Fault(field, message) for field, message in wrong.items() if message is not None]
    if faults:
        raise InvalidPushError(faults)


def preview(text: str) -> str:
    """As much of a value as helps to recognise it (contract.md 4.4)."""
    if len(text) <= _SHORT:
        return _DOT * 8
    shown = 2 if len(text) <= _MIDDLING else 4
    return f"{text[:shown]}{_DOT * 4}{text[-shown:]}"


def days_left(deleted_at: datetime, now: datetime) -> int:
    """For how many days a secret stays in the trash; a day that has begun counts."""
    return max(0, math.ceil((deleted_at + TRASH - now) / timedelta(days=1)))
