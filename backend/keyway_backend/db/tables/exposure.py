"""Who saw which state of an environment, how long its secrets lived, and what was dealt with since."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from keyway_backend.db.tables.base import metadata, moment

exposure_reads = Table(
    "exposure_reads",
    metadata,
    Column("vault_id", Uuid, primary_key=True),
    Column("github_user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("environment_id", Uuid, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("part", Text, primary_key=True),
    Column("keys", ARRAY(Text)),
    Column("value_id", Uuid),
    Column("user_id", Uuid),
    Column("login", Text),
    Column("role", Text),
    Column("platform", Text, nullable=False),
    moment("first_at"),
    moment("last_at"),
    Column("reads", BigInteger, nullable=False),
)

exposure_lives = Table(
    "exposure_lives",
    metadata,
    Column("environment_id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("since", ARRAY(Integer), nullable=False),
    Column("until", ARRAY(Integer), nullable=False),
    Column("members", ARRAY(Integer), nullable=False),
    Column("gapped", ARRAY(Uuid), nullable=False),
)

exposure_ticks = Table(
    "exposure_ticks",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("secret_id", Uuid, ForeignKey("secrets.id", ondelete="CASCADE"), primary_key=True),
    Column("vault_id", Uuid, nullable=False),
    Column("ticked_by", Uuid),
    moment("ticked_at"),
    Index("exposure_ticks_vault_idx", "vault_id"),
)
