"""How many people saw how much: without a row for each person and secret, of which there may be millions.

Secrets of an environment that were live at the same revisions were seen by the same people as often: `classes` are
such secrets, and there are few of them. Nearly every secret is `plain`: nothing of it was ever copied, and it was live
from one revision to another without a gap; those two numbers are its class. How many there are of each is summed up
(`lives`), which holds as long as the environment is at the same revision; environments that went on since are counted
anew. The others are told apart by their `terms`: +1 where one of their values begins, -1 where it ends; edges that meet
fall away, so that a value which followed another leaves none. Reads are summed between the edges of their environment
(`buckets`), and what somebody saw of a class follows from running totals at its edges. Only people on the page are
looked at one by one.
"""

from __future__ import annotations

from typing import Final, LiteralString

from keyway_backend.access.rows import READABLE
from keyway_backend.features.exposure.lives import LIFE

_WHOLE: Final[LiteralString] = """,
    whole AS MATERIALIZED (
        SELECT github_user_id AS person, environment_id AS place, revision, reads, last_at
        FROM reported WHERE keys IS NULL AND value_id IS NULL
    ),
    places AS MATERIALIZED (
        SELECT environment_id, head_revision, environment_id IN (SELECT place FROM whole) AS pulled, """
_SUMMED: Final[LiteralString] = """ AS shown
        FROM (
            SELECT id AS environment_id, head_revision FROM environments WHERE vault_id = ANY(%(vaults)s)
        ) AS every
    ),
    summed AS MATERIALIZED (
        SELECT l.environment_id, l.since, l.until, l.members, l.gapped
        FROM exposure_lives AS l
            JOIN places AS p ON p.environment_id = l.environment_id AND p.head_revision = l.revision
        WHERE p.shown AND p.pulled
    ),
    lived AS MATERIALIZED (
        SELECT v.secret_id, v.environment_id, """
_LIVED: Final[LiteralString] = """
        FROM secret_values AS v
        WHERE v.environment_id = ANY(ARRAY(
            SELECT environment_id FROM places WHERE shown AND pulled EXCEPT SELECT environment_id FROM summed))
        GROUP BY 1, 2
    ),"""
_PARTIAL: Final[LiteralString] = """
    keyed AS MATERIALIZED (
        SELECT github_user_id AS person, environment_id AS place, revision, unnest(keys) AS key, reads, last_at
        FROM reported WHERE keys IS NOT NULL AND value_id IS NULL
    ),
    roots AS MATERIALIZED (
        SELECT person, root, sum(reads) AS reads, max(last_at) AS last_at FROM (
            SELECT r.person, coalesce(p.origin_value_id, p.id) AS root, r.reads, r.last_at
            FROM keyed AS r JOIN secret_values AS p ON p.environment_id = r.place AND p.key = r.key
                AND p.from_revision <= r.revision AND (p.to_revision IS NULL OR p.to_revision > r.revision)
            WHERE p.environment_id = ANY(ARRAY(SELECT DISTINCT place FROM keyed))
            UNION ALL
            SELECT r.github_user_id, coalesce(o.origin_value_id, o.id), r.reads, r.last_at
            FROM reported AS r JOIN secret_values AS o ON o.id = r.value_id
            WHERE o.id = ANY(ARRAY(SELECT value_id FROM reported WHERE value_id IS NOT NULL))
        ) AS every GROUP BY 1, 2
    )"""
_KIN: Final[LiteralString] = """,
    copied AS MATERIALIZED (
        SELECT DISTINCT origin_value_id AS root FROM secret_values
        WHERE origin_value_id IS NOT NULL AND environment_id = ANY(ARRAY(SELECT environment_id FROM places))
    ),
    related AS MATERIALIZED (SELECT root FROM copied UNION SELECT root FROM roots),
    kin AS MATERIALIZED (
        SELECT DISTINCT coalesce(v.origin_value_id, v.id) AS root, v.secret_id, v.environment_id
        FROM secret_values AS v JOIN places AS p ON p.environment_id = v.environment_id
        WHERE p.shown AND (
            v.id = ANY(ARRAY(SELECT root FROM related)) OR v.origin_value_id = ANY(ARRAY(SELECT root FROM related)))
    ),
    apart AS MATERIALIZED (
        SELECT v.secret_id, v.environment_id, """
