"""What a person's plan allows, and what is used of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel
from starlette.responses import Response

from keyway_dashboard.backend import path
from keyway_dashboard.visits import Visit

Allowed = int | Literal["unlimited"]


class Limits(BaseModel):
    """What the plan allows."""

    maxPublicRepos: Allowed  # noqa: N815
    maxPrivateRepos: Allowed  # noqa: N815
    maxProviders: Allowed  # noqa: N815
    maxEnvironmentsPerVault: Allowed  # noqa: N815
    maxSecretsPerPrivateVault: Allowed  # noqa: N815


class Used(BaseModel):
    """What is used of it."""

    public: int
    private: int
    providers: int


class Usage(BaseModel):
    """A person's plan."""

    plan: str
    limits: Limits
    usage: Used

    @property
    def lines(self) -> list[tuple[str, int | None, Allowed]]:
        """What is counted, how much is used where that is told, and how much there may be."""
        return [
            ("Vaults of private repositories", self.usage.private, self.limits.maxPrivateRepos),
            ("Vaults of public repositories", self.usage.public, self.limits.maxPublicRepos),
            ("Connected providers", self.usage.providers, self.limits.maxProviders),
            ("Environments in a vault", None, self.limits.maxEnvironmentsPerVault),
            ("Secrets in a private vault", None, self.limits.maxSecretsPerPrivateVault),
        ]


async def usage(visit: Visit) -> Response:
    """The plan in figures."""
    return visit.page("settings/usage", usage=await visit.api.get(path("users", "me", "usage"), Usage))
