"""From GitHub's tokens to a person with a session. Every way of signing in ends here.

Identity is all that is decided: what a person may do is asked of GitHub for each request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from keyway_core.limits import CLI_SESSION_DAYS, DASHBOARD_SESSION_HOURS
from keyway_core.sensitive import Sensitive

from keyway_backend import audit, notify
from keyway_backend.access.actor import Actor, CredentialKind, Origin
from keyway_backend.access.sessions import Session
from keyway_backend.clients.github import (
    DeviceDenied,
    GitHub,
    GitHubUnknown,
    PermissionMissing,
    Person,
    TokenRejected,
    UserTokens,
)
from keyway_backend.db.engine import Connection
from keyway_backend.features.accounts import store
from keyway_backend.features.accounts.store import User as User  # noqa: PLC0414 - for who signs people in
from keyway_backend.platform.clock import now
from keyway_backend.vault_crypto import VaultCrypto

_PURPOSE: Final = "github-token"


class SessionKind(StrEnum):
    """Who holds a session. Lifetimes: policy.yaml `credentials.session.lifetime`."""

    CLI = "cli"
    DASHBOARD = "dashboard"


LIFETIMES: Final = {
    SessionKind.CLI: timedelta(days=CLI_SESSION_DAYS),
    SessionKind.DASHBOARD: timedelta(hours=DASHBOARD_SESSION_HOURS),
}


@dataclass(frozen=True, slots=True)
class Identified:
    """A person whom GitHub knows, with the tokens that it gave us for them, sealed."""

    github_user_id: int
    labels: dict[str, Any]
    sealed: dict[str, Any]


class People:
    """Makes persons of GitHub's tokens, and sessions of persons."""

    def __init__(self, github: GitHub, crypto: VaultCrypto) -> None:
        self._github = github
        self._crypto = crypto

    async def identify(self, fields: dict[str, Any]) -> Identified:
        """Whose tokens these are (`fields_of`). No connection may be held meanwhile.

        Raises DeviceDenied for a token that was not issued to our App, GitHubUnknown, TokenRejected.
        """
        access = Sensitive(fields["access"])
        if not await self._github.issued_to_us(access):
            raise DeviceDenied
        person = await self._github.person(access)
        labels = {"github_user_id": person.id, "login": person.login, "avatar_url": person.avatar_url}
        labels["email"] = person.email or await self._email(access)
        return Identified(person.id, labels, await self._seal(person, fields))

    async def admit(self, connection: Connection, found: Identified, moment: datetime) -> tuple[User, bool]:
        """The person's row with fresh labels and tokens, and whether it is new."""
        user, fresh = await store.upsert_user(connection, found.labels, moment)
        await store.save_tokens(connection, user.id, found.sealed)
        if fresh:
            await notify.send(connection, "welcome", user.id)
        return user, fresh

    async def begin(
        self, connection: Connection, user: User, kind: SessionKind, origin: Origin, session_id: UUID
    ) -> tuple[Session, datetime]:
        """A session that begins now, and its end. It has the id of the sign-in that it comes from."""
        moment = now()
        session, end = Session(session_id, user.id, user.github_user_id, user.login), moment + LIFETIMES[kind]
        await store.insert_session(connection, session, kind.value, (moment, end), origin)
        return session, end

    async def _email(self, access: Sensitive) -> str | None:
        """Mail is a courtesy: without the permission, or without an answer, sign-in goes on."""
        try:
            return await self._github.email(access)
        except (PermissionMissing, GitHubUnknown, TokenRejected):
            return None

    async def _seal(self, person: Person, fields: dict[str, Any]) -> dict[str, Any]:
        place, refresh = UUID(int=person.id), fields["refresh"]
        access = await self._crypto.seal_text(_PURPOSE, "access", place, Sensitive(fields["access"]))
        sealed = await self._crypto.seal_text(_PURPOSE, "refresh", place, Sensitive(refresh)) if refresh else None
        return {
            "access_sealed": access,
            "access_expires_at": _moment(fields["access_expires_at"]),
            "refresh_sealed": sealed,
            "refresh_expires_at": _moment(fields["refresh_expires_at"]),
        }


async def record_login(
    connection: Connection, user: User, session_id: UUID, origin: Origin, details: dict[str, Any]
) -> None:
    """The audit row of a sign-in."""
    actor = actor_of(user, session_id)
    await audit.record(connection, audit.Event(audit.Action.USER_LOGIN, actor, origin, details=details))


async def person_of(connection: Connection, user_id: UUID) -> User | None:
    """A person who signed in before."""
    return await store.user(connection, user_id)


def actor_of(user: User, session_id: UUID) -> Actor:
    """A person with a session."""
    return Actor(user.id, user.github_user_id, user.login, CredentialKind.SESSION, session_id)


def fields_of(tokens: UserTokens, moment: datetime) -> dict[str, Any]:
    """GitHub's tokens as they are kept until a sign-in is through."""
    return {
        "access": tokens.access.reveal(),
        "access_expires_at": _after(moment, tokens.access_seconds),
        "refresh": tokens.refresh.reveal() if tokens.refresh else None,
        "refresh_expires_at": _after(moment, tokens.refresh_seconds),
    }


def _after(moment: datetime, seconds: int | None) -> str | None:
    return None if seconds is None else (moment + timedelta(seconds=seconds)).isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
