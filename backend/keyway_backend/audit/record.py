"""Writing audit rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, LiteralString

import orjson

from keyway_backend.access.actor import source_of
from keyway_backend.audit import heard
from keyway_backend.audit.events import Event
from keyway_backend.db.engine import Connection, run
from keyway_backend.platform.clock import now
from keyway_backend.platform.ids import new_id

Row = Mapping[str, Any]

# Rows travel as one JSON parameter: the statement is the same for one row and for hundreds.
_INSERT: Final[LiteralString] = """
    INSERT INTO audit_events (
        id, at, action, actor_user_id, actor_github_user_id, actor_login, credential_kind, credential_id,
        platform, source, ip, user_agent, device_id, request_id,
        vault_id, repository, environment_id, environment, revision, keys, details)
    SELECT id, at, action, actor_user_id, actor_github_user_id, actor_login, credential_kind, credential_id,
        platform, source, ip, user_agent, device_id, request_id,
        vault_id, repository, environment_id, environment, revision, keys, details
    FROM json_to_recordset(%(rows)s::json) AS e (
        id uuid, at timestamptz, action text, actor_user_id uuid, actor_github_user_id bigint, actor_login text,
        credential_kind text, credential_id uuid, platform text, source text, ip text, user_agent text,
        device_id text, request_id text, vault_id uuid, repository text, environment_id uuid, environment text,
        revision integer, keys text[], details jsonb)
"""
_UNLESS_RECENT: Final[LiteralString] = """
    WHERE NOT EXISTS (
        SELECT FROM audit_events AS a
        WHERE a.action = e.action AND a.credential_id = e.credential_id AND a.environment_id = e.environment_id
            AND a.revision = e.revision AND a.details IS NOT DISTINCT FROM e.details AND a.at > %(since)s)
"""


async def record(connection: Connection, event: Event) -> None:
    """Adds one row to the caller's transaction. Fails with it, and makes it fail."""
    await insert(connection, [row_of(event)])


async def record_all(connection: Connection, events: Sequence[Event]) -> None:
    """Adds a row for each of them to the caller's transaction, in one statement."""
    if events:
        await insert(connection, [row_of(event) for event in events])


async def record_once(connection: Connection, event: Event, *, seconds: int) -> None:
    """Adds the row unless one of this action, credential, environment, revision and details is that recent."""
    row = row_of(event)
    since = row["at"] - timedelta(seconds=seconds)
    if await run(connection, _INSERT + _UNLESS_RECENT, rows=_json([row]), since=since):
        heard.tell([row])


async def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Adds rows of `row_of`, in one statement."""
    await run(connection, _INSERT, rows=_json(rows))
    heard.tell(rows)


def row_of(event: Event) -> dict[str, Any]:
    """The columns of an event, stamped with its id and the present moment."""
    actor, origin, subject = event.actor, event.origin, event.subject
    return {
        "id": new_id(),
        "at": now(),
        "action": event.action.value,
        "actor_user_id": actor.user_id,
        "actor_github_user_id": actor.github_user_id,
        "actor_login": actor.login,
        "credential_kind": actor.credential_kind.value,
        "credential_id": actor.credential_id,
        "platform": origin.platform,
        "source": source_of(actor, origin),
        "ip": origin.ip,
        "user_agent": origin.user_agent,
        "device_id": origin.device_id,
        "request_id": origin.request_id,
        "vault_id": subject.vault_id,
        "repository": subject.repository,
        "environment_id": subject.environment_id,
        "environment": subject.environment,
        "revision": subject.revision,
        "keys": list(event.keys) if event.keys is not None else None,
        "details": (dict(event.details) | ({"githubGrace": True} if origin.in_grace else {})) or None,
    }


def _json(rows: Sequence[Row]) -> str:
    return orjson.dumps(rows).decode()
