"""What organisations show of billing, which stands above them and fills this in where it is configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from keyway_backend.db.engine import Connection
from keyway_backend.features.organizations.rules import UNLIMITED, OrganizationPlan


class OrganizationPlans(Protocol):
    """What organisations pay for."""

    async def of_organizations(self, connection: Connection, numbers: Sequence[int]) -> Mapping[int, OrganizationPlan]:
        """By GitHub's number."""


class UnlimitedOrganizations:
    """Billing is off."""

    async def of_organizations(
        self,
        connection: Connection,  # noqa: ARG002 - the protocol's
        numbers: Sequence[int],
    ) -> Mapping[int, OrganizationPlan]:
        """Everybody may everything."""
        return dict.fromkeys(numbers, UNLIMITED)
