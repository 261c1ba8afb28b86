-- The transaction that wrote a row. Whoever follows the log reads up to the oldest transaction that is still open, so
-- that no row is missed because it was stamped early and committed late.
ALTER TABLE audit_events ADD COLUMN tx BIGINT DEFAULT ((pg_current_xact_id())::text)::bigint NOT NULL;
CREATE INDEX audit_events_tx_idx ON audit_events (tx, id);

-- What pages and counts of a vault's log need is in the index.
DROP INDEX audit_events_vault_idx;
CREATE INDEX audit_events_vault_idx ON audit_events (vault_id, at)
    INCLUDE (action, environment_id, actor_github_user_id, source);

-- Every event with which a value was seen, in the rights of whoever asks.
CREATE VIEW reads WITH (security_invoker = true) AS
SELECT id, tx, at, action, actor_user_id, coalesce(actor_github_user_id, 0) AS github_user_id,
    actor_login AS login, credential_kind,
    credential_id, platform, source, ip, user_agent, device_id, vault_id, repository, environment_id, environment,
    revision, keys, (coalesce(details ->> 'valueId', details ->> 'versionId'))::uuid AS value_id,
    details ->> 'role' AS role
FROM audit_events
WHERE action IN ('secrets_pulled', 'secret_value_accessed', 'secret_version_value_accessed', 'secret_digests_issued')
    AND details ->> 'notModified' IS NULL AND environment_id IS NOT NULL;

-- How far each follower of the log has come.
CREATE TABLE audit_positions (
    follower TEXT NOT NULL,
    tx BIGINT NOT NULL,
    event_id UUID NOT NULL,
    CONSTRAINT audit_positions_pkey PRIMARY KEY (follower)
);

-- How long the log is kept. Only the owner of the schema writes it, at each start; the application reads it.
CREATE TABLE audit_retention (
    singleton BOOLEAN DEFAULT true NOT NULL,
    days INTEGER NOT NULL,
    CONSTRAINT audit_retention_pkey PRIMARY KEY (singleton),
    CONSTRAINT audit_retention_singleton_check CHECK (singleton),
    CONSTRAINT audit_retention_days_check CHECK (days >= 30)
);
INSERT INTO audit_retention (days) VALUES (400);

-- The only way in which a row leaves the log: with the owner's rights, and only when it is older than that.
CREATE FUNCTION purge_audit_events(most INTEGER) RETURNS INTEGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone INTEGER;
BEGIN
    DELETE FROM public.audit_events WHERE id IN (
        SELECT a.id FROM public.audit_events AS a
        WHERE a.at < now() - make_interval(days => (SELECT r.days FROM public.audit_retention AS r))
        ORDER BY a.id LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
REVOKE ALL ON FUNCTION purge_audit_events(INTEGER) FROM PUBLIC;
