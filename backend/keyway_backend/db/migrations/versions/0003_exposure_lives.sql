-- From which revision to which the secrets of an environment were live, and how many of each kind. `gapped` are those
-- that were away in between. A row holds while its environment is at `revision`; emptied, the table is made anew.
CREATE TABLE exposure_lives (
    environment_id UUID NOT NULL,
    revision INTEGER NOT NULL,
    since INTEGER[] NOT NULL,
    until INTEGER[] NOT NULL,
    members INTEGER[] NOT NULL,
    gapped UUID[] NOT NULL,
    CONSTRAINT exposure_lives_pkey PRIMARY KEY (environment_id)
);
