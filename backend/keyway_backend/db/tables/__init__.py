"""The schema as SQLAlchemy metadata: what Alembic compares the database with. One file per noun."""

from keyway_backend.db.tables import (
    access,
    accounts,
    alerts,
    audit,
    billing,
    credentials,
    exposure,
    installations,
    instance,
    integrations,
    organizations,
    secrets,
    sign_in,
    vaults,
)
from keyway_backend.db.tables.base import metadata

__all__ = [
    "access",
    "accounts",
    "alerts",
    "audit",
    "billing",
    "credentials",
    "exposure",
    "installations",
    "instance",
    "integrations",
    "metadata",
    "organizations",
    "secrets",
    "sign_in",
    "vaults",
]
