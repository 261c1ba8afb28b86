"""Pages of the log. Each list is one statement, with its total, however long the log is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from keyway_backend.access.actor import Actor
from keyway_backend.access.rows import READABLE, Rows, bound_environments, bound_vaults
from keyway_backend.db.engine import Connection, one, rows

_SHOWN: Final[LiteralString] = """
    SELECT a.id, a.at, a.action, a.vault_id, a.repository, a.environment, a.revision, a.keys, a.details, a.platform,
        a.source, a.ip, a.device_id, a.actor_user_id, a.actor_login, u.login, u.avatar_url
    FROM page AS p JOIN audit_events AS a ON a.id = p.id LEFT JOIN users AS u ON u.id = a.actor_user_id
    ORDER BY a.at DESC, a.id DESC"""
_WHICH: Final[LiteralString] = """(%(action)s::text IS NULL OR action = %(action)s)
        AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
        AND (%(source)s::text IS NULL OR source = %(source)s)
        AND (%(platform)s::text IS NULL OR platform = %(platform)s)"""
_OWN: Final[LiteralString] = """
    FROM audit_events
    WHERE actor_user_id = %(user)s
        AND (%(vaults)s::uuid[] IS NULL OR vault_id = ANY(%(vaults)s))
        AND (%(environments)s::uuid[] IS NULL OR environment_id = ANY(%(environments)s))
        AND """
_OF_VAULT: Final[LiteralString] = """
    FROM audit_events
    WHERE vault_id = ANY(%(vaults)s)
        AND (%(person)s::bigint IS NULL OR actor_github_user_id = %(person)s)
        AND (%(environment)s::uuid IS NULL OR environment_id = %(environment)s)
        AND (%(login)s::text IS NULL OR lower(actor_login) = lower(%(login)s) OR actor_user_id IN (
            SELECT id FROM users WHERE lower(users.login) = lower(%(login)s)))
        AND """
_OWN_ASKED: Final[LiteralString] = _OWN + _WHICH
_VAULT: Final[LiteralString] = _OF_VAULT + _WHICH + " AND " + READABLE
_COUNT: Final[LiteralString] = "SELECT count(*) AS total"
_BEGIN: Final[LiteralString] = "WITH page AS MATERIALIZED (SELECT id"
_PAGE: Final[LiteralString] = " ORDER BY at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s)"


@dataclass(frozen=True, slots=True)
class Filters:
    """What of a log is asked for; None is everything."""

    login: str | None = None
    action: str | None = None
    source: str | None = None
    platform: str | None = None
    environment_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """For a statement that contains `_WHICH`."""
        return {
            "action": self.action,
            "source": self.source,
            "platform": self.platform,
            "since": self.since,
            "until": self.until,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """A page."""

    limit: int
    offset: int


async def own(connection: Connection, actor: Actor, filters: Filters, part: Part) -> tuple[list[dict[str, Any]], int]:
    """A page of what the actor did, newest first, and how much that is."""
    values = filters.parameters | {
        "user": actor.user_id,
        "vaults": bound_vaults(actor),
        "environments": bound_environments(actor),
    }
    return await _page(connection, _OWN_ASKED, values, part)


async def of_vault(
    connection: Connection, shown: Rows, filters: Filters, part: Part
) -> tuple[list[dict[str, Any]], int]:
    """A page of what happened in a vault, newest first, and how much that is."""
    values = shown.parameters | filters.parameters
    values |= {"login": filters.login, "environment": filters.environment_id}
    return await _page(connection, _VAULT, values, part)


async def _page(
    connection: Connection, what: LiteralString, values: dict[str, Any], part: Part
) -> tuple[list[dict[str, Any]], int]:
    counted = await one(connection, _COUNT + what, **values)
    found = await rows(connection, _BEGIN + what + _PAGE + _SHOWN, **values, limit=part.limit, offset=part.offset)
    return list(found), counted["total"] if counted is not None else 0
