"""Revisions of environments, identities of secrets, and their values.

A value row is written once. The only updates are: `to_revision`; `sealed` with `key_version` by compare-and-swap;
`sealed` to NULL with `purged_at`. State at revision r = rows with from_revision <= r < to_revision.

`secret_values_live` holds small live values inside the index, in the order of environment and key, so that a pull
reads a few neighbouring index pages however scattered in time its values were written. An index entry must stay below
a third of a page, so larger values are found by `secret_values_live_large` and read from the heap.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from keyway_backend.db.tables.base import key, metadata, moment, sealed

revisions = Table(
    "revisions",
    metadata,
    key(),
    Column("environment_id", Uuid, ForeignKey("environments.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("author_user_id", Uuid),
    Column("author_github_user_id", BigInteger, nullable=False),
    Column("credential_kind", Text, nullable=False),
    Column("credential_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    Column("message", Text),
    Column("created", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
    moment("created_at"),
    UniqueConstraint("environment_id", "number", name="revisions_number_key"),
)

secrets = Table(
    "secrets",
    metadata,
    key(),
    Column("vault_id", Uuid, ForeignKey("vaults.id"), nullable=False),
    Column("label", Text, nullable=False),
    Index("secrets_vault_id_idx", "vault_id"),
)

_LIVE = "to_revision IS NULL"
_SMALL = "octet_length(sealed) <= 1200"

secret_values = Table(
    "secret_values",
    metadata,
    key(),
    Column("secret_id", Uuid, ForeignKey("secrets.id"), nullable=False),
    Column("environment_id", Uuid, ForeignKey("environments.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("from_revision", Integer, nullable=False),
    Column("to_revision", Integer),
    sealed(nullable=True),
    Column("key_version", SmallInteger, nullable=False),
    Column("author_user_id", Uuid),
    Column("origin_value_id", Uuid),
    moment("created_at"),
    moment("purged_at", nullable=True),
    Index("secret_values_live_key", "environment_id", "key", unique=True, postgresql_where=text(_LIVE)),
    Index(
        "secret_values_live",
        "environment_id",
        "key",
        postgresql_include=["id", "sealed"],
        postgresql_where=text(f"{_LIVE} AND {_SMALL}"),
    ),
    Index("secret_values_live_large", "environment_id", "key", postgresql_where=text(f"{_LIVE} AND NOT ({_SMALL})")),
    Index("secret_values_secret_idx", "secret_id", "from_revision"),
    Index("secret_values_from_idx", "environment_id", "from_revision"),
    Index(
        "secret_values_origin_idx",
        "origin_value_id",
        postgresql_where=text("origin_value_id IS NOT NULL"),
    ),
    Index("secret_values_to_idx", "environment_id", "to_revision", postgresql_where=text("to_revision IS NOT NULL")),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("credential_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("result", JSONB, nullable=False),
    moment("created_at"),
)
