-- The App on accounts of GitHub, and what GitHub told of it. None of these rows grants anything: roles are asked of GitHub.

CREATE TABLE installations (
    installation_id BIGINT NOT NULL,
    id UUID NOT NULL,
    account_id BIGINT NOT NULL,
    account_login TEXT NOT NULL,
    account_type TEXT NOT NULL,
    repository_selection TEXT NOT NULL,
    repository_count INTEGER NOT NULL,
    permissions JSONB NOT NULL,
    status TEXT NOT NULL,
    installed_by_github_user_id BIGINT,
    installed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT installations_pkey PRIMARY KEY (installation_id),
    CONSTRAINT installations_id_key UNIQUE (id)
);
CREATE INDEX installations_account_idx ON installations (account_id);
CREATE INDEX installations_installed_by_idx ON installations (installed_by_github_user_id);

-- Of an installation for selected repositories alone; one for all of them has no rows here.
CREATE TABLE installation_repositories (
    installation_id BIGINT NOT NULL,
    github_repo_id BIGINT NOT NULL,
    added_at timestamptz NOT NULL,
    CONSTRAINT installation_repositories_pkey PRIMARY KEY (installation_id, github_repo_id)
);
CREATE INDEX installation_repositories_repo_idx ON installation_repositories (github_repo_id);

-- One row per delivery. `facts` holds the numbers and names that its job needs, and is emptied by it.
CREATE TABLE webhook_deliveries (
    delivery_id TEXT NOT NULL,
    event TEXT NOT NULL,
    action TEXT NOT NULL,
    facts JSONB,
    received_at timestamptz NOT NULL,
    applied_at timestamptz,
    applied INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (delivery_id)
);
CREATE INDEX webhook_deliveries_received_at_idx ON webhook_deliveries (received_at);

-- Whoever renews a person's token holds this until GitHub has answered.
ALTER TABLE github_tokens ADD COLUMN renewing_until timestamptz;
