"""The schema as SQLAlchemy metadata: what Alembic compares the database with. One file per noun."""

from keyway_backend.db.tables import access, accounts, audit, billing, instance, organizations, secrets, vaults
from keyway_backend.db.tables.base import metadata

__all__ = [
    "access",
    "accounts",
    "audit",
    "billing",
    "instance",
    "metadata",
    "organizations",
    "secrets",
    "vaults",
]
