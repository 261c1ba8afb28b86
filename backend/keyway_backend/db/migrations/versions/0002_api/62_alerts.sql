CREATE TABLE alerts (
    id UUID NOT NULL,
    type TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at timestamptz NOT NULL,
    event_id UUID NOT NULL,
    vault_id UUID NOT NULL,
    repository TEXT,
    environment_id UUID NOT NULL,
    user_id UUID NOT NULL,
    ip TEXT,
    country TEXT,
    city TEXT,
    device_id TEXT NOT NULL,
    CONSTRAINT alerts_pkey PRIMARY KEY (id)
);
CREATE INDEX alerts_user_idx ON alerts (user_id, created_at);
CREATE INDEX alerts_vault_idx ON alerts (vault_id, created_at);
CREATE INDEX alerts_device_idx ON alerts (vault_id, device_id, created_at);
CREATE INDEX alerts_event_idx ON alerts (event_id);

-- Devices and countries from which a vault was read before.
CREATE TABLE alert_sightings (
    vault_id UUID NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    first_seen_at timestamptz NOT NULL,
    CONSTRAINT alert_sightings_pkey PRIMARY KEY (vault_id, kind, what)
);

-- Where a person was last seen with a kind of credential.
CREATE TABLE alert_places (
    user_id UUID NOT NULL,
    credential_kind TEXT NOT NULL,
    ip TEXT NOT NULL,
    latitude DOUBLE PRECISION NOT NULL,
    longitude DOUBLE PRECISION NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT alert_places_pkey PRIMARY KEY (user_id, credential_kind)
);

-- What GeoIP said of an address.
CREATE TABLE ip_locations (
    ip TEXT NOT NULL,
    country TEXT,
    city TEXT,
    latitude DOUBLE PRECISION,
    longitude DOUBLE PRECISION,
    looked_up_at timestamptz NOT NULL,
    CONSTRAINT ip_locations_pkey PRIMARY KEY (ip)
);

INSERT INTO audit_positions (follower, tx, event_id) VALUES ('alerts', 0, '00000000-0000-0000-0000-000000000000');
