CREATE TABLE provider_connections (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    provider TEXT NOT NULL,
    provider_user_id TEXT NOT NULL,
    provider_team_id TEXT,
    team_name TEXT,
    token_sealed BYTEA NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT provider_connections_pkey PRIMARY KEY (id),
    CONSTRAINT provider_connections_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX provider_connections_account_key
    ON provider_connections (user_id, provider, provider_user_id, provider_team_id) NULLS NOT DISTINCT;

CREATE TABLE vault_syncs (
    id UUID NOT NULL,
    vault_id UUID NOT NULL,
    environment_id UUID NOT NULL,
    connection_id UUID NOT NULL,
    project_id TEXT NOT NULL,
    project_name TEXT,
    provider_environment TEXT NOT NULL,
    created_at timestamptz NOT NULL,
    last_synced_at timestamptz,
    CONSTRAINT vault_syncs_pkey PRIMARY KEY (id),
    CONSTRAINT vault_syncs_vault_id_fkey FOREIGN KEY (vault_id) REFERENCES vaults (id),
    CONSTRAINT vault_syncs_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES environments (id),
    CONSTRAINT vault_syncs_connection_id_fkey
        FOREIGN KEY (connection_id) REFERENCES provider_connections (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX vault_syncs_link_key
    ON vault_syncs (vault_id, environment_id, connection_id, project_id, provider_environment);
CREATE INDEX vault_syncs_connection_id_idx ON vault_syncs (connection_id);

CREATE TABLE provider_states (
    state_hash BYTEA NOT NULL,
    browser_hash BYTEA NOT NULL,
    session_id UUID NOT NULL,
    user_id UUID NOT NULL,
    provider TEXT NOT NULL,
    redirect_uri TEXT,
    expires_at timestamptz NOT NULL,
    CONSTRAINT provider_states_pkey PRIMARY KEY (state_hash),
    CONSTRAINT provider_states_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX provider_states_expires_at_idx ON provider_states (expires_at);
