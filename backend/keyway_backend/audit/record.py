"""Writing the audit row."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg.types.json import Jsonb

from keyway_backend.audit.events import Event
from keyway_backend.db.engine import Connection
from keyway_backend.platform.clock import now
from keyway_backend.platform.ids import new_id

INSERT: Final[LiteralString] = """
    INSERT INTO audit_events (
        id, at, action, actor_user_id, actor_github_user_id, actor_login, credential_kind, credential_id,
        platform, source, ip, user_agent, device_id, request_id,
        vault_id, repository, environment_id, environment, revision, keys, details)
    VALUES (
        %(id)s, %(at)s, %(action)s, %(actor_user_id)s, %(actor_github_user_id)s, %(actor_login)s, %(credential_kind)s,
        %(credential_id)s, %(platform)s, %(source)s, %(ip)s, %(user_agent)s, %(device_id)s, %(request_id)s,
        %(vault_id)s, %(repository)s, %(environment_id)s, %(environment)s, %(revision)s, %(keys)s, %(details)s)
"""


async def record(connection: Connection, event: Event) -> None:
    """Adds one row to the caller's transaction. Fails with it, and makes it fail."""
    await connection.execute(INSERT, row_of(event))


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
        "source": origin.source,
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
        "details": Jsonb(dict(event.details)) if event.details else None,
    }
