"""Rows of people, sessions and device logins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from keyway_backend.access.actor import Origin
from keyway_backend.access.sessions import Session
from keyway_backend.db.engine import Connection, one, rows, run
from keyway_backend.features.accounts.rules import DeviceLogin, Status
from keyway_backend.platform.ids import new_id


@dataclass(frozen=True, slots=True)
class User:
    """A person who signed in at least once. The login is the one of that moment."""

    id: UUID
    github_user_id: int
    login: str
    email: str | None
    avatar_url: str | None
    created_at: datetime


async def user(connection: Connection, user_id: UUID) -> User | None:
    """A person by id."""
    row = await one(
        connection,
        "SELECT id, github_user_id, login, email, avatar_url, created_at FROM users WHERE id = %(id)s",
        id=user_id,
    )
    return User(**row) if row else None


async def upsert_user(connection: Connection, person: dict[str, Any], moment: datetime) -> tuple[User, bool]:
    """The person's row with fresh labels, and whether it is new. `person`: github_user_id, login, email, avatar_url."""
    row = await one(
        connection,
        """INSERT INTO users (id, github_user_id, login, email, avatar_url, created_at, updated_at)
           VALUES (%(id)s, %(github_user_id)s, %(login)s, %(email)s, %(avatar_url)s, %(now)s, %(now)s)
           ON CONFLICT (github_user_id) DO UPDATE SET login = excluded.login,
               email = coalesce(excluded.email, users.email), avatar_url = excluded.avatar_url,
               updated_at = excluded.updated_at
           RETURNING id, github_user_id, login, email, avatar_url, created_at, created_at = %(now)s AS fresh""",
        id=new_id(),
        now=moment,
        **person,
    )
    assert row is not None  # noqa: S101 - an upsert returns its row
    fresh = row.pop("fresh")
    return User(**row), fresh


async def save_tokens(connection: Connection, user_id: UUID, tokens: dict[str, Any]) -> None:
    """Keeps a person's GitHub tokens: access_sealed, access_expires_at, refresh_sealed, refresh_expires_at."""
    await run(
        connection,
        """INSERT INTO github_tokens
               (user_id, access_sealed, access_expires_at, refresh_sealed, refresh_expires_at, updated_at)
           VALUES (%(user_id)s, %(access_sealed)s, %(access_expires_at)s,
                   %(refresh_sealed)s, %(refresh_expires_at)s, now())
           ON CONFLICT (user_id) DO UPDATE SET access_sealed = excluded.access_sealed,
               access_expires_at = excluded.access_expires_at, refresh_sealed = excluded.refresh_sealed,
               refresh_expires_at = excluded.refresh_expires_at, updated_at = now()""",
        user_id=user_id,
        **tokens,
    )


async def insert_device_login(connection: Connection, row: dict[str, Any]) -> None:
    """A sign-in that begins."""
    await run(
        connection,
        """INSERT INTO device_logins (id, code_hash, github_code_sealed, interval_seconds, next_poll_at, created_at,
                                      expires_at, status, user_agent, ip)
           VALUES (%(id)s, %(code_hash)s, %(sealed)s, %(interval)s, %(next_poll_at)s, %(now)s,
                   %(expires_at)s, 'pending', %(user_agent)s, %(ip)s)""",
        **row,
    )


async def claim(connection: Connection, code_hash: bytes, moment: datetime) -> DictRow | None:
    """Takes the right to ask GitHub now, one per interval + 1 s over all replicas; None when it is taken.

    The row: id, status, interval_seconds, github_code_sealed.
    """
    return await one(
        connection,
        """UPDATE device_logins SET next_poll_at = %(now)s + make_interval(secs => interval_seconds + 1)
           WHERE code_hash = %(hash)s AND status IN ('pending', 'received')
             AND next_poll_at <= %(now)s AND expires_at > %(now)s
           RETURNING id, status, interval_seconds, github_code_sealed""",
        hash=code_hash,
        now=moment,
    )


async def device_login(connection: Connection, code_hash: bytes) -> DeviceLogin | None:
    """A sign-in by the hash of its code."""
    row = await one(
        connection,
        """SELECT id, status, expires_at, interval_seconds, approved_at, session_id
           FROM device_logins WHERE code_hash = %(hash)s""",
        hash=code_hash,
    )
    return DeviceLogin(**row | {"status": Status(row["status"])}) if row else None


async def slow_down(connection: Connection, login_id: UUID, seconds: int) -> None:
    """GitHub was asked too often: the interval grows, and the next question waits that much longer."""
    await run(
        connection,
        """UPDATE device_logins SET interval_seconds = interval_seconds + %(seconds)s,
               next_poll_at = next_poll_at + make_interval(secs => %(seconds)s) WHERE id = %(id)s""",
        id=login_id,
        seconds=seconds,
    )


async def end_device_login(connection: Connection, login_id: UUID, status: Status) -> None:
    """Refused or too old; what was kept of GitHub's code goes."""
    await run(
        connection,
        """UPDATE device_logins SET status = %(status)s, github_code_sealed = NULL
           WHERE id = %(id)s AND status IN ('pending', 'received')""",
        id=login_id,
        status=status.value,
    )


async def keep_received(connection: Connection, login_id: UUID, sealed: bytes) -> None:
    """GitHub gives its tokens once: they are kept before anything else can fail."""
    await run(
        connection,
        "UPDATE device_logins SET status = 'received', github_code_sealed = %(sealed)s WHERE id = %(id)s",
        id=login_id,
        sealed=sealed,
    )


