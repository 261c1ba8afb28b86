"""Who pays for what, as Stripe says. With billing off these tables stay empty."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from keyway_backend.db.tables.base import metadata, moment

billing_customers = Table(
    "billing_customers",
    metadata,
    Column("owner_kind", Text, primary_key=True),
    Column("github_owner_id", BigInteger, primary_key=True),
    Column("customer_id", Text, nullable=False, unique=True),
    moment("created_at"),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner_kind", Text, nullable=False),
    Column("github_owner_id", BigInteger, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("status", Text, nullable=False),
    moment("current_period_end", nullable=True),
    Column("cancel_at_period_end", Boolean, nullable=False),
    moment("asked_at"),
    Index("subscriptions_owner_idx", "owner_kind", "github_owner_id"),
)

organization_trials = Table(
    "organization_trials",
    metadata,
    Column("github_org_id", BigInteger, primary_key=True, autoincrement=False),
    Column("started_by", Uuid),
    moment("started_at"),
    moment("ends_at"),
    moment("converted_at", nullable=True),
    moment("expired_at", nullable=True),
    Index(
        "organization_trials_due_idx",
        "ends_at",
        postgresql_where=text("converted_at IS NULL AND expired_at IS NULL"),
    ),
)

stripe_events = Table(
    "stripe_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("payload", JSONB),
    Column("attempts", Integer, nullable=False),
    moment("received_at"),
    moment("processed_at", nullable=True),
    Index("stripe_events_waiting_idx", "received_at", postgresql_where=text("processed_at IS NULL")),
)
