"""The statement that every report is made of: read events x revisions x lineage.

`events` are the reads in question, `pairs` what follows from them: one row for each person and secret. A person who
read an environment at a revision saw every value with from <= revision < to; one who read keys, those; and whoever saw
a value saw all values of its line, which share their `root`: copies, restorations, renames.

Reads of whole environments are summed per value with running totals over the revisions, so that a report costs a sort
of reads and values and never their product.
"""

from __future__ import annotations

from typing import Final, LiteralString

from keyway_backend.access.rows import READABLE
from keyway_backend.features.exposure.totals import TOTALS

# The roll-up, and what was read since it was made.
_RECENT: Final[LiteralString] = """
    WITH reported AS (
        SELECT vault_id, github_user_id, environment_id, revision, keys, value_id, login, role, platform,
            first_at, last_at, reads
        FROM exposure_reads
        WHERE vault_id = ANY(%(vaults)s) AND (%(person)s::bigint IS NULL OR github_user_id = %(person)s)
        UNION ALL
        SELECT r.vault_id, r.github_user_id, r.environment_id, coalesce(r.revision, 0), r.keys, r.value_id, r.login,
            r.role, r.platform, r.at, r.at, 1
        FROM audit_positions AS p JOIN reads AS r ON r.tx >= p.tx AND (r.tx, r.id) > (p.tx, p.event_id)
        WHERE p.follower = 'exposure' AND r.vault_id = ANY(%(vaults)s)
            AND (%(person)s::bigint IS NULL OR r.github_user_id = %(person)s)
    )"""
# Between two moments: the log itself.
_BETWEEN: Final[LiteralString] = """
    WITH reported AS (
        SELECT r.vault_id, r.github_user_id, r.environment_id, coalesce(r.revision, 0) AS revision, r.keys, r.value_id,
            r.login, r.role, r.platform, r.at AS first_at, r.at AS last_at, 1 AS reads
        FROM reads AS r
        WHERE r.vault_id = ANY(%(vaults)s) AND r.at >= %(since)s AND r.at <= %(until)s
            AND (%(person)s::bigint IS NULL OR r.github_user_id = %(person)s)
    )"""
