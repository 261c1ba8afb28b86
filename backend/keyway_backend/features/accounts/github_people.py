"""People who show a GitHub token of their own, not a session (GITHUB_PAT_LOGIN; policy.yaml `credentials.pat`)."""

from __future__ import annotations

import time
from collections import OrderedDict
from hashlib import sha256
from typing import Final
from uuid import UUID

from keyway_core.sensitive import Sensitive

from keyway_backend.access.actor import Actor, CredentialKind, Scope
from keyway_backend.clients.github import GitHub, GitHubUnknown, PermissionMissing, TokenRejected
from keyway_backend.db.engine import Database
from keyway_backend.features.accounts import store
from keyway_backend.platform.clock import now
from keyway_backend.platform.errors import Unauthorized, Unavailable

_BELIEVED_SECONDS: Final = 60.0
_REMEMBERED: Final = 4096
_SCOPES: Final = frozenset({Scope.READ, Scope.WRITE, Scope.DELETE})


class GitHubTokens:
    """Asks GitHub whose a token is. It proves identity alone; what it may do at GitHub is never looked at."""

    def __init__(self, database: Database, github: GitHub) -> None:
        self._database = database
        self._github = github
        self._known: OrderedDict[bytes, tuple[float, Actor]] = OrderedDict()

    async def actor_of(self, token: Sensitive, *, issued_to_us: bool) -> Actor:
        """The person, believed for a minute. Raises Unauthorized, Unavailable."""
        digest = sha256(token.reveal().encode()).digest()
        until, actor = self._known.get(digest, (0.0, None))
        if actor is not None and until > time.monotonic():
            return actor
        actor = await self._ask(token, digest, issued_to_us=issued_to_us)
        self._known[digest] = (time.monotonic() + _BELIEVED_SECONDS, actor)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return actor

    async def _ask(self, token: Sensitive, digest: bytes, *, issued_to_us: bool) -> Actor:
        try:
            if issued_to_us and not await self._github.issued_to_us(token):
                raise Unauthorized("Invalid or expired token")
            person = await self._github.person(token)
        except TokenRejected:
            raise Unauthorized("Invalid or expired token") from None
        except (GitHubUnknown, PermissionMissing) as error:
            raise Unavailable("GitHub cannot say right now whose token this is; try again.") from error
        labels = {"github_user_id": person.id, "login": person.login, "email": person.email}
        async with self._database.transaction() as connection:
            user, _ = await store.upsert_user(connection, labels | {"avatar_url": person.avatar_url}, now())
        credential = UUID(bytes=digest[:16])
        return Actor(user.id, user.github_user_id, user.login, CredentialKind.PAT, credential, _SCOPES)
