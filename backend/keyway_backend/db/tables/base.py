"""Column kinds that every table uses: `timestamptz`, UUIDv7 keys made in Python, sealed bytes."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, LargeBinary, MetaData, Uuid

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
    }
)


def key(name: str = "id") -> Column[object]:
    """A UUIDv7 primary key."""
    return Column(name, Uuid, primary_key=True)


def moment(name: str, *, nullable: bool = False) -> Column[object]:
    """A point in time, always with a zone."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def sealed(name: str = "sealed", *, nullable: bool = False) -> Column[object]:
    """Ciphertext that only the crypto service opens."""
    return Column(name, LargeBinary, nullable=nullable)
