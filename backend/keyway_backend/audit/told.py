"""The record of what happened without a person of ours asking: told by an outside service, or due by time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from keyway_backend.audit.events import Action, Subject
from keyway_backend.audit.record import insert
from keyway_backend.db.engine import Connection
from keyway_backend.platform.clock import now
from keyway_backend.platform.ids import new_id

_NOTHING: Final = Subject()


async def record_told(
    connection: Connection,
    action: Action,
    *,
    source: str,
    request_id: str,
    person: tuple[UUID | None, int, str] | None = None,
    subject: Subject = _NOTHING,
    details: Mapping[str, Any],
) -> None:
    """Adds one row to the caller's transaction. `person` is whom it concerns: id, GitHub's number, login."""
    user_id, number, login = person if person is not None else (None, None, None)
    row = {
        "id": new_id(),
        "at": now(),
        "action": action.value,
        "actor_user_id": user_id,
        "actor_github_user_id": number,
        "actor_login": login,
        "platform": "api",
        "source": source,
        "request_id": request_id,
        "vault_id": subject.vault_id,
        "repository": subject.repository,
        "environment_id": subject.environment_id,
        "environment": subject.environment,
        "details": dict(details) or None,
    }
    await insert(connection, [row])