_CLASSES: Final[LiteralString] = """,
            bool_or(coalesce(v.origin_value_id, v.id) IN (SELECT root FROM copied)) AS shared
        FROM secret_values AS v JOIN places AS p ON p.environment_id = v.environment_id
        WHERE p.shown AND v.secret_id = ANY(ARRAY(
            SELECT secret_id FROM kin UNION SELECT unnest(gapped) FROM summed
            UNION SELECT secret_id FROM lived WHERE gapped))
        GROUP BY 1, 2
    ),
    lines AS MATERIALIZED (
        SELECT DISTINCT coalesce(v.origin_value_id, v.id) AS root, v.secret_id, v.environment_id
        FROM secret_values AS v
            JOIN apart AS s ON s.secret_id = v.secret_id AND s.environment_id = v.environment_id
        WHERE (s.gapped OR s.shared)
            AND v.secret_id = ANY(ARRAY(SELECT secret_id FROM apart WHERE gapped OR shared))
    ),
    terms AS MATERIALIZED (
        SELECT n.secret_id, n.environment_id, h.environment_id AS place, edge.at, sum(edge.step)::int AS step
        FROM secret_values AS h JOIN lines AS n ON n.root = coalesce(h.origin_value_id, h.id)
            CROSS JOIN LATERAL (
                VALUES (h.from_revision, 1), (coalesce(h.to_revision, 2147483647), -1)) AS edge (at, step)
        WHERE h.environment_id IN (SELECT place FROM whole)
            AND (h.id = ANY(ARRAY(SELECT root FROM lines)) OR h.origin_value_id = ANY(ARRAY(SELECT root FROM lines)))
        GROUP BY 1, 2, 3, 4 HAVING sum(edge.step) <> 0
    ),
    shapes AS MATERIALIZED (
        SELECT secret_id, environment_id, string_agg(place || ' ' || at || ' ' || step, ',' ORDER BY place, at) AS shape
        FROM terms GROUP BY 1, 2
    ),
    plain AS (
        SELECT environment_id, unnest(since) AS since, unnest(until) AS until, unnest(members) AS members FROM summed
        UNION ALL
        SELECT environment_id, since, until, 1 FROM lived WHERE NOT gapped
        UNION ALL
        SELECT a.environment_id, a.since, a.until, -1
        FROM apart AS a JOIN places AS p ON p.environment_id = a.environment_id
        WHERE a.shared AND NOT a.gapped AND p.pulled
    ),
    classes AS MATERIALIZED (
        SELECT row_number() OVER () AS class, * FROM (
            SELECT environment_id, since, until, since || ' ' || until AS shape, sum(members) AS members,
                NULL::uuid AS one
            FROM plain GROUP BY 1, 2, 3 HAVING sum(members) > 0
            UNION ALL
            SELECT environment_id, NULL, NULL, shape, count(*), (array_agg(secret_id))[1]
            FROM shapes GROUP BY shape, environment_id
        ) AS every
    ),
    class_terms AS MATERIALIZED (
        SELECT c.class, c.members, c.environment_id AS place, edge.at, edge.step
        FROM classes AS c CROSS JOIN LATERAL (VALUES (c.since, 1), (c.until, -1)) AS edge (at, step)
        WHERE c.one IS NULL
        UNION ALL
        SELECT c.class, c.members, t.place, t.at, t.step
        FROM classes AS c JOIN terms AS t ON t.secret_id = c.one AND t.environment_id = c.environment_id
    ),
    weights AS MATERIALIZED (
        SELECT place, at, row_number() OVER edges AS bucket, sum(sum(members * step)) OVER edges AS weight
        FROM class_terms GROUP BY place, at WINDOW edges AS (PARTITION BY place ORDER BY at)
    ),
    buckets AS MATERIALIZED (
        SELECT w.person, w.place, width_bucket(w.revision, e.ats) AS bucket, sum(w.reads)::bigint AS reads,
            max(w.last_at) AS last_at
        FROM whole AS w JOIN (SELECT place, array_agg(at ORDER BY at) AS ats FROM weights GROUP BY place) AS e
            ON e.place = w.place
        GROUP BY 1, 2, 3
    )"""
_SINGLE: Final[LiteralString] = """,
    single AS MATERIALIZED (
        SELECT r.person, n.secret_id, n.environment_id, c.class, sum(r.reads)::bigint AS reads,
            max(r.last_at) AS last_at
        FROM roots AS r JOIN kin AS n ON n.root = r.root
            JOIN apart AS s ON s.secret_id = n.secret_id AND s.environment_id = n.environment_id
            LEFT JOIN shapes AS f ON f.secret_id = n.secret_id AND f.environment_id = n.environment_id
            LEFT JOIN classes AS c ON c.environment_id = n.environment_id
                AND c.shape = CASE WHEN s.gapped OR s.shared THEN f.shape ELSE s.since || ' ' || s.until END
        GROUP BY 1, 2, 3, 4
    )"""
