"""What changed between two revisions, and what a rollback has to do. Decisions only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from keyway_core.limits import KEYS_PER_ENVIRONMENT

MESSAGE_CHARACTERS: Final = 500
NAME_CHARACTERS: Final = 50


@dataclass(frozen=True, slots=True)
class Held:
    """A value row: when it held, and where its value comes from. Rows of one `root` have one value."""

    id: UUID
    secret_id: UUID
    key: str
    since: int
    until: int | None
    purged: bool
    root: UUID


@dataclass(frozen=True, slots=True)
class Difference:
    """Names and kinds of change, in the order of the names."""

    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]
    unchanged: int


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a state must become: rows to take values from, by key, and keys that leave.

    `purged` are keys whose value is gone for good; they stay as they are, where that is wanted.
    """

    values: Mapping[str, Held]
    leaving: Sequence[str]
    purged: Sequence[str]
    unchanged: int


def state_at(rows: Iterable[Held], revision: int) -> dict[str, Held]:
    """The values with from <= revision < to, by key."""
    return {row.key: row for row in rows if row.since <= revision and (row.until is None or revision < row.until)}


def difference(before: Mapping[str, Held], after: Mapping[str, Held]) -> Difference:
    """What it takes from one state to another. A value that was re-sealed only is no change."""
    both = sorted(before.keys() & after.keys())
    changed = [key for key in both if before[key].root != after[key].root]
    return Difference(
        sorted(after.keys() - before.keys()), changed, sorted(before.keys() - after.keys()), len(both) - len(changed)
    )


def rollback(wanted: Mapping[str, Held], live: Mapping[str, UUID]) -> Rollback:
    """How a state becomes an earlier one; `live` has the value rows of now by key.

    Only a row that never ended is known to hold the same value still: what a database says of origins is not trusted
    with what is restored.
    """
    same = {key for key, row in wanted.items() if live.get(key) == row.id}
    purged = sorted(key for key, row in wanted.items() if row.purged and key not in same)
    values = {key: row for key, row in sorted(wanted.items()) if key not in same and not row.purged}
    leaving = sorted(live.keys() - wanted.keys())
    return Rollback(values, leaving, purged, len(same))


def identities(values: Mapping[str, Held], live: Mapping[str, UUID], leaving: Collection[str]) -> dict[str, UUID]:
    """Which keys come back as the secrets that they were; `live` has the secrets of now by key.

    A key that is live keeps the secret that it is. A secret that stays live under another key is not given twice.
    """
    taken = {secret for key, secret in live.items() if key not in leaving}
    found: dict[str, UUID] = {}
    for key, row in values.items():
        if key not in live and row.secret_id not in taken:
            found[key] = row.secret_id
            taken.add(row.secret_id)
    return found


def number_or_id(text: str) -> int | UUID | None:
    """How a path or a query names a revision; None for what names none."""
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return int(text)
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


class WrongBodyError(ValueError):
    """A body of the wrong form: which field, and why. Never what it held."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field)
        self.field = field
        self.message = message


def only(sent: Mapping[str, Any], *allowed: str) -> None:
    """Refuses unknown fields: on routes of our own they are mistakes (policy.yaml `unknown_body_fields`)."""
    for field in sent:
        if field not in allowed:
            raise WrongBodyError(field[:100], "This field is not known here.")


def flag(sent: Mapping[str, Any], field: str) -> bool:
    """A boolean that may be missing."""
    value = sent.get(field, False)
    if not isinstance(value, bool):
        raise WrongBodyError(field, "Either true or false.")
    return value


def text(sent: Mapping[str, Any], field: str, *, most: int = NAME_CHARACTERS) -> str:
    """A text that must be there."""
    value = sent.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise WrongBodyError(field, f"A text of 1 to {most} characters.")
    return value


def message(sent: Mapping[str, Any]) -> str | None:
    """What is kept with the revision."""
    value = sent.get("message")
    if value is None or (isinstance(value, str) and len(value) <= MESSAGE_CHARACTERS and "\0" not in value):
        return value or None
    raise WrongBodyError("message", f"A text of at most {MESSAGE_CHARACTERS} characters.")


def keys(sent: Mapping[str, Any]) -> list[str] | None:
    """The keys that a request is about; None for all of them."""
    value = sent.get("keys")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        raise WrongBodyError("keys", "A list of keys is required.")
    if not 0 < len(value) <= KEYS_PER_ENVIRONMENT:
        raise WrongBodyError("keys", f"1 to {KEYS_PER_ENVIRONMENT} keys; leave the field out for all of them.")
    return list(dict.fromkeys(value))
