CREATE INDEX audit_events_api_key_idx ON audit_events (credential_id, at) WHERE credential_kind = 'api_key';
