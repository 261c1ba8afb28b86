"""Reads that look unlike those before, and what "before" was."""

from sqlalchemy import Column, Double, Index, Table, Text, Uuid

from keyway_backend.db.tables.base import key, metadata, moment

alerts = Table(
    "alerts",
    metadata,
    key(),
    Column("type", Text, nullable=False),
    Column("message", Text, nullable=False),
    moment("created_at"),
    Column("event_id", Uuid, nullable=False),
    Column("vault_id", Uuid, nullable=False),
    Column("repository", Text),
    Column("environment_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("ip", Text),
    Column("country", Text),
    Column("city", Text),
    Column("device_id", Text, nullable=False),
    Index("alerts_user_idx", "user_id", "created_at"),
    Index("alerts_vault_idx", "vault_id", "created_at"),
    Index("alerts_device_idx", "vault_id", "device_id", "created_at"),
    Index("alerts_event_idx", "event_id"),
)

alert_sightings = Table(
    "alert_sightings",
    metadata,
    Column("vault_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("what", Text, primary_key=True),
    moment("first_seen_at"),
)

alert_places = Table(
    "alert_places",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("credential_kind", Text, primary_key=True),
    Column("ip", Text, nullable=False),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    moment("seen_at"),
)

ip_locations = Table(
    "ip_locations",
    metadata,
    Column("ip", Text, primary_key=True),
    Column("country", Text),
    Column("city", Text),
    Column("latitude", Double),
    Column("longitude", Double),
    moment("looked_up_at"),
)
