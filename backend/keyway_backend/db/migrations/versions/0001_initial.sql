CREATE TABLE access_generations (
    kind TEXT NOT NULL,
    github_id BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    raised_at timestamptz NOT NULL,
    CONSTRAINT access_generations_pkey PRIMARY KEY (kind, github_id)
);

CREATE TABLE audit_events (
    id UUID NOT NULL,
    at timestamptz NOT NULL,
    action TEXT NOT NULL,
    actor_user_id UUID,
    actor_github_user_id BIGINT,
    actor_login TEXT,
    credential_kind TEXT,
    credential_id UUID,
    platform TEXT NOT NULL,
    source TEXT NOT NULL,
    ip TEXT,
    user_agent TEXT,
    device_id TEXT,
    request_id TEXT NOT NULL,
    vault_id UUID,
    repository TEXT,
    environment_id UUID,
    environment TEXT,
    revision INTEGER,
    keys TEXT[],
    details JSONB,
    CONSTRAINT audit_events_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_events_actor_idx ON audit_events (actor_user_id, at);
CREATE INDEX audit_events_at_idx ON audit_events USING brin (at);
CREATE INDEX audit_events_base_idx ON audit_events (credential_id, environment_id, at) WHERE action = 'secrets_pulled';
CREATE INDEX audit_events_vault_idx ON audit_events (vault_id, at);

CREATE TABLE crypto_keys (
    version SMALLINT NOT NULL,
    fingerprint TEXT NOT NULL,
    first_seen_at timestamptz NOT NULL,
    CONSTRAINT crypto_keys_pkey PRIMARY KEY (version)
);

CREATE TABLE device_logins (
    id UUID NOT NULL,
    code_hash BYTEA NOT NULL,
    github_code_sealed BYTEA,
    interval_seconds INTEGER NOT NULL,
    next_poll_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    status TEXT NOT NULL,
    session_id UUID,
    approved_at timestamptz,
    user_agent TEXT,
    ip TEXT,
    CONSTRAINT device_logins_pkey PRIMARY KEY (id),
    CONSTRAINT device_logins_code_hash_key UNIQUE (code_hash)
);
CREATE INDEX device_logins_expires_at_idx ON device_logins (expires_at);

CREATE TABLE idempotency_keys (
    credential_id UUID NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    result JSONB NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (credential_id, key)
);

CREATE TABLE installation_tokens (
    installation_id BIGINT NOT NULL,
    token_sealed BYTEA NOT NULL,
    token_expires_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT installation_tokens_pkey PRIMARY KEY (installation_id)
);

CREATE TABLE instance (
    singleton BOOLEAN DEFAULT true NOT NULL,
    id UUID NOT NULL,
    github_host TEXT NOT NULL,
    github_app_id TEXT NOT NULL,
    key_check BYTEA NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT instance_pkey PRIMARY KEY (singleton),
    CONSTRAINT instance_singleton_check CHECK (singleton)
);

CREATE TABLE organizations (
    id UUID NOT NULL,
    github_org_id BIGINT NOT NULL,
    login TEXT NOT NULL,
    default_permissions JSONB,
    mac BYTEA NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT organizations_pkey PRIMARY KEY (id),
    CONSTRAINT organizations_github_org_id_key UNIQUE (github_org_id)
);

CREATE TABLE role_cache (
    github_user_id BIGINT NOT NULL,
    github_repo_id BIGINT NOT NULL,
    role TEXT,
    installation_id BIGINT,
    asked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    mac BYTEA NOT NULL,
    CONSTRAINT role_cache_pkey PRIMARY KEY (github_user_id, github_repo_id)
);

CREATE TABLE users (
    id UUID NOT NULL,
    github_user_id BIGINT NOT NULL,
    login TEXT NOT NULL,
    email TEXT,
    avatar_url TEXT,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_github_user_id_key UNIQUE (github_user_id)
);

CREATE TABLE vaults (
    id UUID NOT NULL,
    github_repo_id BIGINT NOT NULL,
    github_owner_id BIGINT NOT NULL,
    owner_login TEXT NOT NULL,
    repo_name TEXT NOT NULL,
    private BOOLEAN NOT NULL,
    created_by_github_user_id BIGINT NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT vaults_pkey PRIMARY KEY (id)
);
CREATE INDEX vaults_name_idx ON vaults (lower(owner_login), lower(repo_name)) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX vaults_repo_key ON vaults (github_repo_id) WHERE deleted_at IS NULL;

CREATE TABLE environments (
    id UUID NOT NULL,
    vault_id UUID NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    type_mac BYTEA NOT NULL,
    display_order INTEGER NOT NULL,
    head_revision INTEGER DEFAULT 0 NOT NULL,
    head_revision_id UUID NOT NULL,
    manifest BYTEA NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT environments_pkey PRIMARY KEY (id),
    CONSTRAINT environments_vault_id_fkey FOREIGN KEY(vault_id) REFERENCES vaults (id)
);
CREATE UNIQUE INDEX environments_name_key ON environments (vault_id, name) WHERE deleted_at IS NULL;

CREATE TABLE github_tokens (
    user_id UUID NOT NULL,
    access_sealed BYTEA NOT NULL,
    access_expires_at timestamptz,
    refresh_sealed BYTEA,
    refresh_expires_at timestamptz,
    updated_at timestamptz NOT NULL,
    CONSTRAINT github_tokens_pkey PRIMARY KEY (user_id),
    CONSTRAINT github_tokens_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE secrets (
    id UUID NOT NULL,
    vault_id UUID NOT NULL,
    label TEXT NOT NULL,
    CONSTRAINT secrets_pkey PRIMARY KEY (id),
    CONSTRAINT secrets_vault_id_fkey FOREIGN KEY(vault_id) REFERENCES vaults (id)
);
CREATE INDEX secrets_vault_id_idx ON secrets (vault_id);

CREATE TABLE sessions (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    kind TEXT NOT NULL,
    user_agent TEXT,
    ip TEXT,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);

CREATE TABLE permission_overrides (
    id UUID NOT NULL,
    vault_id UUID NOT NULL,
    environment_id UUID,
    target_type TEXT NOT NULL,
    target_github_user_id BIGINT,
    target_role TEXT,
    can_read BOOLEAN NOT NULL,
    can_write BOOLEAN NOT NULL,
    created_by UUID,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    mac BYTEA NOT NULL,
    CONSTRAINT permission_overrides_pkey PRIMARY KEY (id),
    CONSTRAINT permission_overrides_vault_id_fkey FOREIGN KEY(vault_id) REFERENCES vaults (id),
    CONSTRAINT permission_overrides_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id)
);
CREATE UNIQUE INDEX permission_overrides_target_key ON permission_overrides (vault_id, environment_id, target_type, target_github_user_id, target_role) NULLS NOT DISTINCT;

CREATE TABLE revisions (
    id UUID NOT NULL,
    environment_id UUID NOT NULL,
    number INTEGER NOT NULL,
    author_user_id UUID,
    author_github_user_id BIGINT NOT NULL,
    credential_kind TEXT NOT NULL,
    credential_id UUID NOT NULL,
    source TEXT NOT NULL,
    message TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT revisions_pkey PRIMARY KEY (id),
    CONSTRAINT revisions_number_key UNIQUE (environment_id, number),
    CONSTRAINT revisions_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id)
);

