"""Rows of web sign-ins: one each, from the state that leaves with the browser to the ticket that ends it.

`status`: started, then taken when the browser came back; then `consent` or `code` while a ticket of that kind is out;
done in the end. Each step is one UPDATE that names the step before, so that none happens twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from keyway_backend.db.engine import Connection, one, run


@dataclass(frozen=True, slots=True)
class WebSignIn:
    """A sign-in that was under way. `user_id` and `fresh` are there once the person is known."""

    id: UUID
    target: str
    challenge: str | None
    install: bool
    user_id: UUID | None
    fresh: bool | None


async def start(connection: Connection, row: dict[str, Any]) -> None:
    """A sign-in that begins: id, state_hash, browser_hash, target, challenge, install, now, expires_at."""
    await run(
        connection,
        """INSERT INTO web_sign_ins
               (id, status, state_hash, browser_hash, target, challenge, install, created_at, expires_at)
           VALUES (%(id)s, 'started', %(state_hash)s, %(browser_hash)s, %(target)s, %(challenge)s, %(install)s,
                   %(now)s, %(expires_at)s)""",
        **row,
    )


async def take(connection: Connection, state: bytes, browser: bytes, moment: datetime) -> WebSignIn | None:
    """The sign-in of a state, once, for the browser that began it."""
    row = await one(
        connection,
        """UPDATE web_sign_ins SET status = 'taken'
           WHERE state_hash = %(state)s AND browser_hash = %(browser)s AND status = 'started' AND expires_at > %(now)s
           RETURNING id, target, challenge, install, user_id, fresh""",
        state=state,
        browser=browser,
        now=moment,
    )
    return WebSignIn(**row) if row else None


async def hand_out(connection: Connection, sign_in: UUID, ticket: dict[str, Any]) -> None:
    """A ticket is out: status (consent or code), ticket_hash, user_id, fresh, expires_at."""
    await run(
        connection,
        """UPDATE web_sign_ins SET status = %(status)s, ticket_hash = %(ticket_hash)s, user_id = %(user_id)s,
               fresh = %(fresh)s, expires_at = %(expires_at)s WHERE id = %(id)s AND status = 'taken'""",
        id=sign_in,
        **ticket,
    )


async def redeem_consent(connection: Connection, ticket: bytes, browser: bytes, moment: datetime) -> WebSignIn | None:
    """The sign-in that a person agreed to, once, in the browser that began it."""
    row = await one(
        connection,
        """UPDATE web_sign_ins SET status = 'done'
           WHERE ticket_hash = %(ticket)s AND browser_hash = %(browser)s AND status = 'consent' AND expires_at > %(now)s
           RETURNING id, target, challenge, install, user_id, fresh""",
        ticket=ticket,
        browser=browser,
        now=moment,
    )
    return WebSignIn(**row) if row else None


async def redeem_code(connection: Connection, ticket: bytes, moment: datetime) -> WebSignIn | None:
    """The sign-in of a one-time code, once."""
    row = await one(
        connection,
        """UPDATE web_sign_ins SET status = 'done'
           WHERE ticket_hash = %(ticket)s AND status = 'code' AND expires_at > %(now)s
           RETURNING id, target, challenge, install, user_id, fresh""",
        ticket=ticket,
        now=moment,
    )
    return WebSignIn(**row) if row else None


async def forget(connection: Connection, moment: datetime) -> int:
    """Removes what is over; how many these were."""
    return await run(connection, "DELETE FROM web_sign_ins WHERE expires_at < %(now)s", now=moment)
