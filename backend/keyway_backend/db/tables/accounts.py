"""People, their sessions and the sign-ins under way. Identity is `github_user_id`; the login is a label."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, Uuid

from keyway_backend.db.tables.base import key, metadata, moment, sealed

users = Table(
    "users",
    metadata,
    key(),
    Column("github_user_id", BigInteger, nullable=False, unique=True),
    Column("login", Text, nullable=False),
    Column("email", Text),
    Column("avatar_url", Text),
    moment("created_at"),
    moment("updated_at"),
)

github_tokens = Table(
    "github_tokens",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sealed("access_sealed"),
    moment("access_expires_at", nullable=True),
    sealed("refresh_sealed", nullable=True),
    moment("refresh_expires_at", nullable=True),
    moment("updated_at"),
    moment("renewing_until", nullable=True),
)

sessions = Table(
    "sessions",
    metadata,
    key(),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("user_agent", Text),
    Column("ip", Text),
    moment("created_at"),
    moment("expires_at"),
    moment("last_used_at", nullable=True),
    moment("revoked_at", nullable=True),
    Index("sessions_user_id_idx", "user_id"),
)

device_logins = Table(
    "device_logins",
    metadata,
    key(),
    Column("code_hash", LargeBinary, nullable=False, unique=True),
    sealed("github_code_sealed", nullable=True),
    Column("interval_seconds", Integer, nullable=False),
    moment("next_poll_at"),
    moment("created_at"),
    moment("expires_at"),
    Column("status", Text, nullable=False),
    Column("session_id", Uuid),
    moment("approved_at", nullable=True),
    Column("user_agent", Text),
    Column("ip", Text),
    Index("device_logins_expires_at_idx", "expires_at"),
)
