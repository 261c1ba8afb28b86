"""What would change: names only. Values are compared here and shown nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from keyway_core.sensitive import Sensitive


class Changes(NamedTuple):
    """Names of keys by what happens to them, each in alphabetical order."""

    added: list[str]
    changed: list[str]
    removed: list[str]
    unchanged: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    @property
    def overwrites(self) -> bool:
        """Whether something that was there is lost."""
        return bool(self.changed or self.removed)

    def as_json(self) -> dict[str, list[str]]:
        """The names that a result object carries."""
        return {"added": self.added, "changed": self.changed, "removed": self.removed}


def same(one: Sensitive | None, other: Sensitive | None) -> bool:
    """Whether two values are equal; a missing one equals only a missing one."""
    if one is None or other is None:
        return one is other
    return one.reveal() == other.reveal()


def compare(before: Mapping[str, Sensitive], after: Mapping[str, Sensitive], *, prune: bool = False) -> Changes:
    """What turns `before` into `after`. Keys that only `before` has are removed by `prune` alone."""
    return Changes(
        added=sorted(after.keys() - before.keys()),
        changed=sorted(key for key in after.keys() & before.keys() if not same(before[key], after[key])),
        removed=sorted(before.keys() - after.keys()) if prune else [],
        unchanged=sorted(key for key in after.keys() & before.keys() if same(before[key], after[key])),
    )
