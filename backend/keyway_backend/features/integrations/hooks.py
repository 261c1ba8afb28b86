"""What integrations are told of billing, which stands beside them. Without it everybody connects what they like."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from keyway_backend.db.engine import Connection


class Plans(Protocol):
    """What people's plans allow."""

    async def admit_provider(
        self, connection: Connection, user_id: UUID, connected: Collection[str], provider: str
    ) -> None:
        """Raises Forbidden when a person may connect no further provider."""


class Unlimited:
    """Billing is off."""

    async def admit_provider(
        self, connection: Connection, user_id: UUID, connected: Collection[str], provider: str
    ) -> None:
        """As many as there are."""
