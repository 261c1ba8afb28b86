"""What vaults show of features that stand above them. Billing and integrations fill these in where they are configured;
without them a vault is unlimited and synced with nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from keyway_backend.access.grants import RepositoryGrant, VaultGrant
from keyway_backend.db.engine import Connection

Sync = Mapping[str, str | None]
"""A link to a provider, with the fields of contract.md 4.4."""


class Plans(Protocol):
    """What the plan of a vault's owner allows."""

    async def read_only(self, grants: Sequence[VaultGrant]) -> Mapping[UUID, str]:
        """Per vault that may only be read: plan_limit_exceeded or org_free_plan."""

    async def admit_environment(self, grant: VaultGrant) -> None:
        """Raises Forbidden when the vault may have no further environment."""

    async def admit_vault(self, connection: Connection, grant: RepositoryGrant) -> None:
        """Raises Forbidden when the repository's owner may have no further vault. In the transaction that makes it."""


class Owners(Protocol):
    """Who owns repositories."""

    async def ensure(self, grant: RepositoryGrant) -> None:
        """Makes the owner known, before a vault is made or refused."""


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

    async def admit_vault(self, connection: Connection, grant: RepositoryGrant) -> None:
        """As many as anybody wants."""


class NoOwners:
    """Nobody has to be known."""

    async def ensure(self, grant: RepositoryGrant) -> None:
        """Does nothing."""


class NoSyncs:
    """No provider is configured."""

    async def of(self, grants: Sequence[VaultGrant]) -> Mapping[UUID, Sequence[Sync]]:  # noqa: ARG002 - the protocol's
        """None has any."""
        return {}
