CREATE TABLE web_sign_ins (
    id UUID NOT NULL,
    status TEXT NOT NULL,
    state_hash BYTEA NOT NULL,
    browser_hash BYTEA NOT NULL,
    target TEXT NOT NULL,
    challenge TEXT,
    install BOOLEAN NOT NULL,
    ticket_hash BYTEA,
    user_id UUID,
    fresh BOOLEAN,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT web_sign_ins_pkey PRIMARY KEY (id),
    CONSTRAINT web_sign_ins_state_hash_key UNIQUE (state_hash),
    CONSTRAINT web_sign_ins_ticket_hash_key UNIQUE (ticket_hash),
    CONSTRAINT web_sign_ins_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX web_sign_ins_expires_at_idx ON web_sign_ins (expires_at);