CREATE TABLE secret_values (
    id UUID NOT NULL,
    secret_id UUID NOT NULL,
    environment_id UUID NOT NULL,
    key TEXT NOT NULL,
    from_revision INTEGER NOT NULL,
    to_revision INTEGER,
    sealed BYTEA,
    key_version SMALLINT NOT NULL,
    author_user_id UUID,
    origin_value_id UUID,
    created_at timestamptz NOT NULL,
    purged_at timestamptz,
    CONSTRAINT secret_values_pkey PRIMARY KEY (id),
    CONSTRAINT secret_values_secret_id_fkey FOREIGN KEY(secret_id) REFERENCES secrets (id),
    CONSTRAINT secret_values_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id)
);
CREATE INDEX secret_values_from_idx ON secret_values (environment_id, from_revision);
CREATE INDEX secret_values_live ON secret_values (environment_id, key) INCLUDE (id, sealed) WHERE to_revision IS NULL AND octet_length(sealed) <= 1200;
CREATE UNIQUE INDEX secret_values_live_key ON secret_values (environment_id, key) WHERE to_revision IS NULL;
CREATE INDEX secret_values_live_large ON secret_values (environment_id, key) WHERE to_revision IS NULL AND NOT (octet_length(sealed) <= 1200);
CREATE INDEX secret_values_secret_idx ON secret_values (secret_id, from_revision);
CREATE INDEX secret_values_to_idx ON secret_values (environment_id, to_revision) WHERE to_revision IS NOT NULL;
-- Ciphertext does not compress, so no time is spent on trying.
ALTER TABLE secret_values ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- A pull reads live values from the index alone where the visibility map allows it: keep the map fresh.
ALTER TABLE secret_values SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
