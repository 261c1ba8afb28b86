"""Rows that grant. Each carries a MAC under a backend key: one written by anyone else counts as absent, and alarms."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from keyway_backend.db.tables.base import key, metadata, moment, sealed

role_cache = Table(
    "role_cache",
    metadata,
    Column("github_user_id", BigInteger, primary_key=True),
    Column("github_repo_id", BigInteger, primary_key=True),
    Column("role", Text),
    Column("installation_id", BigInteger),
    moment("asked_at"),
    moment("expires_at"),
    Column("mac", LargeBinary, nullable=False),
    Column("github_owner_id", BigInteger),
)

access_generations = Table(
    "access_generations",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("github_id", BigInteger, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    moment("raised_at"),
)

installation_tokens = Table(
    "installation_tokens",
    metadata,
    Column("installation_id", BigInteger, primary_key=True, autoincrement=False),
    sealed("token_sealed"),
    moment("token_expires_at"),
    moment("updated_at"),
)

permission_overrides = Table(
    "permission_overrides",
    metadata,
    key(),
    Column("vault_id", Uuid, ForeignKey("vaults.id"), nullable=False),
    Column("environment_id", Uuid, ForeignKey("environments.id")),
    Column("target_type", Text, nullable=False),
    Column("target_github_user_id", BigInteger),
    Column("target_role", Text),
    Column("can_read", Boolean, nullable=False),
    Column("can_write", Boolean, nullable=False),
    Column("created_by", Uuid),
    moment("created_at"),
    moment("updated_at"),
    Column("mac", LargeBinary, nullable=False),
    Index(
        "permission_overrides_target_key",
        "vault_id",
        "environment_id",
        "target_type",
        "target_github_user_id",
        "target_role",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
)

organizations = Table(
    "organizations",
    metadata,
    key(),
    Column("github_org_id", BigInteger, nullable=False, unique=True),
    Column("login", Text, nullable=False),
    Column("default_permissions", JSONB),
    Column("mac", LargeBinary, nullable=False),
    moment("created_at"),
    moment("updated_at"),
    Column("display_name", Text),
    Column("avatar_url", Text),
    Index("organizations_login_idx", text("lower(login)")),
)
