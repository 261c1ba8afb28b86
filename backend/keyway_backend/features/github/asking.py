"""GitHub's answer to a question of a request: within its time, and never mistaken for a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from keyway_backend.access import refusals
from keyway_backend.access.roles import REQUEST_SECONDS, Misconfigured, Unknown
from keyway_backend.clients.github import GitHubUnknown, PermissionMissing

Answer = TypeVar("Answer")


async def answered(question: Awaitable[Answer]) -> Answer:
    """The answer. Raises Unavailable (503), and refusals.AppPermissionMissing (403) naming the permission."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await question
    except TimeoutError:
        raise refusals.undecided(Unknown()) from None
    except GitHubUnknown as error:
        raise refusals.undecided(Unknown(error.retry_after_seconds)) from None
    except PermissionMissing as error:
        raise refusals.undecided(Misconfigured(error.permission)) from None
