"""Sending values such that two people who push at once lose nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from keyway_core.sensitive import Sensitive

from keyway_cli.api import Api, Moved, Place, Pulled, Pushed
from keyway_cli.changes import compare, same
from keyway_cli.errors import Conflict

ATTEMPTS: Final = 8


def merge(api: Api, place: Place, base: Pulled, wanted: Mapping[str, Sensitive]) -> Pushed:
    """Sets what differs from `base`, and repeats that when others changed other keys meanwhile.

    Raises Conflict, naming the keys, when somebody else gave one of the same keys another value since `base` was read.
    """
    changes = compare(base.values, wanted)
    mine = {key: wanted[key] for key in (*changes.added, *changes.changed)}
    current = base
    for _ in range(ATTEMPTS):
        values = {key: value for key, value in mine.items() if not same(current.values.get(key), value)}
        if not values:
            return Pushed(0, 0, 0, current.revision)
        try:
            return api.merge(place, values, current.revision)
        except Moved as moved:
            current = api.pull_or_empty(place)
            _refuse_overlap(place, base, current, values, moved)
    raise Conflict(f"{place} changes faster than this push can follow", "try again")


def replace(api: Api, place: Place, base: Pulled, wanted: Mapping[str, Sensitive]) -> Pushed:
    """Makes the environment hold exactly `wanted`. Raises Conflict when it changed at all since `base` was read."""
    if base.revision is None:
        return merge(api, place, base, wanted)
    try:
        return api.replace(place, dict(wanted), base.revision)
    except Moved as moved:
        raise _conflict(place, base, moved, []) from None


def _refuse_overlap(place: Place, base: Pulled, current: Pulled, values: Mapping[str, Sensitive], moved: Moved) -> None:
    """A key that moved under our hands to something that is not what we want either is for a person to decide."""
    contested = [
        key
        for key, value in values.items()
        if not same(base.values.get(key), current.values.get(key)) and not same(current.values.get(key), value)
    ]
    if contested:
        raise _conflict(place, base, moved, sorted(contested))


def _conflict(place: Place, base: Pulled, moved: Moved, contested: list[str]) -> Conflict:
    started = base.revision.number if base.revision else 0
    what = f"somebody else changed {', '.join(contested)} too" if contested else "somebody else changed it too"
    return Conflict(
        f"{place} moved from revision {started} to {moved.current.number} while you were working, and {what}; "
        "nothing was sent",
        "run keyway pull, look at what changed, then push again",
    )