_PEOPLE: Final[LiteralString] = """,
    everybody AS (
        SELECT e.place, e.at, sum(coalesce(b.reads, 0)) OVER (PARTITION BY e.place ORDER BY e.bucket) AS total
        FROM weights AS e LEFT JOIN (SELECT place, bucket, sum(reads) AS reads FROM buckets GROUP BY 1, 2) AS b
            ON b.place = e.place AND b.bucket = e.bucket - 1
    ),
    seen AS MATERIALIZED (
        SELECT t.class FROM everybody AS f JOIN class_terms AS t ON t.place = f.place AND t.at = f.at
        GROUP BY 1 HAVING sum(-t.step * f.total) > 0
    ),
    last AS MATERIALIZED (
        SELECT person, max(last_at) AS last_at FROM (
            SELECT b.person, b.last_at FROM buckets AS b JOIN weights AS e ON e.place = b.place AND e.bucket = b.bucket
            WHERE e.weight > 0
            UNION ALL
            SELECT person, last_at FROM single
        ) AS every GROUP BY person
    ),
    page AS MATERIALIZED (
        SELECT person, last_at FROM last ORDER BY last_at DESC, person LIMIT %(limit)s OFFSET %(offset)s
    ),
    points AS (
        SELECT r.person, e.place, e.at,
            sum(coalesce(b.reads, 0)) OVER (PARTITION BY r.person, e.place ORDER BY e.bucket) AS total
        FROM (SELECT DISTINCT person, place FROM buckets JOIN page USING (person)) AS r
            JOIN weights AS e ON e.place = r.place
            LEFT JOIN buckets AS b ON b.person = r.person AND b.place = e.place AND b.bucket = e.bucket - 1
    ),
    seen_by AS MATERIALIZED (
        SELECT f.person, t.class FROM points AS f JOIN class_terms AS t ON t.place = f.place AND t.at = f.at
        GROUP BY 1, 2 HAVING sum(-t.step * f.total) > 0
    ),
    counts AS (
        SELECT s.person, c.environment_id, c.members FROM seen_by AS s JOIN classes AS c ON c.class = s.class
        UNION ALL
        SELECT o.person, o.environment_id, count(*)
        FROM single AS o JOIN page AS p ON p.person = o.person
            LEFT JOIN seen_by AS s ON s.person = o.person AND s.class = o.class
        WHERE s.person IS NULL GROUP BY 1, 2
    ),
    shown AS (
        SELECT p.person, p.last_at, sum(c.members)::bigint AS secrets, count(DISTINCT e.vault_id) AS vaults
        FROM page AS p JOIN counts AS c ON c.person = p.person JOIN environments AS e ON e.id = c.environment_id
        GROUP BY 1, 2
    ),
    names AS (
        SELECT DISTINCT ON (r.github_user_id) r.github_user_id AS person, r.login
        FROM reported AS r JOIN page AS p ON p.person = r.github_user_id AND p.last_at <= r.last_at
        ORDER BY r.github_user_id, r.last_at DESC
    )
    SELECT (SELECT count(*) FROM last) AS users,
        ((SELECT coalesce(sum(c.members), 0) FROM classes AS c JOIN seen AS s ON s.class = c.class)
            + (SELECT count(DISTINCT o.secret_id) FROM single AS o LEFT JOIN seen AS s ON s.class = o.class
               WHERE s.class IS NULL))::bigint AS secrets,
        ((SELECT coalesce(sum(b.reads * e.weight), 0) FROM buckets AS b
            JOIN weights AS e ON e.place = b.place AND e.bucket = b.bucket)
            + (SELECT coalesce(sum(reads), 0) FROM single))::bigint AS accesses,
        ARRAY(SELECT jsonb_build_object('user_id', u.id, 'login', coalesce(u.login, n.login, ''),
                'avatar_url', u.avatar_url, 'secrets', s.secrets, 'vaults', s.vaults,
                'last_at', extract(epoch FROM s.last_at))
            FROM shown AS s LEFT JOIN names AS n ON n.person = s.person
                LEFT JOIN users AS u ON u.github_user_id = s.person
            ORDER BY s.last_at DESC, s.person) AS page"""

TOTALS: Final[LiteralString] = (
    _WHOLE + READABLE + _SUMMED + LIFE + _LIVED + _PARTIAL + _KIN + LIFE + _CLASSES + _SINGLE + _PEOPLE
)
