"""Accounts at providers, links between environments and their projects, and browsers that are on their way there."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid

from keyway_backend.db.tables.base import key, metadata, moment, sealed

provider_connections = Table(
    "provider_connections",
    metadata,
    key(),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_user_id", Text, nullable=False),
    Column("provider_team_id", Text),
    Column("team_name", Text),
    sealed("token_sealed"),
    moment("created_at"),
    moment("updated_at"),
    Index(
        "provider_connections_account_key",
        "user_id",
        "provider",
        "provider_user_id",
        "provider_team_id",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
)

vault_syncs = Table(
    "vault_syncs",
    metadata,
    key(),
    Column("vault_id", Uuid, ForeignKey("vaults.id"), nullable=False),
    Column("environment_id", Uuid, ForeignKey("environments.id"), nullable=False),
    Column("connection_id", Uuid, ForeignKey("provider_connections.id", ondelete="CASCADE"), nullable=False),
    Column("project_id", Text, nullable=False),
    Column("project_name", Text),
    Column("provider_environment", Text, nullable=False),
    moment("created_at"),
    moment("last_synced_at", nullable=True),
    Index(
        "vault_syncs_link_key",
        "vault_id",
        "environment_id",
        "connection_id",
        "project_id",
        "provider_environment",
        unique=True,
    ),
    Index("vault_syncs_connection_id_idx", "connection_id"),
)

provider_states = Table(
    "provider_states",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True),
    Column("browser_hash", LargeBinary, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("redirect_uri", Text),
    moment("expires_at"),
    Index("provider_states_expires_at_idx", "expires_at"),
)
