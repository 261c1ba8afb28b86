"""From GitHub's page of consent back to a browser with a session (contract.md 4.1, policy.yaml `once_only`).

A sign-in belongs to the browser that began it, is used once, and leads where it was said at its start. Our dashboard
gets a one-time code instead of a cookie; a site that is not ours gets nothing before the person agreed on our page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from keyway_core.limits import OAUTH_STATE_MINUTES, ONE_TIME_CODE_SECONDS
from keyway_core.sensitive import Sensitive

from keyway_backend import audit
from keyway_backend.access.actor import Actor, Origin
from keyway_backend.access.sessions import SessionTokens
from keyway_backend.clients.github import (
    CodeRejected,
    DeviceDenied,
    GitHub,
    GitHubUnknown,
    PermissionMissing,
    TokenRejected,
)
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.accounts.people import (
    Identified,
    People,
    SessionKind,
    User,
    actor_of,
    fields_of,
    person_of,
    record_login,
)
from keyway_backend.features.github.installations import Installations, Seen
from keyway_backend.features.sign_in import rules, store
from keyway_backend.features.sign_in.rules import Origins, WrongChallenge, WrongTarget
from keyway_backend.features.sign_in.store import WebSignIn
from keyway_backend.platform import metrics
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import BadRequest, Unauthorized, Unavailable
from keyway_backend.platform.ids import new_id

STATE_SECONDS: Final = OAUTH_STATE_MINUTES * 60


class StateRefused(Exception):
    """Missing, foreign, used or expired: the callback says the same for all of them."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that goes to GitHub. `browser` is what its cookie holds."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Came:
    """What a browser brought back from GitHub."""

    state: str
    browser: str
    code: str | None = None
    error: bool = False
    installation_id: int | None = None


@dataclass(frozen=True, slots=True)
class Back:
    """On to the target; with a session when the browser is to keep one."""

    url: str
    token: str | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """The person must agree first."""

    login: str
    origin: str
    ticket: str


@dataclass(frozen=True, slots=True)
class Unproven:
    """GitHub sent the browser back without a word about who it is. `refused`: the person said no."""

    target: str
    refused: bool


