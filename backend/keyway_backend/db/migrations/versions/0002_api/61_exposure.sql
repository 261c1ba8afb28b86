-- Who read which state of which environment: the log's reads, summed up. Made anew from the log when it is emptied
-- together with its position.
CREATE TABLE exposure_reads (
    vault_id UUID NOT NULL,
    github_user_id BIGINT NOT NULL,
    environment_id UUID NOT NULL,
    revision INTEGER NOT NULL,
    part TEXT NOT NULL,
    keys TEXT[],
    value_id UUID,
    user_id UUID,
    login TEXT,
    role TEXT,
    platform TEXT NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    reads BIGINT NOT NULL,
    CONSTRAINT exposure_reads_pkey PRIMARY KEY (vault_id, github_user_id, environment_id, revision, part)
);

-- A value's copies, restorations and renames are found by where it came from.
CREATE INDEX secret_values_origin_idx ON secret_values (origin_value_id) WHERE origin_value_id IS NOT NULL;

CREATE TABLE exposure_ticks (
    user_id UUID NOT NULL,
    secret_id UUID NOT NULL,
    vault_id UUID NOT NULL,
    ticked_by UUID,
    ticked_at timestamptz NOT NULL,
    CONSTRAINT exposure_ticks_pkey PRIMARY KEY (user_id, secret_id),
    CONSTRAINT exposure_ticks_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT exposure_ticks_secret_id_fkey FOREIGN KEY(secret_id) REFERENCES secrets (id) ON DELETE CASCADE
);
CREATE INDEX exposure_ticks_vault_idx ON exposure_ticks (vault_id);

INSERT INTO audit_positions (follower, tx, event_id) VALUES ('exposure', 0, '00000000-0000-0000-0000-000000000000');
