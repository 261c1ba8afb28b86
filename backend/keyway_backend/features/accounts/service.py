"""Signing in with a device (policy.yaml `device_flow`).

The flow is GitHub's own: code entry, lock-out and consent happen on its page. Signing in is identity only; what a
person may do is decided for each request.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from keyway_core.sensitive import Sensitive

from keyway_backend.access.actor import Origin
from keyway_backend.access.sessions import SessionTokens
from keyway_backend.clients.github import (
    DeviceDenied,
    DeviceExpired,
    DevicePending,
    GitHub,
    GitHubUnknown,
    PermissionMissing,
    TokenRejected,
)
from keyway_backend.db.engine import Database
from keyway_backend.features.accounts import rules, store
from keyway_backend.features.accounts.people import People, SessionKind, fields_of, record_login
from keyway_backend.features.accounts.rules import Status
from keyway_backend.platform import metrics
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import Unavailable
from keyway_backend.platform.ids import new_id
from keyway_backend.vault_crypto import Sealed, VaultCrypto

_LOGIN_PURPOSE: Final = "device-login"
_CODE: Final = "code"


class Accounts:
    """Sign-ins of devices."""

    def __init__(
        self,
        database: Database,
        crypto: VaultCrypto,
        github: GitHub,
        people: People,
        tokens: SessionTokens,
        *,
        github_url: str,
        install_url: str,
    ) -> None:
        self._database = database
        self._crypto = crypto
        self._github = github
        self._people = people
        self._tokens = tokens
        self._install_url = install_url
        self.code_page = f"{github_url}/login/device"

    async def start(self, origin: Origin, *, owner_id: Any, repo_id: Any) -> dict[str, Any]:
        """Begins a sign-in: one question to GitHub. Raises Unavailable when it does not answer."""
        try:
            begun = await self._github.start_device()
        except (GitHubUnknown, TokenRejected, PermissionMissing) as error:
            raise _unavailable(error) from error
        moment, login_id, code = now(), new_id(), rules.new_code()
        lifetime, interval = rules.bounded(begun.expires_in, begun.interval)
        row = {
            "id": login_id,
            "code_hash": rules.code_hash(code),
            "sealed": await self._crypto.seal_text(_LOGIN_PURPOSE, _CODE, login_id, Sensitive(begun.device_code)),
            "interval": interval,
            "now": moment,
            "next_poll_at": moment,
            "expires_at": moment + timedelta(seconds=lifetime),
            "user_agent": origin.user_agent,
            "ip": origin.ip,
        }
        async with self._database.transaction() as connection:
            await store.insert_device_login(connection, row)
        return {
            "deviceCode": code,
            "userCode": begun.user_code,
            "verificationUri": begun.verification_uri,
            "verificationUriComplete": begun.verification_uri,
            "expiresIn": lifetime,
            "interval": interval,
            "githubAppInstallUrl": rules.install_url(self._install_url, owner_id, repo_id),
        }

    async def poll(self, origin: Origin, device_code: str) -> dict[str, Any]:
        """How a sign-in stands. Asks GitHub only when it is time to; only its silence raises."""
        hashed, moment = rules.code_hash(device_code), now()
        async with self._database.read() as connection:
            claimed = await store.claim(connection, hashed, moment)
        if claimed is None:
            return await self._answer(hashed, moment)
        try:
            tokens = await self._received(claimed)
            await self._sign_in(origin, claimed["id"], tokens)
            metrics.LOGINS.labels("approved").inc()
        except DevicePending as pending:
            if pending.interval_seconds is not None:
                async with self._database.read() as connection:
                    await store.slow_down(connection, claimed["id"], rules.SLOW_DOWN_SECONDS)
        except DeviceExpired:
            await self._end(claimed["id"], Status.EXPIRED)
            metrics.LOGINS.labels("expired").inc()
        except (DeviceDenied, TokenRejected):
            await self._end(claimed["id"], Status.DENIED)
            metrics.LOGINS.labels("denied").inc()
        except (GitHubUnknown, PermissionMissing) as error:
            raise _unavailable(error) from error
        return await self._answer(hashed, now())

    async def _answer(self, hashed: bytes, moment: datetime) -> dict[str, Any]:
        """What the row says. An approved session is given again for a minute, should the answer have been lost."""
        async with self._database.read() as connection:
            login = await store.device_login(connection, hashed)
            if login is None:
                return rules.expired()
            if (answer := login.answer_without_github(moment)) is not None:
                return answer
            opened = await store.open_session(connection, login.session_id) if login.session_id else None
        if opened is None:
            return rules.expired()
        session, end = opened
        token = self._tokens.issue(session, end)
        return {"status": "approved", "keywayToken": token, "githubLogin": session.login, "expiresAt": iso(end)}

    async def _received(self, claimed: dict[str, Any]) -> dict[str, Any]:
        """GitHub's tokens: those kept from an attempt that broke off, or the answer to a question now."""
        name = Status.RECEIVED.value if claimed["status"] == Status.RECEIVED else _CODE
        kept = await self._crypto.open_text(_LOGIN_PURPOSE, name, claimed["id"], Sealed(claimed["github_code_sealed"]))
        if claimed["status"] == Status.RECEIVED:
            return dict(orjson.loads(kept.reveal()))
        fields = fields_of(await self._github.poll_device(kept), now())
        text = Sensitive(orjson.dumps(fields).decode())
        sealed = await self._crypto.seal_text(_LOGIN_PURPOSE, Status.RECEIVED.value, claimed["id"], text)
        async with self._database.read() as connection:
            await store.keep_received(connection, claimed["id"], sealed)
        return fields

    async def _sign_in(self, origin: Origin, login_id: UUID, fields: dict[str, Any]) -> None:
        """From tokens to a session. Raises DeviceDenied for a token that was not issued to our App."""
        found = await self._people.identify(fields)
        moment = now()
        async with self._database.transaction() as connection:
            if not await store.begin_approval(connection, login_id, moment):
                return
            user, fresh = await self._people.admit(connection, found, moment)
            session, _ = await self._people.begin(connection, user, SessionKind.CLI, origin, new_id())
            await store.approve(connection, login_id, session.id)
            await record_login(connection, user, session.id, origin, {"method": "device_flow", "isNewUser": fresh})

    async def forget_old(self) -> None:
        """Removes what no sign-in needs any more. A job's."""
        async with self._database.read() as connection:
            await store.forget_old(connection, now())

    async def _end(self, login_id: UUID, status: Status) -> None:
        async with self._database.read() as connection:
            await store.end_device_login(connection, login_id, status)


def _unavailable(error: Exception) -> Unavailable:
    seconds = getattr(error, "retry_after_seconds", 5)
    return Unavailable(
        "GitHub cannot be asked right now, so nobody can be signed in; try again.", retry_after_seconds=seconds
    )
