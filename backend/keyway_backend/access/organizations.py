"""What a person is in an organisation, read live from GitHub (policy.yaml `roles.rights`: org_member, org_admin).

Nothing of it is remembered but where the App is installed: who left an organisation is out with the next request.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Final, TypeVar

from keyway_backend.access import refusals
from keyway_backend.access.actor import Person
from keyway_backend.access.grants import OrganizationRole
from keyway_backend.access.roles import REQUEST_SECONDS, Misconfigured, Unknown
from keyway_backend.clients.github import GitHub, GitHubUnknown, Membership, PermissionMissing

_INSTALLATION_SECONDS: Final = 60.0
_REMEMBERED: Final = 4096

Answer = TypeVar("Answer")


class Organizations:
    """Asks GitHub about organisations. Everything is compared by number; logins are what GitHub is asked by."""

    def __init__(self, github: GitHub) -> None:
        self._github = github
        self._installations: OrderedDict[int, tuple[float, int]] = OrderedDict()

    async def installation(self, github_org_id: int, login: str) -> int | None:
        """The active installation of the App on an organisation, believed for a minute. Raises Unavailable."""
        until, known = self._installations.get(github_org_id, (0.0, 0))
        if until > time.monotonic():
            return known
        found = await _answer(self._github.organization_installation(login))
        if found is None or not found.active or found.account.id != github_org_id:
            return None
        self._installations[github_org_id] = (time.monotonic() + _INSTALLATION_SECONDS, found.id)
        if len(self._installations) > _REMEMBERED:
            self._installations.popitem(last=False)
        return found.id

    async def role(
        self, person: Person, github_org_id: int, login: str, installation_id: int
    ) -> OrganizationRole | None:
        """Owner, member, or None. Raises Unavailable, and refusals.AppPermissionMissing without Members: read."""
        return await _answer(self._role(person, github_org_id, login, installation_id))

    async def _role(
        self, person: Person, github_org_id: int, login: str, installation_id: int
    ) -> OrganizationRole | None:
        """The login that we know is tried first; only an answer that carries the person's number counts."""
        told = await self._github.membership(installation_id, login, person.login)
        if not _is_about(told, person, github_org_id):
            present = await self._github.login_of(installation_id, person.github_user_id)
            if present is None or present == person.login:
                return None
            told = await self._github.membership(installation_id, login, present)
        if told is None or not _is_about(told, person, github_org_id) or told.state != "active":
            return None
        return "owner" if told.role == "admin" else "member"


def _is_about(told: Membership | None, person: Person, github_org_id: int) -> bool:
    return told is not None and (told.user_id, told.organization_id) == (person.github_user_id, github_org_id)


async def _answer(asked: Awaitable[Answer]) -> Answer:
    """GitHub's answer within the time of a request. What is none is never turned into a refusal."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await asked
    except TimeoutError:
        raise refusals.undecided(Unknown()) from None
    except GitHubUnknown as error:
        raise refusals.undecided(Unknown(error.retry_after_seconds)) from None
    except PermissionMissing as error:
        raise refusals.undecided(Misconfigured(error.permission)) from None
