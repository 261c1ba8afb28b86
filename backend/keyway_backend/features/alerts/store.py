"""The statements of the security pages. Each list is one statement, however many vaults and rows there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from keyway_backend.access.actor import Actor
from keyway_backend.access.rows import READABLE, Rows, bound_environments, bound_vaults
from keyway_backend.db.engine import Connection, one, rows

_ALERT: Final[LiteralString] = """
    SELECT a.id, a.type, a.message, a.created_at, a.ip, a.country, a.city, a.device_id,
        coalesce(v.owner_login || '/' || v.repo_name, a.repository) AS repository
    FROM alerts AS a LEFT JOIN vaults AS v ON v.id = a.vault_id"""
_PAGE: Final[LiteralString] = " ORDER BY a.created_at DESC, a.id DESC LIMIT %(limit)s OFFSET %(offset)s"
_OWN: Final[LiteralString] = """
    WHERE a.user_id = %(user)s
        AND (%(vaults)s::uuid[] IS NULL OR a.vault_id = ANY(%(vaults)s))
        AND (%(environments)s::uuid[] IS NULL OR a.environment_id = ANY(%(environments)s))"""
_OF_VAULT: Final[LiteralString] = """
    WHERE a.vault_id = ANY(%(vaults)s) AND (%(everybody)s OR a.user_id = %(user)s) AND """
_ALERTS_OWN: Final[LiteralString] = _ALERT + _OWN + _PAGE
_ALERTS_OF_VAULT: Final[LiteralString] = _ALERT + _OF_VAULT + READABLE + _PAGE

_LOG_FROM: Final[LiteralString] = """
    FROM audit_events
    WHERE action IN ('secrets_pulled', 'secret_value_accessed', 'secret_version_value_accessed')
        AND """
# The moment at which the page begins is found in the index alone, and the page from there on: no row before it is read,
# and of no vault's log more than the page needs.
_LOG_TOP: Final[LiteralString] = """
    WITH top AS MATERIALIZED (
        SELECT p.at FROM unnest(%(vaults)s::uuid[]) AS w (vault_id) CROSS JOIN LATERAL (
            SELECT at"""
_LOG_BEGIN: Final[LiteralString] = """
            AND audit_events.vault_id = w.vault_id
            ORDER BY at DESC LIMIT %(offset)s + 1
        ) AS p
    ),
    first AS MATERIALIZED (SELECT at FROM top ORDER BY at DESC LIMIT 1 OFFSET %(offset)s),
    skip AS MATERIALIZED (
        SELECT %(offset)s - count(*) AS more FROM top JOIN first ON top.at > first.at
    ),
    page AS MATERIALIZED (
        SELECT p.id, p.at FROM unnest(%(vaults)s::uuid[]) AS w (vault_id) CROSS JOIN LATERAL (
            SELECT id, at"""
_LOG_END: Final[LiteralString] = """
            AND audit_events.vault_id = w.vault_id AND at <= (SELECT first.at FROM first)
            ORDER BY at DESC, id DESC LIMIT %(limit)s + (SELECT more FROM skip)
        ) AS p
        ORDER BY p.at DESC, p.id DESC LIMIT %(limit)s OFFSET (SELECT more FROM skip)
    )
    SELECT a.id, a.at, a.action, a.ip, a.device_id, a.source, a.platform, a.environment, a.keys,
        coalesce(u.login, a.actor_login) AS login, u.avatar_url,
        coalesce(v.owner_login || '/' || v.repo_name, a.repository) AS repository, i.country, i.city,
        EXISTS (SELECT FROM alerts AS x WHERE x.event_id = a.id) AS has_alert
    FROM page JOIN audit_events AS a ON a.id = page.id
        LEFT JOIN users AS u ON u.id = a.actor_user_id
        LEFT JOIN vaults AS v ON v.id = a.vault_id
        LEFT JOIN ip_locations AS i ON i.ip = a.ip
    ORDER BY a.at DESC, a.id DESC"""
_LOG_READS: Final[LiteralString] = _LOG_FROM + READABLE
_LOG: Final[LiteralString] = _LOG_TOP + _LOG_READS + _LOG_BEGIN + _LOG_READS + _LOG_END
_LOG_COUNT: Final[LiteralString] = "SELECT count(*) AS total" + _LOG_READS + " AND vault_id = ANY(%(vaults)s)"

_ALERT_COUNTS: Final[LiteralString] = """
    SELECT count(*) AS total, count(*) FILTER (WHERE type IN ('new_device', 'new_location')) AS warning,
        count(*) FILTER (WHERE type NOT IN ('new_device', 'new_location')) AS critical,
        count(*) FILTER (WHERE created_at > now() - interval '7 days') AS week,
        count(*) FILTER (WHERE created_at > now() - interval '30 days') AS month
    FROM alerts WHERE vault_id = ANY(%(vaults)s)"""
# Counted from the index alone; each figure is a different sum of the same groups.
_PULLS: Final[LiteralString] = """
    WITH groups AS MATERIALIZED (
        SELECT vault_id, actor_github_user_id AS person, count(*) AS pulls,
            count(*) FILTER (WHERE at > now() - interval '7 days') AS week
        FROM audit_events WHERE vault_id = ANY(%(vaults)s) AND action = 'secrets_pulled' GROUP BY 1, 2
    ),
    recent AS MATERIALIZED (
        SELECT (at AT TIME ZONE 'UTC')::date AS day, source, count(*) AS pulls
        FROM audit_events
        WHERE vault_id = ANY(%(vaults)s) AND action = 'secrets_pulled'
            AND at >= date_trunc('day', now(), 'UTC') - interval '29 days'
        GROUP BY 1, 2
    )
    SELECT (SELECT count(DISTINCT person) FROM groups) AS people,
        (SELECT coalesce(sum(pulls), 0)::bigint FROM groups) AS pulls,
        (SELECT coalesce(sum(week), 0)::bigint FROM groups) AS week,
        ARRAY(SELECT jsonb_build_object('repoFullName', v.owner_login || '/' || v.repo_name, 'pullCount', g.pulls)
            FROM (SELECT vault_id, sum(pulls)::bigint AS pulls FROM groups GROUP BY 1) AS g
                JOIN vaults AS v ON v.id = g.vault_id
            ORDER BY g.pulls DESC, g.vault_id LIMIT 5) AS vaults,
        ARRAY(SELECT jsonb_build_object('username', coalesce(u.login, 'github-actions'), 'avatarUrl', u.avatar_url,
                'pullCount', g.pulls)
            FROM (SELECT person, sum(pulls)::bigint AS pulls FROM groups GROUP BY 1) AS g
                LEFT JOIN users AS u ON u.github_user_id = g.person
            ORDER BY g.pulls DESC, g.person LIMIT 5) AS top_people,
        ARRAY(SELECT jsonb_build_object('day', day, 'pullCount', sum(pulls)::bigint)
            FROM recent GROUP BY day ORDER BY day) AS days,
        ARRAY(SELECT jsonb_build_object('source', source, 'pullCount', sum(pulls)::bigint)
            FROM recent GROUP BY source ORDER BY sum(pulls) DESC, source) AS sources"""


@dataclass(frozen=True, slots=True)
class Part:
    """A page."""

    limit: int
    offset: int = 0


async def own_alerts(connection: Connection, actor: Actor, part: Part) -> list[DictRow]:
    """Alerts of the actor's reads, newest first."""
    return await rows(
        connection,
        _ALERTS_OWN,
        user=actor.user_id,
        vaults=bound_vaults(actor),
        environments=bound_environments(actor),
        limit=part.limit,
        offset=part.offset,
    )


async def alerts_of(connection: Connection, shown: Rows, part: Part) -> list[DictRow]:
    """Alerts of a vault, newest first."""
    values = shown.parameters | {"user": shown.actor.user_id, "limit": part.limit, "offset": part.offset}
    return await rows(connection, _ALERTS_OF_VAULT, **values)


async def log(connection: Connection, shown: Rows, part: Part) -> tuple[list[DictRow], int]:
    """A page of who read what, newest first, and how much that is."""
    counted = await one(connection, _LOG_COUNT, **shown.parameters)
    found = await rows(connection, _LOG, **shown.parameters, limit=part.limit, offset=part.offset)
    return found, counted["total"] if counted is not None else 0


async def counts(connection: Connection, vaults: list[UUID]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Alerts and pulls of vaults, in numbers."""
    alerts = await one(connection, _ALERT_COUNTS, vaults=vaults)
    pulls = await one(connection, _PULLS, vaults=vaults)
    return alerts or {}, pulls or {}
