"""Who did what, when, from where. No foreign keys to hot rows; the application role may only insert and read.

Rows leave the log by the function `purge_audit_events` alone, which asks `audit_retention`, a table that the
application role cannot write. The view `reads` shows the events with which a value was seen.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from keyway_backend.db.tables.base import key, metadata, moment

audit_events = Table(
    "audit_events",
    metadata,
    key(),
    moment("at"),
    Column("action", Text, nullable=False),
    Column("actor_user_id", Uuid),
    Column("actor_github_user_id", BigInteger),
    Column("actor_login", Text),
    Column("credential_kind", Text),
    Column("credential_id", Uuid),
    Column("platform", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("ip", Text),
    Column("user_agent", Text),
    Column("device_id", Text),
    Column("request_id", Text, nullable=False),
    Column("vault_id", Uuid),
    Column("repository", Text),
    Column("environment_id", Uuid),
    Column("environment", Text),
    Column("revision", Integer),
    Column("keys", ARRAY(Text)),
    Column("details", JSONB),
    Column("tx", BigInteger, nullable=False, server_default=text("((pg_current_xact_id())::text)::bigint")),
    Index("audit_events_tx_idx", "tx", "id"),
    Index(
        "audit_events_base_idx",
        "credential_id",
        "environment_id",
        "at",
        postgresql_where=text("action = 'secrets_pulled'"),
    ),
    Index(
        "audit_events_vault_idx",
        "vault_id",
        "at",
        postgresql_include=["action", "environment_id", "actor_github_user_id"],
    ),
    Index(
        "audit_events_api_key_idx",
        "credential_id",
        "at",
        postgresql_where=text("credential_kind = 'api_key'"),
    ),
    Index("audit_events_actor_idx", "actor_user_id", "at"),
    Index("audit_events_at_idx", "at", postgresql_using="brin"),
)

audit_positions = Table(
    "audit_positions",
    metadata,
    Column("follower", Text, primary_key=True),
    Column("tx", BigInteger, nullable=False),
    Column("event_id", Uuid, nullable=False),
)

audit_retention = Table(
    "audit_retention",
    metadata,
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("days", Integer, nullable=False),
    CheckConstraint("singleton", name="audit_retention_singleton_check"),
    CheckConstraint("days >= 30", name="audit_retention_days_check"),
)
