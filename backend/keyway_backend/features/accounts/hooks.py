"""What a person is told of features that stand above accounts. Billing and integrations fill these in where they are
configured; without them everything is unlimited, and nobody is connected to a provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

Limit = int | Literal["unlimited"]
Plan = Literal["free", "pro", "team", "business"]


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """A person's plan and what it allows (contract.md 2.8)."""

    name: Plan
    public_repos: Limit = "unlimited"
    private_repos: Limit = "unlimited"
    providers: Limit = "unlimited"
    environments_per_vault: Limit = "unlimited"
    secrets_per_private_vault: Limit = "unlimited"


class Plans(Protocol):
    """The plans of persons."""

    async def of_person(self, user_id: UUID) -> PersonPlan:
        """The present plan of a person."""


class Connections(Protocol):
    """The providers that people connected."""

    async def count(self, user_id: UUID) -> int:
        """How many a person did."""


class Unlimited:
    """Billing is off: the public dashboard knows no better name for that than its largest plan."""

    async def of_person(self, user_id: UUID) -> PersonPlan:  # noqa: ARG002 - the protocol's
        """Everything."""
        return PersonPlan("business")


class NoConnections:
    """No provider is configured."""

    async def count(self, user_id: UUID) -> int:  # noqa: ARG002 - the protocol's
        """None."""
        return 0
