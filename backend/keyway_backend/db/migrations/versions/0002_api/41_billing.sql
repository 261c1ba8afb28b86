-- Who pays: a person or an organisation, by GitHub's number, and the customer that Stripe knows them as.
CREATE TABLE billing_customers (
    owner_kind TEXT NOT NULL,
    github_owner_id BIGINT NOT NULL,
    customer_id TEXT NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT billing_customers_pkey PRIMARY KEY (owner_kind, github_owner_id),
    CONSTRAINT billing_customers_customer_id_key UNIQUE (customer_id)
);

-- Subscriptions as Stripe told them when it was asked last (`asked_at`): an answer asked for earlier never replaces a later one.
CREATE TABLE subscriptions (
    id TEXT NOT NULL,
    owner_kind TEXT NOT NULL,
    github_owner_id BIGINT NOT NULL,
    customer_id TEXT NOT NULL,
    plan TEXT NOT NULL,
    status TEXT NOT NULL,
    current_period_end timestamptz,
    cancel_at_period_end BOOLEAN NOT NULL,
    asked_at timestamptz NOT NULL,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (id)
);
CREATE INDEX subscriptions_owner_idx ON subscriptions (owner_kind, github_owner_id);

-- One trial per organisation, for ever: the key is GitHub's number.
CREATE TABLE organization_trials (
    github_org_id BIGINT NOT NULL,
    started_by UUID,
    started_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    converted_at timestamptz,
    expired_at timestamptz,
    CONSTRAINT organization_trials_pkey PRIMARY KEY (github_org_id)
);
CREATE INDEX organization_trials_due_idx ON organization_trials (ends_at) WHERE converted_at IS NULL AND expired_at IS NULL;

-- Events of Stripe. One that failed waits here with its content until a job has done it; a done one keeps its id alone.
CREATE TABLE stripe_events (
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    payload JSONB,
    attempts INTEGER NOT NULL,
    received_at timestamptz NOT NULL,
    processed_at timestamptz,
    CONSTRAINT stripe_events_pkey PRIMARY KEY (id)
);
CREATE INDEX stripe_events_waiting_idx ON stripe_events (received_at) WHERE processed_at IS NULL;