class WebSignIns:
    """Signing in with a browser."""

    def __init__(  # noqa: PLR0913 - what a sign-in stands on
        self,
        database: Database,
        github: GitHub,
        people: People,
        tokens: SessionTokens,
        installations: Installations,
        *,
        origins: Origins,
        callback_url: str,
        install_url: str,
        key: bytes,
    ) -> None:
        self._database = database
        self._github = github
        self._people = people
        self._tokens = tokens
        self._origins = origins
        self._callback_url = callback_url
        self._install_url = install_url
        self._key = key
        self._installations = installations

    async def start(self, redirect_uri: str | None, pkce: tuple[str | None, str | None], browser: str | None) -> Begun:
        """Begins a sign-in. `pkce`: challenge and method of the dashboard. Raises BadRequest."""
        return await self._begin(redirect_uri, pkce, browser, install=False)

    async def start_install(self, redirect_uri: str | None, browser: str | None) -> Begun:
        """Begins an installation of the App, after which GitHub signs the person in. Raises BadRequest."""
        return await self._begin(redirect_uri, (None, None), browser, install=True)

    async def _begin(
        self, redirect_uri: str | None, pkce: tuple[str | None, str | None], browser: str | None, *, install: bool
    ) -> Begun:
        try:
            target = self._origins.target(redirect_uri)
            challenge = rules.challenge_of(*pkce, own=self._origins.is_own(target))
        except WrongTarget:
            raise BadRequest("The redirect_uri is not in the allowed origins list") from None
        except WrongChallenge:
            raise BadRequest("code_challenge needs code_challenge_method=S256 and the dashboard's own origin") from None
        state, moment = rules.new_secret(), now()
        kept = browser if browser is not None and rules.is_secret(browser) else rules.new_secret()
        row = {
            "id": new_id(),
            "state_hash": rules.hash_of(state),
            "browser_hash": rules.hash_of(kept),
            "target": target,
            "challenge": challenge,
            "install": install,
            "now": moment,
            "expires_at": moment + timedelta(seconds=STATE_SECONDS),
        }
        async with self._database.read() as connection:
            await store.start(connection, row)
        return Begun(self._outward(state, kept, install=install), kept)

    def _outward(self, state: str, browser: str, *, install: bool) -> str:
        if install:
            return f"{self._install_url}?state={state}"
        challenge = rules.s256(rules.verifier_of(self._key, browser, state))
        return self._github.authorize_url(redirect_uri=self._callback_url, state=state, challenge=challenge)

    async def come_back(self, came: Came, origin: Origin) -> Back | Ask | Unproven:
        """The browser is back from GitHub. Raises StateRefused; Unavailable when GitHub does not answer."""
        async with self._database.read() as connection:
            taken = await store.take(connection, rules.hash_of(came.state), rules.hash_of(came.browser), now())
        if taken is None:
            raise StateRefused
        if came.error or came.code is None:
            return Unproven(taken.target, came.error)
        try:
            found, installation = await self._identify(taken, came, Sensitive(came.code))
        except (CodeRejected, DeviceDenied, TokenRejected):
            metrics.LOGINS.labels("denied").inc()
            raise StateRefused from None
        except (GitHubUnknown, PermissionMissing) as error:
            seconds = getattr(error, "retry_after_seconds", 5)
            raise Unavailable("GitHub cannot be asked right now; try again.", retry_after_seconds=seconds) from error
        return await self._admit(taken, found, installation, origin)

    async def _identify(self, taken: WebSignIn, came: Came, code: Sensitive) -> tuple[Identified, Seen | None]:
        """The person, and the installation that the browser named if GitHub lists it for that very person."""
        verifier = None if taken.install else rules.verifier_of(self._key, came.browser, came.state)
        tokens = await self._github.exchange_code(code, redirect_uri=self._callback_url, verifier=verifier)
        found = await self._people.identify(fields_of(tokens, now()))
        listed = await self._github.installations_of(tokens.access) if came.installation_id is not None else []
        seen = None
        if came.installation_id is not None and any(one.id == came.installation_id for one in listed):
            seen = await self._installations.look(came.installation_id)
        return found, seen

    async def _link(self, connection: Connection, seen: Seen, actor: Actor, origin: Origin) -> None:
        """Writes down who installed what, unless somebody did before."""
        if await self._installations.keep(connection, seen, installed_by=actor.github_user_id):
            details = {"installationId": seen.installation.id, "accountId": seen.installation.account.id}
            await audit.record(connection, audit.Event(audit.Action.VCS_APP_INSTALLED, actor, origin, details=details))

    async def _admit(
        self, taken: WebSignIn, found: Identified, installation: Seen | None, origin: Origin
    ) -> Back | Ask:
        async with self._database.transaction() as connection:
            user, fresh = await self._people.admit(connection, found, now())
            if installation is not None:
                await self._link(connection, installation, actor_of(user, taken.id), origin)
            if not self._origins.is_own(taken.target):
                ticket = await self._hand_out(connection, taken, "consent", user, fresh=fresh)
                return Ask(user.login, rules.origin_of(taken.target), ticket)
            if taken.challenge is not None:
                ticket = await self._hand_out(connection, taken, "code", user, fresh=fresh)
                await record_login(connection, user, taken.id, origin, _details(taken, fresh=fresh))
                return Back(rules.with_code(taken.target, ticket))
            return await self._finish(connection, taken, user, origin, fresh=fresh)

    async def _hand_out(self, connection: Connection, taken: WebSignIn, status: str, user: User, *, fresh: bool) -> str:
        ticket = rules.new_secret()
        seconds = ONE_TIME_CODE_SECONDS if status == "code" else STATE_SECONDS
        columns = {"status": status, "ticket_hash": rules.hash_of(ticket), "user_id": user.id, "fresh": fresh}
        await store.hand_out(connection, taken.id, columns | {"expires_at": now() + timedelta(seconds=seconds)})
        return ticket

    async def _finish(
        self, connection: Connection, taken: WebSignIn, user: User, origin: Origin, *, fresh: bool
    ) -> Back:
        """A session that the browser itself keeps."""
        session, end = await self._people.begin(connection, user, SessionKind.DASHBOARD, origin, taken.id)
        await record_login(connection, user, session.id, origin, _details(taken, fresh=fresh))
        metrics.LOGINS.labels("approved").inc()
        return Back(taken.target, self._tokens.issue(session, end), end)

    async def agree(self, ticket: str, browser: str, origin: Origin) -> Back:
        """The person agreed to be signed in for another site. Raises StateRefused."""
        async with self._database.transaction() as connection:
            hashes = rules.hash_of(ticket), rules.hash_of(browser)
            taken = await store.redeem_consent(connection, *hashes, now())
            user = await person_of(connection, taken.user_id) if taken is not None and taken.user_id else None
            if taken is None or user is None:
                raise StateRefused
            return await self._finish(connection, taken, user, origin, fresh=bool(taken.fresh))

    async def exchange(self, sent: dict[str, Any], origin: Origin) -> dict[str, Any]:
        """A session for a one-time code. Raises Unauthorized, with one body for everything that is wrong with it."""
        code, verifier, target = (sent.get(name) for name in _EXCHANGED)
        if not (isinstance(code, str) and isinstance(verifier, str) and isinstance(target, str)):
            raise _wrong_code()
        async with self._database.transaction() as connection:
            taken = await store.redeem_code(connection, rules.hash_of(code), now())
            right = taken is not None and _is_for(taken, verifier, target)
            user = await person_of(connection, taken.user_id) if right and taken and taken.user_id else None
            if right and (unknown := set(sent) - set(_EXCHANGED)):
                raise BadRequest(
                    f"The body has fields that this route does not know: {', '.join(sorted(unknown))[:200]}"
                )
            answer = await self._session(connection, taken.id, user, origin) if taken and user else None
        if answer is None:
            raise _wrong_code()
        return answer

    async def _session(self, connection: Connection, session_id: UUID, user: User, origin: Origin) -> dict[str, Any]:
        session, end = await self._people.begin(connection, user, SessionKind.DASHBOARD, origin, session_id)
        actor = actor_of(user, session.id)
        await audit.record(connection, audit.Event(audit.Action.SESSION_STARTED, actor, origin))
        metrics.LOGINS.labels("approved").inc()
        token = self._tokens.issue(session, end)
        return {"keywayToken": token, "githubLogin": user.login, "expiresAt": iso(end)}

    async def forget_old(self) -> None:
        """Removes sign-ins that are over. A job's."""
        async with self._database.read() as connection:
            await store.forget(connection, now())


_EXCHANGED: Final = ("code", "codeVerifier", "redirectOrigin")


def _is_for(taken: WebSignIn, verifier: str, target: str) -> bool:
    return (
        taken.challenge is not None
        and rules.fits(verifier, taken.challenge)
        and target == rules.origin_of(taken.target)
    )


def _details(taken: WebSignIn, *, fresh: bool) -> dict[str, Any]:
    return {"method": "github_app_install" if taken.install else "web_oauth", "isNewUser": fresh}


def _wrong_code() -> Unauthorized:
    return Unauthorized("This code is unknown, used or expired, or belongs to somebody else.")
