"""What may be stored, and what a push does to an environment. Decisions only: no I/O, no clock, no plaintext looked at
beyond its length and its forbidden characters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from keyway_core.limits import KEY_LENGTH, KEYS_PER_ENVIRONMENT, PLAINTEXT_BYTES_PER_ENVIRONMENT, VALUE_BYTES
from keyway_core.names import is_key, is_refused_key
from keyway_core.sealed import Sealed
from keyway_core.sensitive import Sensitive

MESSAGE_CHARACTERS: Final = 500
FAULTS_SHOWN: Final = 50

# Stored form (design.md 5): head 3, nonce 12, tag 16, and a length of 4 before the value.
_SEALED_OVERHEAD: Final = 35
BAD_KEY: Final = f"A key is letters, digits and _, starts with no digit, and has at most {KEY_LENGTH} characters."


class Mode(StrEnum):
    """How a push treats what it does not name. A push without a mode comes from a legacy client: see `legacy`."""

    MERGE = "merge"
    REPLACE = "replace"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class Fault:
    """A field that was wrong, and why. Names the key, never the value."""

    field: str
    message: str


class InvalidPushError(ValueError):
    """A push that cannot be stored as it is."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = tuple(faults[:FAULTS_SHOWN])


class OverLimitError(ValueError):
    """More plaintext than an environment may hold (policy.yaml `limits.secrets.over`)."""


@dataclass(frozen=True, slots=True)
class Push:
    """What a client wants. `sizes` are the UTF-8 bytes of each value."""

    mode: Mode
    values: Mapping[str, Sensitive]
    sizes: Mapping[str, int]
    delete: Sequence[str] = ()
    message: str | None = None


@dataclass(frozen=True, slots=True)
class LiveValue:
    """A value of the present revision. `sealed` is None where nobody needed it; ids of values are 16 bytes."""

    value_id: bytes
    secret_id: UUID
    since: int
    sealed_bytes: int
    sealed: Sealed | None


@dataclass(frozen=True, slots=True)
class State:
    """An environment at its head."""

    number: int
    revision_id: UUID
    manifest: bytes
    live: Mapping[str, LiveValue]


