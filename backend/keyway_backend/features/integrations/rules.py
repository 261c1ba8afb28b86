"""What a sync would do. Decisions only: values are compared here and go no further."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from keyway_core.limits import VALUE_BYTES
from keyway_core.names import is_key, is_refused_key
from keyway_core.roles import EnvironmentType, type_from_name
from keyway_core.sensitive import Sensitive

_GUARDED: Final = (EnvironmentType.DEVELOPMENT, EnvironmentType.STANDARD, EnvironmentType.PROTECTED)

Ours = Mapping[str, Sensitive]
Theirs = Mapping[str, Sensitive | None]
"""A provider's variables; None is one that cannot be read."""


class Direction(StrEnum):
    """From Keyway to the provider, or back."""

    PUSH = "push"
    PULL = "pull"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync does to the side that it writes, in names."""

    create: Sequence[str] = ()
    update: Sequence[str] = ()
    delete: Sequence[str] = ()
    skip: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """As the wire names it."""
        return {
            "toCreate": list(self.create),
            "toUpdate": list(self.update),
            "toDelete": list(self.delete),
            "toSkip": list(self.skip),
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """Two sides by name."""

    ours: Sequence[str]
    theirs: Sequence[str]
    different: Sequence[str]
    same: Sequence[str]


def difference(ours: Ours, theirs: Theirs) -> Difference:
    """What is only here, only there, in both with other values, in both alike. What cannot be read is not alike."""
    both = sorted(ours.keys() & theirs.keys())
    same = [name for name in both if _equal(ours[name], theirs[name])]
    return Difference(
        sorted(ours.keys() - theirs.keys()),
        sorted(theirs.keys() - ours.keys()),
        [name for name in both if name not in same],
        same,
    )


def plan_push(
    ours: Ours, theirs: Theirs, *, ignored: Collection[str], delete: bool, fixed: Collection[str] = ()
) -> Plan:
    """Everything of ours gets there. What is only there goes if that is asked for, and never what cannot be read."""
    sent = {name: value for name, value in ours.items() if not _is_ignored(name, ignored)}
    found = difference(sent, without_ignored(theirs, ignored))
    readable = [name for name in found.theirs if theirs[name] is not None and name not in fixed]
    gone = readable if delete else []
    left = [name for name in found.theirs if name not in gone]
    ignored_ours = [name for name in ours if name not in sent]
    return Plan(found.ours, found.different, gone, sorted([*found.same, *left, *ignored_ours]))


def plan_pull(ours: Collection[str], theirs: Theirs, *, ignored: Collection[str]) -> Plan:
    """Only what is missing here comes; what is empty, unreadable, or no key that could be stored, does not."""
    found = without_ignored(theirs, ignored)
    create = sorted(name for name, value in found.items() if name not in ours and _is_storable(name, value))
    return Plan(create, (), (), sorted(name for name in found if name not in create))


def without_ignored(theirs: Theirs, ignored: Collection[str]) -> dict[str, Sensitive | None]:
    """Without the variables that are the provider's own."""
    return {name: value for name, value in theirs.items() if not _is_ignored(name, ignored)}


def crosses_protection(direction: Direction, ours: EnvironmentType, provider_environment: str) -> bool:
    """Whether the target is more protected than the source (contract.md 2.6)."""
    here, there = _GUARDED.index(ours), _GUARDED.index(type_from_name(provider_environment))
    return there > here if direction is Direction.PUSH else here > there


def _equal(ours: Sensitive, theirs: Sensitive | None) -> bool:
    if theirs is None:
        return False
    return hmac.compare_digest(ours.reveal().encode(), theirs.reveal().encode("utf-8", "surrogatepass"))


def _is_ignored(name: str, prefixes: Collection[str]) -> bool:
    return name.startswith(tuple(prefixes))


def _is_storable(name: str, value: Sensitive | None) -> bool:
    if value is None or not is_key(name) or is_refused_key(name):
        return False
    text = value.reveal()
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    return bool(text) and "\0" not in text and size <= VALUE_BYTES
