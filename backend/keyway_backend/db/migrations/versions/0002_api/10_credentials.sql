CREATE TABLE api_keys (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    environment TEXT NOT NULL,
    prefix TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    vault_ids UUID[],
    environment_ids UUID[],
    allowed_ips TEXT[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    usage_count BIGINT DEFAULT 0 NOT NULL,
    revoked_at timestamptz,
    revoked_reason TEXT,
    mac BYTEA NOT NULL,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_token_hash_key UNIQUE (token_hash),
    CONSTRAINT api_keys_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX api_keys_user_id_idx ON api_keys (user_id);

CREATE TABLE oidc_rules (
    id UUID NOT NULL,
    vault_id UUID NOT NULL,
    environment_id UUID NOT NULL,
    conditions JSONB NOT NULL,
    fingerprint BYTEA NOT NULL,
    created_by UUID,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    mac BYTEA NOT NULL,
    CONSTRAINT oidc_rules_pkey PRIMARY KEY (id),
    CONSTRAINT oidc_rules_vault_id_fkey FOREIGN KEY(vault_id) REFERENCES vaults (id),
    CONSTRAINT oidc_rules_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id),
    CONSTRAINT oidc_rules_same_key UNIQUE (environment_id, fingerprint)
);
CREATE INDEX oidc_rules_vault_id_idx ON oidc_rules (vault_id);

CREATE TABLE ci_tokens (
    id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    vault_id UUID NOT NULL,
    environment_id UUID NOT NULL,
    rule_id UUID,
    github_repo_id BIGINT NOT NULL,
    github_owner_id BIGINT NOT NULL,
    actor_github_user_id BIGINT,
    actor_login TEXT,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    mac BYTEA NOT NULL,
    CONSTRAINT ci_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT ci_tokens_token_hash_key UNIQUE (token_hash),
    CONSTRAINT ci_tokens_vault_id_fkey FOREIGN KEY(vault_id) REFERENCES vaults (id),
    CONSTRAINT ci_tokens_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id),
    CONSTRAINT ci_tokens_rule_id_fkey FOREIGN KEY(rule_id) REFERENCES oidc_rules (id) ON DELETE CASCADE
);
CREATE INDEX ci_tokens_expires_at_idx ON ci_tokens (expires_at);
CREATE INDEX ci_tokens_rule_id_idx ON ci_tokens (rule_id);

CREATE TABLE oidc_token_uses (
    jti_hash BYTEA NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT oidc_token_uses_pkey PRIMARY KEY (jti_hash)
);
CREATE INDEX oidc_token_uses_expires_at_idx ON oidc_token_uses (expires_at);
