"""A write that overwrites nothing unseen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from keyway_dashboard.backend import BackendError, Conflict, Refused
from keyway_dashboard.features.secrets.models import Found, Head
from keyway_dashboard.features.vaults.place import every_secret, of
from keyway_dashboard.visits import Visit

_TRIES: Final = 3

# Writes, if the environment is at the revision of this If-Match header; at any, if that is empty.
Write = Callable[[str], Awaitable[object]]


async def write_as_seen(visit: Visit, target: tuple[str, str], seen: str, write: Write) -> Found | None:
    """Writes a key of an environment if the secret is as it was `seen` (empty: not there); else what was found instead.

    The write holds for the revision that was looked at, so that nobody can come between the look and the write; when
    somebody changed another key meanwhile, both are done again.
    """
    key, environment = target
    for left in reversed(range(_TRIES)):
        try:
            head = await visit.api.get(of(visit, "environments", environment, "revision"), Head)
        except Refused:
            # Who may write but not read there is not told what is there, so there is nothing to compare with.
            await write("")
            return None
        there = [one for one in await every_secret(visit) if (one.key, one.environment) == (key, environment)]
        found = Found(there[0] if there else None)
        if found.mark != seen:
            return found
        try:
            await write(f'"{head.revision.id}"')
        except Conflict:
            if not left:
                raise
        else:
            return None
    return None


def words(error: BackendError) -> str:
    """What was wrong with a form, in a sentence."""
    return "; ".join(one.message for one in error.fields) or error.detail
