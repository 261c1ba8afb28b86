"""What vaults show of features that stand above them. Billing and integrations fill these in where they are configured;
without them a vault is unlimited and synced with nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from keyway_backend.access.grants import VaultGrant

Sync = Mapping[str, str | None]
"""A link to a provider, with the fields of contract.md 4.4."""


class Plans(Protocol):
    """What the plan of a vault's owner allows."""

    async def read_only(self, grants: Sequence[VaultGrant]) -> Mapping[UUID, str]:
        """Per vault that may only be read: plan_limit_exceeded or org_free_plan."""

    async def admit_environment(self, grant: VaultGrant) -> None:
        """Raises Forbidden when the vault may have no further environment."""


class Syncs(Protocol):
    """The links between vaults and providers."""

    async def of(self, grants: Sequence[VaultGrant]) -> Mapping[UUID, Sequence[Sync]]:
        """Per vault its links, as far as the grant may see their environments."""


class Unlimited:
    """Billing is off."""

    async def read_only(self, grants: Sequence[VaultGrant]) -> Mapping[UUID, str]:  # noqa: ARG002 - the protocol's
        """None is."""
        return {}

    async def admit_environment(self, grant: VaultGrant) -> None:
        """As many as anybody wants."""


class NoSyncs:
    """No provider is configured."""

    async def of(self, grants: Sequence[VaultGrant]) -> Mapping[UUID, Sequence[Sync]]:  # noqa: ARG002 - the protocol's
        """None has any."""
        return {}
