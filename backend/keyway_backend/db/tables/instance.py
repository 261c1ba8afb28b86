"""What this installation is bound to: its id, its GitHub, its keys."""

from sqlalchemy import Boolean, CheckConstraint, Column, SmallInteger, Table, Text, Uuid, text

from keyway_backend.db.tables.base import metadata, moment, sealed

instance = Table(
    "instance",
    metadata,
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("id", Uuid, nullable=False),
    Column("github_host", Text, nullable=False),
    Column("github_app_id", Text, nullable=False),
    sealed("key_check"),
    moment("created_at"),
    CheckConstraint("singleton", name="instance_singleton_check"),
)

crypto_keys = Table(
    "crypto_keys",
    metadata,
    Column("version", SmallInteger, primary_key=True, autoincrement=False),
    Column("fingerprint", Text, nullable=False),
    moment("first_seen_at"),
)
