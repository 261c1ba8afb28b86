"""Where somebody with a new vault stands, so that the page can show the exact next command."""

from __future__ import annotations

from pydantic import BaseModel

from keyway_dashboard.backend import BackendError, SignedOut, path
from keyway_dashboard.visits import Visit


class _Session(BaseModel):
    kind: str


async def has_terminal(visit: Visit) -> bool:
    """Whether this person is signed in on a command line. When that is not known, its step is shown."""
    try:
        return any(one.kind == "cli" for one in await visit.api.all(path("auth", "sessions"), _Session))
    except SignedOut:
        raise
    except BackendError:
        return False