@dataclass(frozen=True, slots=True)
class Stats:
    """What a push did, in keys. `unchanged` is None for those who may not compare."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int | None = 0


@dataclass(frozen=True, slots=True)
class Effect:
    """What a push does to a state: keys that come, keys that get another value, keys that leave."""

    created: Sequence[str] = ()
    updated: Sequence[str] = ()
    deleted: Sequence[str] = ()
    unchanged: int = 0

    @property
    def keys(self) -> list[str]:
        """Every key that is different afterwards."""
        return [*self.created, *self.updated, *self.deleted]

    @property
    def is_nothing(self) -> bool:
        """Whether the state stays as it is."""
        return not (self.created or self.updated or self.deleted)

    def stats(self) -> Stats:
        """In figures."""
        return Stats(len(self.created), len(self.updated), len(self.deleted), self.unchanged)


@dataclass(slots=True)
class _Faults:
    found: list[Fault] = field(default_factory=list)

    def add(self, place: str, message: str) -> None:
        self.found.append(Fault(place, message))


def read_push(body: Mapping[str, Any]) -> Push:
    """Reads the part of a push body that is not its address. Raises InvalidPushError, OverLimitError."""
    faults = _Faults()
    mode = _mode(body.get("mode"), faults)
    values, sizes = _values(body.get("secrets"), faults)
    delete = _delete(body.get("delete"), mode, values, faults)
    message = _message(body.get("message"), faults)
    if faults.found:
        raise InvalidPushError(faults.found)
    if sum(sizes.values()) > PLAINTEXT_BYTES_PER_ENVIRONMENT:
        raise OverLimitError
    return Push(mode, values, sizes, delete, message)


def _mode(sent: Any, faults: _Faults) -> Mode:
    match sent:
        case None:
            return Mode.LEGACY
        case "merge" | "replace":
            return Mode(sent)
    faults.add("mode", 'Either "merge" or "replace".')
    return Mode.LEGACY


def _values(sent: Any, faults: _Faults) -> tuple[dict[str, Sensitive], dict[str, int]]:
    if not isinstance(sent, dict):
        faults.add("secrets", "An object from key to value is required.")
        return {}, {}
    if len(sent) > KEYS_PER_ENVIRONMENT:
        faults.add("secrets", f"{len(sent)} keys; an environment holds at most {KEYS_PER_ENVIRONMENT}.")
        return {}, {}
    values: dict[str, Sensitive] = {}
    sizes: dict[str, int] = {}
    for key, text in sent.items():
        if (wrong := key_fault(key) or value_fault(text)) is not None:
            faults.add(f"secrets.{key[:KEY_LENGTH]}", wrong)
            continue
        values[key], sizes[key] = Sensitive(text), utf8_bytes(text) or 0
    return values, sizes


def key_fault(key: str) -> str | None:
    """Why a key cannot be stored, or None."""
    if not is_key(key):
        return BAD_KEY
    if is_refused_key(key):
        return "This name changes how programs start and is never stored; choose another one."
    return None


def value_fault(text: Any) -> str | None:
    """Why a value cannot be stored, or None."""
    if not isinstance(text, str):
        return "The value is not a string; put it in quotes."
    if "\0" in text:
        return "The value holds a NUL, which no environment variable can."
    size = utf8_bytes(text)
    return _size_fault(size) if size is None or size > VALUE_BYTES else None


def utf8_bytes(text: str) -> int | None:
    """The bytes of a text in UTF-8; None for what has none."""
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        return None


def _size_fault(size: int | None) -> str:
    if size is None:
        return "The value holds a lone surrogate, which is no text."
    return f"The value has {size} bytes; at most {VALUE_BYTES} bytes of UTF-8 can be stored."


def _delete(sent: Any, mode: Mode, values: Collection[str], faults: _Faults) -> tuple[str, ...]:
    if sent is None or sent == []:
        return ()
    if mode is not Mode.MERGE:
        faults.add("delete", 'Only with mode "merge".')
    if not isinstance(sent, list) or not all(isinstance(key, str) and key_fault(key) is None for key in sent):
        faults.add("delete", "A list of keys is required.")
        return ()
    if len(sent) > KEYS_PER_ENVIRONMENT:
        faults.add("delete", f"{len(sent)} keys; an environment holds at most {KEYS_PER_ENVIRONMENT}.")
    for key in set(sent).intersection(values):
        faults.add(f"delete.{key}", "The same push sets this key.")
    return tuple(dict.fromkeys(sent))


def _message(sent: Any, faults: _Faults) -> str | None:
    if sent is None or (isinstance(sent, str) and len(sent) <= MESSAGE_CHARACTERS and "\0" not in sent):
        return sent or None
    faults.add("message", f"A text of at most {MESSAGE_CHARACTERS} characters.")
    return None


def removed(push: Push, state: State) -> list[str]:
    """The keys that leave with a push of our clients. For a legacy one `legacy.removed` decides."""
    if push.mode is Mode.REPLACE:
        return [key for key in state.live if key not in push.values]
    return [key for key in push.delete if key in state.live]


def effect(state: State, sealed: Mapping[str, Sealed], leaving: Sequence[str], sent: int) -> Effect:
    """What becomes of the state, once it is known which of the `sent` values are new. Raises InvalidPushError."""
    created = [key for key in sealed if key not in state.live]
    updated = [key for key in sealed if key in state.live]
    change = Effect(created, updated, leaving, sent - len(sealed))
    refuse_crowd(state, change)
    return change


def refuse_crowd(state: State, change: Effect) -> None:
    """Raises InvalidPushError when the environment would hold too many keys."""
    count = len(state.live) + len(change.created) - len(change.deleted)
    if count > KEYS_PER_ENVIRONMENT:
        raise InvalidPushError(
            [Fault("secrets", f"The environment would hold {count} keys; at most {KEYS_PER_ENVIRONMENT} are possible.")]
        )


def kept(state: State, change: Effect) -> list[str]:
    """The keys whose values a change leaves alone."""
    touched = {*change.updated, *change.deleted}
    return [key for key in state.live if key not in touched]


def may_be_over(state: State, change: Effect, sizes: Mapping[str, int]) -> bool:
    """Whether the plaintext could be over the limit: what is kept counts by its padded size, which is never less."""
    padded = sum(padded_bytes(state.live[key].sealed_bytes) for key in kept(state, change))
    return padded + new_bytes(change, sizes) > PLAINTEXT_BYTES_PER_ENVIRONMENT


def padded_bytes(sealed_bytes: int) -> int:
    """The most that a sealed value of this length can hold."""
    return sealed_bytes - _SEALED_OVERHEAD


def new_bytes(change: Effect, sizes: Mapping[str, int]) -> int:
    """The plaintext that a change brings."""
    return sum(sizes[key] for key in (*change.created, *change.updated))


def refuse_over(kept_bytes: int, change: Effect, sizes: Mapping[str, int]) -> None:
    """Raises OverLimitError, by the true sizes."""
    if kept_bytes + new_bytes(change, sizes) > PLAINTEXT_BYTES_PER_ENVIRONMENT:
        raise OverLimitError
