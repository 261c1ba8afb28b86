"""Is the App installed, and which numbers does a repository have (contract.md 4.8).

Only a person with a role learns anything: foreign and missing repositories look alike (policy.yaml, outcome `veiled`).
"""

from __future__ import annotations

from typing import Any

from keyway_backend.access.decide import Access
from keyway_backend.access.grants import PersonGrant
from keyway_backend.access.roles import Granted


class Repositories:
    """Questions about repositories at GitHub."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def installation(self, grant: PersonGrant, owner: str, name: str) -> dict[str, Any]:
        """Whether the App is installed for a repository of the caller's, and where to install it."""
        answer = await self._access.repository(grant, owner, name)
        install_url = self._access.install_url
        if not isinstance(answer, Granted):
            return {"installed": False, "installUrl": install_url}
        return {"installed": True, "installationId": answer.installation_id, "installUrl": install_url}

    async def numbers(self, grant: PersonGrant, owner: str, name: str) -> dict[str, int | None]:
        """The ids of owner and repository, or nulls."""
        answer = await self._access.repository(grant, owner, name)
        if not isinstance(answer, Granted):
            return {"ownerId": None, "repoId": None}
        return {"ownerId": answer.repository.owner.id, "repoId": answer.repository.id}
