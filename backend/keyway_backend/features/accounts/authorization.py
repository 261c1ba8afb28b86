"""What a person's authorization of the App stands for: ended on GitHub, it ends here."""

from __future__ import annotations

from typing import Final, LiteralString

from keyway_backend import audit
from keyway_backend.access.actor import Actor, CredentialKind, Origin
from keyway_backend.db.engine import Connection, one, rows, run
from keyway_backend.features.accounts.store import User

_KNOWN: Final[LiteralString] = """
    SELECT id, github_user_id, login, email, avatar_url, created_at FROM users
    WHERE github_user_id = %(github_user_id)s"""
_END: Final[LiteralString] = """
    UPDATE sessions SET revoked_at = now()
    WHERE user_id = %(user)s AND revoked_at IS NULL AND expires_at > now() RETURNING id"""
_DROP: Final[LiteralString] = "DELETE FROM github_tokens WHERE user_id = %(user)s"


async def known(connection: Connection, github_user_id: int | None) -> User | None:
    """A person by number, if ever seen."""
    row = await one(connection, _KNOWN, github_user_id=github_user_id)
    return User(**row) if row is not None else None


async def end(connection: Connection, github_user_id: int, origin: Origin) -> None:
    """Ends every session of a person and drops the tokens, each ending recorded, in the caller's transaction."""
    user = await known(connection, github_user_id)
    if user is None:
        return
    for row in await rows(connection, _END, user=user.id):
        actor = Actor(user.id, user.github_user_id, user.login, CredentialKind.SESSION, row["id"])
        details = {"reason": "github_authorization_revoked"}
        await audit.record(connection, audit.Event(audit.Action.SESSION_REVOKED, actor, origin, details=details))
    await run(connection, _DROP, user=user.id)
