"""What is the caller's own: who one is, what one uses, the sessions that one has, and their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from keyway_backend import audit
from keyway_backend.access import ci_tokens
from keyway_backend.access.actor import Actor, Origin
from keyway_backend.access.credentials import CiToken, Credential
from keyway_backend.access.grants import PersonGrant
from keyway_backend.access.macs import Macs
from keyway_backend.access.sessions import Session
from keyway_backend.db.engine import Database
from keyway_backend.features.accounts import store
from keyway_backend.features.accounts.hooks import Connections, NoConnections, PersonPlan, Plans, Unlimited
from keyway_backend.features.accounts.people import actor_of
from keyway_backend.features.accounts.store import OwnSession as OwnSession  # noqa: PLC0414 - what `sessions` gives
from keyway_backend.features.accounts.store import User
from keyway_backend.platform.clock import now
from keyway_backend.platform.errors import NotFound, Unauthorized


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a credential stands for. A workflow is nobody: no user, no plan of its own."""

    user: User | None
    login: str
    plan: str


class OwnAccount:
    """The caller's own things."""

    def __init__(
        self,
        database: Database,
        macs: Macs,
        *,
        plans: Plans | None = None,
        connections: Connections | None = None,
    ) -> None:
        self._database = database
        self._macs = macs
        self._plans = plans or Unlimited()
        self._connections = connections or NoConnections()

    async def who(self, actor: Actor) -> Who:
        """Whom a credential stands for. Raises Unauthorized for a person who is gone."""
        if actor.user_id is None:
            return Who(None, actor.login, "free")
        async with self._database.read() as connection:
            user = await store.user(connection, actor.user_id)
        if user is None:
            raise Unauthorized("Invalid or expired token")
        return Who(user, user.login, (await self._plans.of_person(user.id)).name)

    async def usage(self, grant: PersonGrant) -> dict[str, Any]:
        """The plan, what it allows, and what is used of it."""
        plan = await self._plans.of_person(_person(grant.actor))
        async with self._database.read() as connection:
            used = await store.vaults_of(connection, grant.actor.github_user_id)
        used["providers"] = await self._connections.count(_person(grant.actor))
        return {"plan": plan.name, "limits": _limits(plan), "usage": used}

    async def sessions(self, grant: PersonGrant, *, limit: int, offset: int) -> tuple[list[OwnSession], int]:
        """The sessions that live, newest first, and how many there are."""
        async with self._database.read() as connection:
            return await store.sessions_of(connection, _person(grant.actor), limit, offset, now())

    async def revoke(self, grant: PersonGrant, session_id: UUID | None) -> None:
        """Ends one of the caller's sessions. Raises NotFound for one that is foreign, over, or never was."""
        if session_id is None:
            raise NotFound("Session not found")
        async with self._database.transaction() as connection:
            ended = await store.revoke_sessions(connection, _person(grant.actor), only=session_id, moment=now())
            if not ended:
                raise NotFound("Session not found")
            await audit.record_all(connection, _revocations(grant, ended))

    async def revoke_others(self, grant: PersonGrant) -> int:
        """Ends every session of the caller but the one that asks; how many these were."""
        kept = grant.actor.credential_id
        async with self._database.transaction() as connection:
            ended = await store.revoke_sessions(connection, _person(grant.actor), but=kept, moment=now())
            await audit.record_all(connection, _revocations(grant, ended))
        return len(ended)

    async def log_out(self, origin: Origin, credential: Credential | None) -> None:
        """Ends the session or the token of a workflow that was sent along, without a word when it is over already.

        An API key stays: it is no sign-in.
        """
        match credential:
            case Session():
                await self._end_session(origin, credential)
            case CiToken():
                await self._end_token(origin, credential)

    async def _end_token(self, origin: Origin, sent: CiToken) -> None:
        async with self._database.transaction() as connection:
            actor = await ci_tokens.find(connection, self._macs, sent.token)
            if actor is not None and await ci_tokens.revoke(connection, actor.credential_id):
                await audit.record(connection, audit.Event(audit.Action.USER_LOGOUT, actor, origin))

    async def _end_session(self, origin: Origin, session: Session) -> None:
        async with self._database.transaction() as connection:
            user = await store.user(connection, session.user_id)
            if user is None:
                return
            if await store.revoke_sessions(connection, session.user_id, only=session.id, moment=now()):
                actor = actor_of(user, session.id)
                await audit.record(connection, audit.Event(audit.Action.USER_LOGOUT, actor, origin))


def _person(actor: Actor) -> UUID:
    """The person behind a session, which always has one."""
    if actor.user_id is None:
        raise Unauthorized("Invalid or expired token")
    return actor.user_id


def _revocations(grant: PersonGrant, ended: list[UUID]) -> list[audit.Event]:
    action = audit.Action.SESSION_REVOKED
    return [audit.Event(action, grant.actor, grant.origin, details={"sessionId": str(one)}) for one in ended]


def _limits(plan: PersonPlan) -> dict[str, Any]:
    return {
        "maxPublicRepos": plan.public_repos,
        "maxPrivateRepos": plan.private_repos,
        "maxProviders": plan.providers,
        "maxEnvironmentsPerVault": plan.environments_per_vault,
        "maxSecretsPerPrivateVault": plan.secrets_per_private_vault,
    }
