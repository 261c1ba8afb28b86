"""The roster of an organisation as GitHub told it last: labels and counts, no rights."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text, Uuid

from keyway_backend.db.tables.base import metadata, moment

organization_members = Table(
    "organization_members",
    metadata,
    Column("organization_id", Uuid, ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    Column("github_user_id", BigInteger, primary_key=True),
    Column("login", Text, nullable=False),
    Column("avatar_url", Text),
    Column("role", Text, nullable=False),
    moment("joined_at"),
    Index("organization_members_person_idx", "github_user_id"),
)
