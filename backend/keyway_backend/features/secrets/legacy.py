"""The push of clients that know no revisions: a three-way merge (design.md 6, contract.md 17 W1, W5, W6).

They pull, change a copy, and send all of it without saying what they had started from. The bases are the revisions
that the same credential pulled in the last 15 minutes; a value equal to a base value was not changed by the client, and
a key that is missing was deleted only if the client had seen it.

Several pulls leave several bases. When the current value was written by this very credential, and it has pulled since,
older bases say nothing about that key any more: else a `set` could not be taken back by a second `set`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from keyway_core.sealed import Sealed

from keyway_backend.features.secrets.rules import LiveValue, Push, State

ADDITIVE_AGENT: Final = "keyway-mcp/"


@dataclass(frozen=True, slots=True)
class PastValue:
    """A value as a base held it. `until` is the revision that closed it; `sealed` is None once it was purged."""

    value_id: bytes
    since: int
    until: int | None
    sealed: Sealed | None


@dataclass(frozen=True, slots=True)
class Base:
    """What a client saw: the values of a revision, as far as it read them."""

    revision: int
    values: Mapping[str, PastValue]


@dataclass(frozen=True, slots=True)
class Bases:
    """Everything that the credential pulled lately, and the revisions that it made itself."""

    seen: Sequence[Base] = ()
    own_revisions: Collection[int] = frozenset()

    def for_key(self, key: str, current: LiveValue | None) -> list[Base]:
        """The bases that still say something about a key."""
        ends = [base.values[key].until or 0 for base in self.seen if key in base.values]
        changed = current.since if current else max(ends, default=0)
        if changed in self.own_revisions and any(base.revision >= changed for base in self.seen):
            return [base for base in self.seen if base.revision >= changed]
        return list(self.seen)


def is_nothing(push: Push, bases: Bases) -> bool:
    """Whether a push says nothing at all: no values, and nothing was seen that could be missing."""
    return not push.values and not any(base.values for base in bases.seen)


def removed(push: Push, state: State, bases: Bases, *, additive: bool) -> list[str]:
    """The keys that the client deleted: seen in every base, unchanged since, and not sent."""
    if additive or not bases.seen:
        return []
    return [
        key
        for key, value in state.live.items()
        if key not in push.values and all(_holds(base, key, value.value_id) for base in bases.for_key(key, value))
    ]


def _holds(base: Base, key: str, value_id: bytes) -> bool:
    past = base.values.get(key)
    return past is not None and past.value_id == value_id


def candidates(key: str, current: LiveValue | None, bases: Bases) -> list[tuple[bytes, Sealed]]:
    """What a sent value must differ from to count as changed: the current value and those of the bases."""
    now = [(current.value_id, current.sealed)] if current is not None and current.sealed is not None else []
    if not bases.seen:
        return now
    found: dict[bytes, Sealed] = dict(now)
    for base in bases.for_key(key, current):
        past = base.values.get(key)
        if past is not None and past.sealed is not None:
            found.setdefault(past.value_id, past.sealed)
    return list(found.items())