_REST: Final[LiteralString] = """,
    events AS MATERIALIZED (
        SELECT github_user_id AS person, environment_id AS place, revision, keys, value_id,
            sum(reads)::bigint AS reads, min(first_at) AS first_at, max(last_at) AS last_at,
            (array_agg(login ORDER BY last_at DESC))[1] AS login,
            (array_agg(role ORDER BY last_at DESC))[1] AS role,
            (array_agg(platform ORDER BY last_at DESC))[1] AS platform
        FROM reported GROUP BY 1, 2, 3, 4, 5
    ),
    whole AS MATERIALIZED (SELECT * FROM events WHERE keys IS NULL AND value_id IS NULL),
    held AS MATERIALIZED (
        SELECT id, place, root, secret_id, since, until FROM (
            SELECT v.id, v.environment_id AS place, coalesce(v.origin_value_id, v.id) AS root, v.secret_id,
                v.from_revision AS since, coalesce(v.to_revision, 2147483647) AS until
            FROM secret_values AS v WHERE v.environment_id = ANY(ARRAY(SELECT DISTINCT place FROM whole))
        ) AS every
        WHERE %(secret)s::uuid IS NULL OR root IN (
            SELECT coalesce(origin_value_id, id) FROM secret_values WHERE secret_id = %(secret)s)
    ),
    marks AS (
        SELECT person, place, revision AS at, 1 AS step, reads, revision AS read_at, first_at, last_at,
            lpad(revision::text, 10, '0') || '/' || coalesce(role, '') || '/' || platform AS how,
            NULL::uuid AS id, NULL::uuid AS root, NULL::uuid AS secret_id
        FROM whole
        UNION ALL
        SELECT r.person, h.place, edge.at, 0, 0, NULL, NULL, NULL, NULL, h.id, h.root, h.secret_id
        FROM (SELECT DISTINCT person, place FROM whole) AS r JOIN held AS h ON h.place = r.place
            CROSS JOIN LATERAL (VALUES (h.since), (h.until)) AS edge (at)
    ),
    totals AS (
        SELECT person, id, root, secret_id, sum(reads) OVER before AS total, max(read_at) OVER before AS last_before,
            max(last_at) OVER before AS last_at, max(how) OVER before AS how, min(read_at) OVER after AS first_after,
            min(first_at) OVER after AS first_at
        FROM marks
        WINDOW before AS (PARTITION BY person, place ORDER BY at, step ROWS UNBOUNDED PRECEDING),
            after AS (PARTITION BY person, place ORDER BY at DESC, step DESC ROWS UNBOUNDED PRECEDING)
    ),
    ranges AS (
        SELECT person, root, secret_id, (max(total) - min(total))::bigint AS reads, min(first_at) AS first_at,
            max(last_at) AS last_at, min(first_after) AS first_revision, max(last_before) AS last_revision,
            max(how) AS how
        FROM totals WHERE id IS NOT NULL GROUP BY person, id, root, secret_id HAVING max(total) > min(total)
    ),
    keyed AS MATERIALIZED (SELECT *, unnest(keys) AS key FROM events WHERE value_id IS NULL),
    sightings AS MATERIALIZED (
        SELECT person, root, secret_id, reads, first_at, last_at, first_revision, last_revision,
            nullif(split_part(how, '/', 2), '') AS role, split_part(how, '/', 3) AS platform
        FROM ranges
        UNION ALL
        SELECT e.person, coalesce(p.origin_value_id, p.id), p.secret_id, e.reads, e.first_at, e.last_at, e.revision,
            e.revision, e.role, e.platform
        FROM keyed AS e
            JOIN secret_values AS p ON p.environment_id = e.place AND p.key = e.key
                AND p.from_revision <= e.revision AND (p.to_revision IS NULL OR p.to_revision > e.revision)
        WHERE p.environment_id = ANY(ARRAY(SELECT DISTINCT place FROM keyed))
        UNION ALL
        SELECT e.person, coalesce(o.origin_value_id, o.id), o.secret_id, e.reads, e.first_at, e.last_at,
            o.from_revision, o.from_revision, e.role, e.platform
        FROM events AS e JOIN secret_values AS o ON o.id = e.value_id
        WHERE o.id = ANY(ARRAY(SELECT value_id FROM events WHERE value_id IS NOT NULL))
    ),
    roots AS MATERIALIZED (SELECT DISTINCT root FROM sightings),
    places AS MATERIALIZED (
        SELECT environment_id FROM (SELECT id AS environment_id FROM environments WHERE vault_id = ANY(%(vaults)s)) AS e
        WHERE """
_PAIRS: Final[LiteralString] = """
    ),
    lines AS MATERIALIZED (
        SELECT root, secret_id, environment_id, max(since) AS newest, bool_or(until = 2147483647) AS live FROM (
            SELECT root, secret_id, place AS environment_id, since, until FROM held
            UNION ALL
            SELECT coalesce(v.origin_value_id, v.id), v.secret_id, v.environment_id, v.from_revision,
                coalesce(v.to_revision, 2147483647)
            FROM secret_values AS v
            WHERE (v.id = ANY(ARRAY(SELECT root FROM roots EXCEPT SELECT id FROM held))
                    OR v.origin_value_id = ANY(ARRAY(SELECT root FROM roots)))
                AND v.environment_id <> ALL(ARRAY(SELECT DISTINCT place FROM whole))
        ) AS every
        WHERE environment_id IN (SELECT environment_id FROM places)
            AND (%(secret)s::uuid IS NULL OR secret_id = %(secret)s)
        GROUP BY 1, 2, 3
    ),
    pairs AS MATERIALIZED (
        SELECT s.person, n.secret_id, n.environment_id, sum(s.reads)::bigint AS reads, min(s.first_at) AS first_at,
            max(s.last_at) AS last_at, bool_or(n.live) AS current, max(n.newest) AS newest,
            min(s.first_revision) FILTER (WHERE s.secret_id = n.secret_id) AS first_revision,
            max(s.last_revision) FILTER (WHERE s.secret_id = n.secret_id) AS last_revision,
            (array_agg(s.role ORDER BY s.last_at DESC))[1] AS role,
            (array_agg(s.platform ORDER BY s.last_at DESC))[1] AS platform
        FROM sightings AS s JOIN lines AS n ON n.root = s.root
        GROUP BY s.person, n.secret_id, n.environment_id
    ),
    names AS (
        SELECT e.person, (array_agg(e.login ORDER BY e.last_at DESC))[1] AS login FROM events AS e GROUP BY 1
    ),
    people AS (
        SELECT n.person, u.id AS user_id, coalesce(u.login, n.login, '') AS login, u.avatar_url
        FROM names AS n LEFT JOIN users AS u ON u.github_user_id = n.person
    )"""
