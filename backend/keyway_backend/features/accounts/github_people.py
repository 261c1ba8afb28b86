"""People who show a GitHub token of their own, not a session (GITHUB_PAT_LOGIN; policy.yaml `credentials.pat`)."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from hashlib import sha256
from typing import Final, Generic, TypeVar
from uuid import UUID

from keyway_core.sensitive import Sensitive

from keyway_backend.access.actor import Actor, CredentialKind, Scope
from keyway_backend.access.callers import Asking
from keyway_backend.clients.github import GitHub, GitHubUnknown, PermissionMissing, TokenRejected
from keyway_backend.db.engine import Database
from keyway_backend.features.accounts import store
from keyway_backend.platform.clock import now
from keyway_backend.platform.errors import Unauthorized, Unavailable

_BELIEVED_SECONDS: Final = 60.0
_REFUSED_SECONDS: Final = 10.0
_ONCE_KNOWN_SECONDS: Final = 24 * 3600.0
_REMEMBERED: Final = 4096
_FORM: Final = re.compile(r"(?:github_pat|gh[pou])_[A-Za-z0-9_]{1,250}")
_SCOPES: Final = frozenset({Scope.READ, Scope.WRITE, Scope.DELETE})

T = TypeVar("T")


class Remembered(Generic[T]):
    """What was found out, by a digest, for a while; the oldest makes room."""

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, tuple[float, T]] = OrderedDict()

    def get(self, digest: bytes) -> T | None:
        """What was found out, None when that is too long ago."""
        until, found = self._found.get(digest, (0.0, None))
        return found if until > time.monotonic() else None

    def keep(self, digest: bytes, *, found: T, seconds: float) -> None:
        """Remembers it from now on."""
        self._found[digest] = (time.monotonic() + seconds, found)
        self._found.move_to_end(digest)
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)


class GitHubTokens:
    """Asks GitHub whose a token is. It proves identity alone; what it may do at GitHub is never looked at.

    A string that GitHub did not know is refused again without a question for a while. A stranger's strings are counted
    by address before GitHub is asked; a token that GitHub knew before is asked about in any case, so that nobody is
    locked out by a neighbour who guesses.
    """

    def __init__(self, database: Database, github: GitHub) -> None:
        self._database = database
        self._github = github
        self._known: Remembered[Actor] = Remembered()
        self._refused: Remembered[bool] = Remembered()
        self._once_known: Remembered[bool] = Remembered()
        self._under_way: dict[bytes, asyncio.Task[Actor]] = {}

    async def actor_of(self, token: Sensitive, *, issued_to_us: bool, asking: Asking) -> Actor:
        """The person, believed for a minute. Raises Unauthorized, Unavailable, TooManyRequests."""
        digest = sha256(token.reveal().encode()).digest()
        if (actor := self._known.get(digest)) is not None:
            return actor
        if _FORM.fullmatch(token.reveal()) is None or self._refused.get(digest):
            raise _refusal()
        if (task := self._under_way.get(digest)) is None:
            is_new = not self._once_known.get(digest)
            task = asyncio.create_task(
                self._asked(token, digest, asking if is_new else None, issued_to_us=issued_to_us)
            )
            self._under_way[digest] = task
            task.add_done_callback(lambda _: self._under_way.pop(digest, None))
        return await asyncio.shield(task)

    async def _asked(self, token: Sensitive, digest: bytes, asking: Asking | None, *, issued_to_us: bool) -> Actor:
        """The answer, counted and remembered, good or bad. What GitHub did not say is not remembered."""
        if asking is not None:
            await asking.begin()
        try:
            actor = await self._ask(token, digest, issued_to_us=issued_to_us)
        except Unauthorized:
            self._refused.keep(digest, found=True, seconds=_REFUSED_SECONDS)
            raise
        if asking is not None:
            await asking.known()
        self._known.keep(digest, found=actor, seconds=_BELIEVED_SECONDS)
        self._once_known.keep(digest, found=True, seconds=_ONCE_KNOWN_SECONDS)
        return actor

    async def _ask(self, token: Sensitive, digest: bytes, *, issued_to_us: bool) -> Actor:
        try:
            if issued_to_us and not await self._github.issued_to_us(token):
                raise _refusal()
            person = await self._github.person(token)
        except TokenRejected:
            raise _refusal() from None
        except (GitHubUnknown, PermissionMissing) as error:
            raise Unavailable("GitHub cannot say right now whose token this is; try again.") from error
        labels = {"github_user_id": person.id, "login": person.login, "email": person.email}
        async with self._database.transaction() as connection:
            user, _ = await store.upsert_user(connection, labels | {"avatar_url": person.avatar_url}, now())
        credential = UUID(bytes=digest[:16])
        return Actor(user.id, user.github_user_id, user.login, CredentialKind.PAT, credential, _SCOPES)


def _refusal() -> Unauthorized:
    return Unauthorized("Invalid or expired token")
