"""Vaults and their environments. A vault belongs to a repository id; the names beside it are labels."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, Uuid, text

from keyway_backend.db.tables.base import key, metadata, moment

vaults = Table(
    "vaults",
    metadata,
    key(),
    Column("github_repo_id", BigInteger, nullable=False),
    Column("github_owner_id", BigInteger, nullable=False),
    Column("owner_login", Text, nullable=False),
    Column("repo_name", Text, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("created_by_github_user_id", BigInteger, nullable=False),
    moment("created_at"),
    moment("updated_at"),
    moment("deleted_at", nullable=True),
    Index("vaults_repo_key", "github_repo_id", unique=True, postgresql_where=text("deleted_at IS NULL")),
    Index("vaults_owner_idx", "github_owner_id", "created_at", postgresql_where=text("deleted_at IS NULL")),
    Index(
        "vaults_name_idx",
        text("lower(owner_login)"),
        text("lower(repo_name)"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
)

environments = Table(
    "environments",
    metadata,
    key(),
    Column("vault_id", Uuid, ForeignKey("vaults.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("type_mac", LargeBinary, nullable=False),
    Column("display_order", Integer, nullable=False),
    Column("head_revision", Integer, nullable=False, server_default=text("0")),
    Column("head_revision_id", Uuid, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    moment("created_at"),
    moment("deleted_at", nullable=True),
    moment("purged_at", nullable=True),
    Index(
        "environments_unpurged_idx",
        "deleted_at",
        postgresql_where=text("deleted_at IS NOT NULL AND purged_at IS NULL"),
    ),
    Index("environments_name_key", "vault_id", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
)