_ROWS: Final[LiteralString] = """
    SELECT b.person, o.user_id, o.login, o.avatar_url, p.secret_id, e.vault_id, e.name AS environment,
        v.owner_login || '/' || v.repo_name AS repository, k.key, p.role, p.platform, p.first_at, p.last_at, p.reads,
        p.first_revision, p.last_revision, t.ticked_at, t.ticked_by, b.users,
        CASE WHEN p.current THEN 'current' WHEN k.to_revision IS NULL THEN 'rotated' ELSE 'deleted' END AS status,
        CASE WHEN NOT p.current AND k.to_revision IS NULL THEN (
            SELECT min(w.created_at) FROM secret_values AS w
            WHERE w.secret_id = p.secret_id AND w.from_revision > p.newest) END AS rotated_at
    FROM (
        SELECT pairs.person, max(last_at) AS last_at, count(*) OVER () AS users
        FROM pairs JOIN people ON people.person = pairs.person
        GROUP BY pairs.person ORDER BY max(last_at) DESC, pairs.person LIMIT %(limit)s OFFSET %(offset)s
    ) AS b JOIN people AS o ON o.person = b.person JOIN pairs AS p ON p.person = b.person
        JOIN environments AS e ON e.id = p.environment_id JOIN vaults AS v ON v.id = e.vault_id
        CROSS JOIN LATERAL (
            SELECT key, to_revision FROM secret_values AS k WHERE k.secret_id = p.secret_id
            ORDER BY from_revision DESC LIMIT 1) AS k
        LEFT JOIN exposure_ticks AS t ON t.user_id = o.user_id AND t.secret_id = p.secret_id
    ORDER BY b.last_at DESC, b.person, repository, environment, k.key"""
# Of one person: sums over everything beside a part of the rows. Only vaults of which the part shows something are
# looked at secret by secret. What could be left to do stands first in its vault, ticked off or not, so that nothing
# moves when it is.
_REPORT: Final[LiteralString] = """,
    whose AS MATERIALIZED (
        SELECT o.* FROM people AS o JOIN pairs AS p ON p.person = o.person
        WHERE lower(o.login) = lower(%(username)s)
        GROUP BY 1, 2, 3, 4 ORDER BY max(p.last_at) DESC, o.person LIMIT 1
    ),
    weighed AS MATERIALIZED (
        SELECT p.*, e.vault_id, e.name AS environment, v.owner_login || '/' || v.repo_name AS repository,
            t.ticked_at, t.ticked_by, p.current AND (t.ticked_at IS NULL OR t.ticked_at < p.last_at) AS must_rotate
        FROM pairs AS p JOIN whose AS o ON o.person = p.person
            JOIN environments AS e ON e.id = p.environment_id JOIN vaults AS v ON v.id = e.vault_id
            LEFT JOIN exposure_ticks AS t ON t.user_id = o.user_id AND t.secret_id = p.secret_id
    ),
    by_vault AS MATERIALIZED (
        SELECT vault_id, count(*) AS vault_secrets, count(*) FILTER (WHERE must_rotate) AS vault_must_rotate,
            min(first_at) AS vault_first_at, max(last_at) AS vault_last_at,
            (sum(count(*)) OVER (ORDER BY repository, vault_id) - count(*))::bigint AS before
        FROM weighed GROUP BY vault_id, repository
    ),
    everything AS (
        SELECT sum(vault_secrets)::bigint AS all_secrets, sum(vault_must_rotate)::bigint AS all_must_rotate,
            count(*) AS all_vaults, min(vault_first_at) AS all_first_at, max(vault_last_at) AS all_last_at
        FROM by_vault
    ),
    shown AS MATERIALIZED (
        SELECT * FROM by_vault
        WHERE before + vault_secrets > %(skip)s AND (%(rows)s::bigint IS NULL OR before < %(skip)s + %(rows)s)
    )
    SELECT p.*, o.user_id, o.login, o.avatar_url, k.key, s.vault_secrets, s.vault_must_rotate, w.*,
        CASE WHEN p.current THEN 'current' WHEN k.to_revision IS NULL THEN 'rotated' ELSE 'deleted' END AS status,
        CASE WHEN NOT p.current AND k.to_revision IS NULL THEN (
            SELECT min(w.created_at) FROM secret_values AS w
            WHERE w.secret_id = p.secret_id AND w.from_revision > p.newest) END AS rotated_at
    FROM weighed AS p JOIN whose AS o ON o.person = p.person JOIN shown AS s ON s.vault_id = p.vault_id
        CROSS JOIN everything AS w
        CROSS JOIN LATERAL (
            SELECT key, to_revision FROM secret_values AS k WHERE k.secret_id = p.secret_id
            ORDER BY from_revision DESC LIMIT 1) AS k
    ORDER BY p.repository, p.vault_id, NOT p.current, p.environment, k.key, p.secret_id
    LIMIT %(rows)s OFFSET %(skip)s - (SELECT coalesce(min(before), 0) FROM shown)"""