async def forget_old(connection: Connection, moment: datetime) -> None:
    """Removes sign-ins of devices that are over for a day, and GitHub's tokens of people who are signed in nowhere."""
    await run(connection, "DELETE FROM device_logins WHERE expires_at < %(now)s - interval '1 day'", now=moment)
    await run(
        connection,
        """DELETE FROM github_tokens AS t WHERE updated_at < %(now)s - interval '1 day' AND NOT EXISTS (
               SELECT FROM sessions AS s
               WHERE s.user_id = t.user_id AND s.revoked_at IS NULL AND s.expires_at > %(now)s)""",
        now=moment,
    )


async def begin_approval(connection: Connection, login_id: UUID, moment: datetime) -> bool:
    """Takes the right to end a sign-in with a session. False when another request was first; who waits, waits here."""
    return (
        await run(
            connection,
            """UPDATE device_logins SET status = 'approved', approved_at = %(now)s, github_code_sealed = NULL
               WHERE id = %(id)s AND status IN ('pending', 'received')""",
            id=login_id,
            now=moment,
        )
        == 1
    )


async def approve(connection: Connection, login_id: UUID, session_id: UUID) -> None:
    """Names the session that a sign-in ended with."""
    await run(
        connection,
        "UPDATE device_logins SET session_id = %(session)s WHERE id = %(id)s",
        id=login_id,
        session=session_id,
    )


async def insert_session(
    connection: Connection, session: Session, kind: str, lifetime: tuple[datetime, datetime], origin: Origin
) -> None:
    """A session. `lifetime`: its beginning and its end."""
    await run(
        connection,
        """INSERT INTO sessions (id, user_id, kind, user_agent, ip, created_at, expires_at)
           VALUES (%(id)s, %(user)s, %(kind)s, %(user_agent)s, %(ip)s, %(created)s, %(expires)s)""",
        id=session.id,
        user=session.user_id,
        kind=kind,
        user_agent=origin.user_agent,
        ip=origin.ip,
        created=lifetime[0],
        expires=lifetime[1],
    )


async def open_session(connection: Connection, session_id: UUID) -> tuple[Session, datetime] | None:
    """A session that was not revoked, with the person's present login, and its end."""
    row = await one(
        connection,
        """SELECT s.id, s.user_id, u.github_user_id, u.login, s.expires_at
           FROM sessions s JOIN users u ON u.id = s.user_id
           WHERE s.id = %(id)s AND s.revoked_at IS NULL AND s.expires_at > now()""",
        id=session_id,
    )
    if row is None:
        return None
    expires_at: datetime = row.pop("expires_at")
    return Session(**row), expires_at


# A session of a dashboard ends when nobody uses it.
_LIVE: Final[LiteralString] = """
    user_id = %(user)s AND revoked_at IS NULL AND expires_at > %(now)s AND (kind <> 'dashboard'
        OR coalesce(last_used_at, created_at) > %(now)s - interval '8 hours')"""


_COLUMNS: Final[LiteralString] = """
    SELECT id, kind, user_agent, ip, created_at, last_used_at, expires_at FROM sessions WHERE"""
_COUNT: Final[LiteralString] = "SELECT count(*) AS total FROM sessions WHERE"
_END: Final[LiteralString] = "UPDATE sessions SET revoked_at = %(now)s WHERE"
_WINDOW: Final[LiteralString] = " ORDER BY created_at DESC, id LIMIT %(limit)s OFFSET %(offset)s"
_CHOSEN: Final[LiteralString] = """
    AND (%(only)s::uuid IS NULL OR id = %(only)s) AND id IS DISTINCT FROM %(but)s::uuid RETURNING id"""
_PAGE: Final[LiteralString] = _COLUMNS + _LIVE + _WINDOW
_TOTAL: Final[LiteralString] = _COUNT + _LIVE
_REVOKE: Final[LiteralString] = _END + _LIVE + _CHOSEN


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A session as its owner sees it."""

    id: UUID
    kind: str
    user_agent: str | None
    ip: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime


async def sessions_of(
    connection: Connection, user_id: UUID, limit: int, offset: int, moment: datetime
) -> tuple[list[OwnSession], int]:
    """A page of a person's live sessions, newest first, and how many there are."""
    found = await rows(connection, _PAGE, user=user_id, now=moment, limit=limit, offset=offset)
    total = await one(connection, _TOTAL, user=user_id, now=moment)
    return [OwnSession(**row) for row in found], total["total"] if total else 0


async def revoke_sessions(
    connection: Connection, user_id: UUID, *, only: UUID | None = None, but: UUID | None = None, moment: datetime
) -> list[UUID]:
    """Ends live sessions of a person: one, or all but one. With the last session their GitHub tokens go."""
    ended = await rows(connection, _REVOKE, user=user_id, only=only, but=but, now=moment)
    await run(
        connection,
        """DELETE FROM github_tokens WHERE user_id = %(user)s AND NOT EXISTS (
               SELECT FROM sessions WHERE user_id = %(user)s AND revoked_at IS NULL AND expires_at > %(now)s)""",
        user=user_id,
        now=moment,
    )
    return [row["id"] for row in ended]


async def vaults_of(connection: Connection, github_user_id: int) -> dict[str, int]:
    """How many vaults a person made that are there, of public and of private repositories."""
    row = await one(
        connection,
        """SELECT count(*) FILTER (WHERE NOT private) AS public, count(*) FILTER (WHERE private) AS private
           FROM vaults WHERE created_by_github_user_id = %(person)s AND deleted_at IS NULL""",
        person=github_user_id,
    )
    return dict(row or {})
