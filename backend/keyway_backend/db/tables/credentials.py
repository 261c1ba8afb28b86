"""Credentials that are not sessions, and the rules of those that workflows get. All of these rows carry a MAC.

Tokens are kept as SHA-256. `ci_tokens.actor_github_user_id` is set for a person who had a role at the exchange.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from keyway_backend.db.tables.base import key, metadata, moment

api_keys = Table(
    "api_keys",
    metadata,
    key(),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("vault_ids", ARRAY(Uuid)),
    Column("environment_ids", ARRAY(Uuid)),
    Column("allowed_ips", ARRAY(Text), nullable=False),
    moment("created_at"),
    moment("expires_at"),
    moment("last_used_at", nullable=True),
    Column("usage_count", BigInteger, nullable=False, server_default=text("0")),
    moment("revoked_at", nullable=True),
    Column("revoked_reason", Text),
    Column("mac", LargeBinary, nullable=False),
    Index("api_keys_user_id_idx", "user_id"),
)

oidc_rules = Table(
    "oidc_rules",
    metadata,
    key(),
    Column("vault_id", Uuid, ForeignKey("vaults.id"), nullable=False),
    Column("environment_id", Uuid, ForeignKey("environments.id"), nullable=False),
    Column("conditions", JSONB, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("created_by", Uuid),
    moment("created_at"),
    moment("updated_at"),
    Column("mac", LargeBinary, nullable=False),
    UniqueConstraint("environment_id", "fingerprint", name="oidc_rules_same_key"),
    Index("oidc_rules_vault_id_idx", "vault_id"),
)

ci_tokens = Table(
    "ci_tokens",
    metadata,
    key(),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("vault_id", Uuid, ForeignKey("vaults.id"), nullable=False),
    Column("environment_id", Uuid, ForeignKey("environments.id"), nullable=False),
    Column("rule_id", Uuid, ForeignKey("oidc_rules.id", ondelete="CASCADE")),
    Column("github_repo_id", BigInteger, nullable=False),
    Column("github_owner_id", BigInteger, nullable=False),
    Column("actor_github_user_id", BigInteger),
    Column("actor_login", Text),
    moment("created_at"),
    moment("expires_at"),
    moment("revoked_at", nullable=True),
    Column("mac", LargeBinary, nullable=False),
    Index("ci_tokens_expires_at_idx", "expires_at"),
    Index("ci_tokens_rule_id_idx", "rule_id"),
)

oidc_token_uses = Table(
    "oidc_token_uses",
    metadata,
    Column("jti_hash", LargeBinary, primary_key=True),
    moment("expires_at"),
    Index("oidc_token_uses_expires_at_idx", "expires_at"),
)
