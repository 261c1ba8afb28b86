"""Web sign-ins under way. Of state, browser nonce and ticket only hashes are kept."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid

from keyway_backend.db.tables.base import key, metadata, moment

web_sign_ins = Table(
    "web_sign_ins",
    metadata,
    key(),
    Column("status", Text, nullable=False),
    Column("state_hash", LargeBinary, nullable=False, unique=True),
    Column("browser_hash", LargeBinary, nullable=False),
    Column("target", Text, nullable=False),
    Column("challenge", Text),
    Column("install", Boolean, nullable=False),
    Column("ticket_hash", LargeBinary, unique=True),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE")),
    Column("fresh", Boolean),
    moment("created_at"),
    moment("expires_at"),
    Index("web_sign_ins_expires_at_idx", "expires_at"),
)