# Who had a name, when somebody read by it.
_CALLED: Final[LiteralString] = """
    SELECT DISTINCT github_user_id FROM reported WHERE lower(login) = lower(%(login)s)"""
CALLED: Final[LiteralString] = _RECENT + _CALLED
LIST: Final[LiteralString] = _RECENT + TOTALS
LIST_BETWEEN: Final[LiteralString] = _BETWEEN + TOTALS
ROWS: Final[LiteralString] = _RECENT + _REST + READABLE + _PAIRS + _ROWS
REPORT: Final[LiteralString] = _RECENT + _REST + READABLE + _PAIRS + _REPORT

# The planner knows nothing of the sizes of these steps. It would compare every row of one with every row of the next,
# or sort both by what hardly tells them apart.
HINTS: Final[LiteralString] = """
    SELECT set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true),
        set_config('jit', 'off', true)"""

LOCK_POSITION: Final[LiteralString] = """
    SELECT tx, event_id, (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint AS horizon
    FROM audit_positions WHERE follower = %(follower)s FOR UPDATE SKIP LOCKED"""
ROLL_UP: Final[LiteralString] = """
    WITH batch AS (
        SELECT * FROM reads
        WHERE tx >= %(tx)s AND (tx, id) > (%(tx)s, %(event_id)s) AND tx < %(horizon)s
        ORDER BY tx, id LIMIT %(most)s
    ),
    summed AS (
        INSERT INTO exposure_reads AS x (
            vault_id, github_user_id, environment_id, revision, part, keys, value_id, user_id, login, role, platform,
            first_at, last_at, reads)
        SELECT vault_id, github_user_id, environment_id, coalesce(revision, 0),
            CASE WHEN value_id IS NOT NULL THEN value_id::text WHEN keys IS NULL THEN '' ELSE md5(keys::text) END,
            keys, value_id, (array_agg(actor_user_id ORDER BY at DESC))[1], (array_agg(login ORDER BY at DESC))[1],
            (array_agg(role ORDER BY at DESC))[1], (array_agg(platform ORDER BY at DESC))[1], min(at), max(at), count(*)
        FROM batch GROUP BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT (vault_id, github_user_id, environment_id, revision, part) DO UPDATE SET
            user_id = excluded.user_id, login = excluded.login, role = excluded.role, platform = excluded.platform,
            first_at = least(x.first_at, excluded.first_at), last_at = greatest(x.last_at, excluded.last_at),
            reads = x.reads + excluded.reads
    )
    SELECT count(*) AS taken, (array_agg(tx ORDER BY tx DESC, id DESC))[1] AS tx,
        (array_agg(id ORDER BY tx DESC, id DESC))[1] AS event_id
    FROM batch"""
ADVANCE: Final[LiteralString] = """
    UPDATE audit_positions SET tx = %(tx)s, event_id = %(event_id)s WHERE follower = %(follower)s"""
