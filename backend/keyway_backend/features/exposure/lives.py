"""From which revision to which secrets were live, summed up per environment.

A value row says for good since when it holds; until when, it is told by the revision that ends it. So what is summed up
for a revision of an environment is right as long as the environment is at that revision, whatever happens meanwhile,
and nobody has to invalidate it. The two are compared within the statement that counts.
"""

from __future__ import annotations

from typing import Final, LiteralString

LIFE: Final[LiteralString] = """min(v.from_revision) AS since,
            max(coalesce(v.to_revision, 2147483647)) AS until,
            sum(coalesce(v.to_revision, 2147483647) - v.from_revision)
                <> max(coalesce(v.to_revision, 2147483647)) - min(v.from_revision) AS gapped"""
"""Columns for a group of value rows `v` of one secret. `gapped`: it was away in between."""

# In the order of ids, so that two who sum up at once wait for each other at most.
_BEHIND: Final[LiteralString] = """
    WITH behind AS MATERIALIZED (
        SELECT e.id, e.head_revision
        FROM environments AS e LEFT JOIN exposure_lives AS l ON l.environment_id = e.id
        WHERE e.head_revision > 0 AND l.revision IS DISTINCT FROM e.head_revision
        ORDER BY e.id LIMIT %(most)s
    ),
    lived AS (
        SELECT v.secret_id, v.environment_id, """
_WRITTEN: Final[LiteralString] = """
        FROM secret_values AS v
        WHERE v.environment_id = ANY(ARRAY(SELECT id FROM behind)) GROUP BY 1, 2
    ),
    classes AS (
        SELECT environment_id, since, until, count(*)::int AS members FROM lived WHERE NOT gapped GROUP BY 1, 2, 3
    ),
    written AS (
        INSERT INTO exposure_lives AS x (environment_id, revision, since, until, members, gapped)
        SELECT b.id, b.head_revision, coalesce(c.since, '{}'), coalesce(c.until, '{}'), coalesce(c.members, '{}'),
            ARRAY(SELECT secret_id FROM lived WHERE environment_id = b.id AND gapped)
        FROM behind AS b LEFT JOIN (
            SELECT environment_id, array_agg(since) AS since, array_agg(until) AS until, array_agg(members) AS members
            FROM classes GROUP BY 1
        ) AS c ON c.environment_id = b.id
        ORDER BY b.id
        ON CONFLICT (environment_id) DO UPDATE SET revision = excluded.revision, since = excluded.since,
            until = excluded.until, members = excluded.members, gapped = excluded.gapped
        WHERE x.revision < excluded.revision
    )
    SELECT count(*) AS taken FROM behind"""
SUM_UP: Final[LiteralString] = _BEHIND + LIFE + _WRITTEN
