-- An organisation's row says what it is called, and what its members may do by default.
ALTER TABLE organizations ADD COLUMN display_name TEXT;
ALTER TABLE organizations ADD COLUMN avatar_url TEXT;
CREATE INDEX organizations_login_idx ON organizations (lower(login));

-- The roster as GitHub told it last: labels and counts. Rights are asked of GitHub for each request, never of this.
CREATE TABLE organization_members (
    organization_id UUID NOT NULL,
    github_user_id BIGINT NOT NULL,
    login TEXT NOT NULL,
    avatar_url TEXT,
    role TEXT NOT NULL,
    joined_at timestamptz NOT NULL,
    CONSTRAINT organization_members_pkey PRIMARY KEY (organization_id, github_user_id),
    CONSTRAINT organization_members_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE INDEX organization_members_person_idx ON organization_members (github_user_id);
CREATE INDEX vaults_owner_idx ON vaults (github_owner_id, created_at) WHERE deleted_at IS NULL;

-- Who owned the repository when GitHub told the role, under the row's code: a vault's row alone does not say whose defaults count.
DELETE FROM role_cache;
ALTER TABLE role_cache ADD COLUMN github_owner_id BIGINT;
