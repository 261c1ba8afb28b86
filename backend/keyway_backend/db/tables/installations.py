"""The App on accounts of GitHub, and the deliveries that told of it. None of these rows grants anything."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from keyway_backend.db.tables.base import metadata, moment

installations = Table(
    "installations",
    metadata,
    Column("installation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Uuid, nullable=False, unique=True),
    Column("account_id", BigInteger, nullable=False),
    Column("account_login", Text, nullable=False),
    Column("account_type", Text, nullable=False),
    Column("repository_selection", Text, nullable=False),
    Column("repository_count", Integer, nullable=False),
    Column("permissions", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("installed_by_github_user_id", BigInteger),
    moment("installed_at"),
    moment("updated_at"),
    Index("installations_account_idx", "account_id"),
    Index("installations_installed_by_idx", "installed_by_github_user_id"),
)

installation_repositories = Table(
    "installation_repositories",
    metadata,
    Column("installation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("github_repo_id", BigInteger, primary_key=True, autoincrement=False),
    moment("added_at"),
    Index("installation_repositories_repo_idx", "github_repo_id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("event", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("facts", JSONB),
    moment("received_at"),
    moment("applied_at", nullable=True),
    Column("applied", Integer, nullable=False, server_default=text("0")),
    Index("webhook_deliveries_received_at_idx", "received_at"),
)
