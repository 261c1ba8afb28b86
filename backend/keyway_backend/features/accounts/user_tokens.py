"""A person's own GitHub token, fresh: kept sealed, and renewed under a lock of its row, once however many ask.

GitHub takes a refresh token once. So whoever renews first writes that down, and everybody else waits for the outcome;
the question to GitHub is asked with no transaction open.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

from keyway_core.sensitive import Sensitive
from psycopg.rows import DictRow

from keyway_backend.access.actor import Actor
from keyway_backend.clients.github import GitHub, GitHubUnknown, TokenRejected, UserTokens
from keyway_backend.db.engine import Database, one, run
from keyway_backend.platform.clock import now
from keyway_backend.platform.errors import Forbidden, Unavailable
from keyway_backend.vault_crypto import Sealed, VaultCrypto

PURPOSE: Final = "github-token"
_SPARE: Final = timedelta(minutes=2)
_TAKEN_SECONDS: Final = 6.0  # longer than one call to GitHub may take
_WAIT_SECONDS: Final = 0.1

_LOAD: Final[LiteralString] = """
    SELECT access_sealed, access_expires_at, refresh_sealed, refresh_expires_at
    FROM github_tokens WHERE user_id = %(user)s"""
# Takes the right to renew. Whoever died while holding it loses it with time.
_TAKE: Final[LiteralString] = """
    UPDATE github_tokens SET renewing_until = now() + make_interval(secs => %(seconds)s)
    WHERE user_id = %(user)s AND refresh_sealed = %(refresh)s AND (renewing_until IS NULL OR renewing_until < now())"""
_KEEP: Final[LiteralString] = """
    UPDATE github_tokens SET access_sealed = %(access)s, access_expires_at = %(access_end)s,
        refresh_sealed = %(renewed)s, refresh_expires_at = %(renewed_end)s, renewing_until = NULL, updated_at = now()
    WHERE user_id = %(user)s AND refresh_sealed = %(refresh)s"""
_GIVE_BACK: Final[LiteralString] = """
    UPDATE github_tokens SET renewing_until = NULL WHERE user_id = %(user)s AND refresh_sealed = %(refresh)s"""
_DROP: Final[LiteralString] = """
    DELETE FROM github_tokens WHERE user_id = %(user)s AND access_sealed = %(access)s"""


class TokenGone(Forbidden):
    """There is none any more (policy.yaml `github_token_of_the_person_gone`). The session stays valid."""

    def __init__(self) -> None:
        super().__init__("Keyway has no GitHub authorization of yours any more. Sign in again: keyway login")


class UserTokenSource:
    """Hands out the GitHub tokens of people who signed in. Tokens are sealed for the person's number, as the credential
    has it: a row that was given to somebody else opens nothing."""

    def __init__(self, database: Database, crypto: VaultCrypto, github: GitHub) -> None:
        self._database = database
        self._crypto = crypto
        self._github = github

    async def of(self, actor: Actor) -> Sensitive:
        """A token that is good for the calls of a request. Raises TokenGone, Unavailable."""
        deadline = asyncio.get_running_loop().time() + _TAKEN_SECONDS
        while True:
            row = await self._row(actor)
            if _good(row["access_expires_at"]):
                return await self._open("access", row, actor)
            if row["refresh_sealed"] is None or _over(row["refresh_expires_at"]):
                raise TokenGone
            if (renewed := await self._renew(actor, row)) is not None:
                return renewed
            if asyncio.get_running_loop().time() > deadline:
                raise _unavailable(5)
            await asyncio.sleep(_WAIT_SECONDS)

    async def rejected(self, actor: Actor, token: Sensitive) -> TokenGone:
        """GitHub did not take a token of `of`: it is forgotten. Returns what to raise."""
        row = await self._row(actor)
        if (await self._open("access", row, actor)).reveal() == token.reveal():
            async with self._database.read() as connection:
                await run(connection, _DROP, user=actor.user_id, access=row["access_sealed"])
        return TokenGone()

    async def _row(self, actor: Actor) -> DictRow:
        async with self._database.read() as connection:
            row = await one(connection, _LOAD, user=actor.user_id)
        if row is None:
            raise TokenGone
        return row

    async def _renew(self, actor: Actor, row: DictRow) -> Sensitive | None:
        """The renewed token; None when somebody else is at it, or was."""
        mine = {"user": actor.user_id, "refresh": row["refresh_sealed"]}
        async with self._database.read() as connection:
            if not await run(connection, _TAKE, **mine, seconds=_TAKEN_SECONDS):
                return None
        try:
            tokens = await self._github.refresh(await self._open("refresh", row, actor))
        except TokenRejected:
            async with self._database.read() as connection:
                await run(connection, _DROP, user=actor.user_id, access=row["access_sealed"])
            raise TokenGone from None
        except GitHubUnknown as error:
            async with self._database.read() as connection:
                await run(connection, _GIVE_BACK, **mine)
            raise _unavailable(error.retry_after_seconds) from error
        renewed = await self._sealed(actor.github_user_id, tokens)
        async with self._database.read() as connection:
            await run(connection, _KEEP, **mine, **renewed)
        return tokens.access

    async def _open(self, name: str, row: DictRow, actor: Actor) -> Sensitive:
        sealed = Sealed(row[f"{name}_sealed"])
        return await self._crypto.open_text(PURPOSE, name, UUID(int=actor.github_user_id), sealed)

    async def _sealed(self, github_user_id: int, tokens: UserTokens) -> dict[str, Any]:
        place, moment = UUID(int=github_user_id), now()
        renewed = tokens.refresh
        return {
            "access": await self._crypto.seal_text(PURPOSE, "access", place, tokens.access),
            "access_end": _after(moment, tokens.access_seconds),
            "renewed": await self._crypto.seal_text(PURPOSE, "refresh", place, renewed) if renewed else None,
            "renewed_end": _after(moment, tokens.refresh_seconds),
        }


def _good(end: datetime | None) -> bool:
    return end is None or end - _SPARE > now()


def _over(end: datetime | None) -> bool:
    return end is not None and end <= now()


def _after(moment: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else moment + timedelta(seconds=seconds)


def _unavailable(seconds: int) -> Unavailable:
    return Unavailable("GitHub cannot renew your authorization right now; try again.", retry_after_seconds=seconds)
