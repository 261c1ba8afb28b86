-- When the ciphertext of a deleted environment was forgotten: the retention job looks at each one once.
ALTER TABLE environments ADD COLUMN purged_at timestamptz;
CREATE INDEX environments_unpurged_idx ON environments (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
