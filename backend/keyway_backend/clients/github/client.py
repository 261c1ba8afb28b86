"""The calls of policy.yaml `github.calls` that this product makes, one method each.

A method returns None for "GitHub says no such thing", and raises for everything that is not an answer (errors.py).
Each call has three seconds; who makes several within one request bounds them together (`limits.deadlines_seconds`).
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

from keyway_core.sensitive import Sensitive
from pydantic import BaseModel

from keyway_backend.clients.github.answers import (
    Account,
    CheckedToken,
    Collaborator,
    Counted,
    DeviceStart,
    Email,
    Installation,
    Member,
    Membership,
    OAuthAnswer,
    OrganizationProfile,
    Permission,
    Person,
    ReachedRepository,
    Repository,
    UserTokens,
)
from keyway_backend.clients.github.errors import (
    CodeRejected,
    DeviceDenied,
    DeviceExpired,
    DevicePending,
    GitHubUnknown,
    PermissionMissing,
    TokenRejected,
)
from keyway_backend.clients.github.tokens import InstallationTokens
from keyway_backend.clients.github.transport import Transport, parse

_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_REPOSITORIES: Final = "installation/repositories"
_WRONG_REFRESH: Final = frozenset({"bad_refresh_token", "unauthorized", "unsupported_grant_type"})
_METADATA: Final = "Repository permissions / Metadata: read"
_MEMBERS: Final = "Organization permissions / Members: read"

_WEB_SCOPE: Final = "read:user user:email read:org"
_WRONG_CODE: Final = frozenset({"bad_verification_code", "redirect_uri_mismatch"})

Answer = TypeVar("Answer")
Listed = TypeVar("Listed", bound=BaseModel)


class GitHub:
    """GitHub as our App sees it."""

    def __init__(
        self, transport: Transport, tokens: InstallationTokens, *, client_id: str, client_secret: Sensitive
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._client_id = client_id
        self._client_secret = client_secret

    async def close(self) -> None:
        """Closes the kept connections."""
        await self._transport.close()

    # the App ---------------------------------------------------------------------------------------------------------

    async def app_answers(self) -> None:
        """Whether GitHub answers and knows our App, for readiness. Raises GitHubUnknown or TokenRejected."""
        if await self._transport.send("GET", self._transport.api("app"), auth=self._tokens.app()) is None:
            raise GitHubUnknown("GET app: 404")

    async def installation(self, installation_id: int) -> Installation | None:
        """An installation by its number, active or suspended; None when it was removed."""
        return await self._as_app(f"app/installations/{installation_id}")

    async def installation_of(self, owner: str, name: str) -> Installation | None:
        """The installation that covers a repository, active or suspended."""
        return await self._as_app(f"repos/{_part(owner)}/{_part(name)}/installation")

    async def organization_installation(self, login: str) -> Installation | None:
        """The installation on an organisation, active or suspended."""
        return await self._as_app(f"orgs/{_part(login)}/installation")

    async def _as_app(self, path: str) -> Installation | None:
        try:
            return await self._transport.get(path, Installation, auth=self._tokens.app())
        except TokenRejected as error:
            raise GitHubUnknown(str(error)) from None

    # as an installation ----------------------------------------------------------------------------------------------

    async def repository(self, installation_id: int, owner: str, name: str) -> Repository | None:
        """A repository by name. After a rename GitHub redirects to the id, so the answer may bear another name."""
        path = f"repos/{_part(owner)}/{_part(name)}"
        return await self._as(installation_id, lambda auth: self._transport.get(path, Repository, auth=auth))

    async def repository_numbered(self, installation_id: int, repository_id: int) -> Repository | None:
        """A repository by its number, under its present name."""
        path = f"repositories/{repository_id}"
        return await self._as(installation_id, lambda auth: self._transport.get(path, Repository, auth=auth))

    async def repositories(self, installation_id: int) -> list[Repository] | None:
        """Every repository that an installation covers."""
        return await self._every(installation_id, _REPOSITORIES, Repository, needs=_METADATA, within="repositories")

    async def repository_count(self, installation_id: int) -> int:
        """How many repositories an installation covers."""
        path = f"{_REPOSITORIES}?per_page=1"
        told = await self._as(installation_id, lambda auth: self._transport.get(path, Counted, auth=auth))
        return told.total_count if told is not None else 0

    async def login_of(self, installation_id: int, github_user_id: int) -> str | None:
        """The present login of a person."""
        path = f"user/{github_user_id}"
        account = await self._as(installation_id, lambda auth: self._transport.get(path, Account, auth=auth))
        return account.login if account is not None else None

    async def permission(self, installation_id: int, owner: str, name: str, login: str) -> Permission | None:
        """What a login may do on a repository. On a public one GitHub says `read` of everybody."""
        path = f"repos/{_part(owner)}/{_part(name)}/collaborators/{_part(login)}/permission"
        return await self._as(
            installation_id, lambda auth: self._transport.get(path, Permission, auth=auth, needs=_METADATA)
        )

    async def is_collaborator(self, installation_id: int, owner: str, name: str, login: str) -> bool:
        """Whether somebody let this login in: by hand, by a team, or by the organisation."""
        url = self._transport.api(f"repos/{_part(owner)}/{_part(name)}/collaborators/{_part(login)}")
        response = await self._as(
            installation_id, lambda auth: self._transport.send("GET", url, auth=auth, needs=_METADATA)
        )
        if response is not None and response.status_code != 204:
            raise GitHubUnknown(f"collaborator check: {response.status_code}")
        return response is not None

    async def membership(self, installation_id: int, organization: str, login: str) -> Membership | None:
        """What a login is in an organisation. Raises PermissionMissing without Members: read."""
        path = f"orgs/{_part(organization)}/memberships/{_part(login)}"
        return await self._as(
            installation_id, lambda auth: self._transport.get(path, Membership, auth=auth, needs=_MEMBERS)
        )

    async def collaborators(self, installation_id: int, owner: str, name: str) -> list[Collaborator] | None:
        """Everybody with a role on a repository."""
        path = f"repos/{_part(owner)}/{_part(name)}/collaborators?affiliation=all"
        return await self._every(installation_id, path, Collaborator, needs=_METADATA)

    async def members(self, installation_id: int, organization: str, role: str) -> list[Member] | None:
        """An organisation's members with a role, "admin" or "member". Raises PermissionMissing."""
        path = f"orgs/{_part(organization)}/members?role={role}"
        return await self._every(installation_id, path, Member, needs=_MEMBERS)

    async def organization(self, installation_id: int, login: str) -> OrganizationProfile | None:
        """What an organisation is called."""
        path = f"orgs/{_part(login)}"
        return await self._as(installation_id, lambda auth: self._transport.get(path, OrganizationProfile, auth=auth))

    async def _every(
        self, installation_id: int, path: str, model: type[Listed], *, needs: str, within: str = ""
    ) -> list[Listed] | None:
        """All pages of a list; `within` is the field of the answer that holds it."""
        return await self._as(
            installation_id,
            lambda auth: self._transport.get_pages(path, model, auth=auth, needs=needs, within=within),
        )

    async def _as(self, installation_id: int, call: Callable[[str], Awaitable[Answer | None]]) -> Answer | None:
        """Makes a call with the installation's token, and once more with a new one if GitHub rejects it, or if it may
        be older than a permission."""
        auth = await self._tokens.of(installation_id)
        if auth is None:
            return None
        try:
            return await call(auth)
        except TokenRejected:
            renewed = await self._tokens.of(installation_id, renew=True)
        except PermissionMissing:
            renewed = await self._tokens.newer(installation_id)
            if renewed is None:
                raise
        try:
            return None if renewed is None else await call(renewed)
        except TokenRejected as error:
            raise GitHubUnknown(str(error)) from None

    # people ----------------------------------------------------------------------------------------------------------

    async def start_device(self) -> DeviceStart:
        """Begins GitHub's device flow. Raises GitHubUnknown, also when the App has the flow switched off."""
        response = await self._transport.post_web("login/device/code", json={"client_id": self._client_id})
        if response is None:
            raise GitHubUnknown("device flow: 404; is it enabled on the GitHub App?")
        return parse(response, DeviceStart, "login/device/code")

    async def poll_device(self, device_code: Sensitive) -> UserTokens:
        """The person's tokens, once they agreed. Raises DevicePending, DeviceExpired, DeviceDenied, GitHubUnknown."""
        answer = await self._token_endpoint({"device_code": device_code.reveal(), "grant_type": _GRANT})
        match answer.error:
            case None if answer.access_token:
                return UserTokens(answer)
            case "authorization_pending":
                raise DevicePending
            case "slow_down":
                raise DevicePending(answer.interval or 10)
            case "expired_token" | "incorrect_device_code":
                raise DeviceExpired
            case "access_denied":
                raise DeviceDenied
            case error:
                raise GitHubUnknown(f"device flow: {error or 'no token'}")

    def authorize_url(self, *, redirect_uri: str, state: str, challenge: str) -> str:
        """GitHub's page of consent, to which a browser is sent."""
        asked = {
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": _WEB_SCOPE,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._transport.web('login/oauth/authorize')}?{urlencode(asked)}"

    async def exchange_code(self, code: Sensitive, *, redirect_uri: str, verifier: str | None) -> UserTokens:
        """The tokens of a person who consented; no `verifier` where GitHub took no challenge (App installation).

        Raises CodeRejected, GitHubUnknown.
        """
        fields = {"code": code.reveal(), "redirect_uri": redirect_uri}
        answer = await self._token_endpoint(fields | ({"code_verifier": verifier} if verifier else {}))
        if answer.error in _WRONG_CODE:
            raise CodeRejected
        if not answer.access_token:
            raise GitHubUnknown(f"code exchange: {answer.error or 'no token'}")
        return UserTokens(answer)

    async def refresh(self, refresh_token: Sensitive) -> UserTokens:
        """New tokens for the refresh token of old ones, which end. Raises TokenRejected when it has ended itself."""
        answer = await self._token_endpoint({"grant_type": "refresh_token", "refresh_token": refresh_token.reveal()})
        if answer.error in _WRONG_REFRESH:
            raise TokenRejected(f"refresh: {answer.error}")
        if not answer.access_token:
            raise GitHubUnknown(f"refresh: {answer.error or 'no token'}")
        return UserTokens(answer)

    async def _token_endpoint(self, fields: dict[str, str]) -> OAuthAnswer:
        secrets = {"client_id": self._client_id, "client_secret": self._client_secret.reveal()}
        response = await self._transport.post_web("login/oauth/access_token", json=secrets | fields)
        if response is None:
            raise GitHubUnknown("token endpoint: 404")
        return parse(response, OAuthAnswer, "login/oauth/access_token")

    async def issued_to_us(self, token: Sensitive) -> bool:
        """Whether a user token was issued to our App. Anybody's token of another App is not a sign-in here."""
        pair = f"{self._client_id}:{self._client_secret.reveal()}".encode()
        auth = f"Basic {base64.b64encode(pair).decode()}"
        path = f"applications/{_part(self._client_id)}/token"
        try:
            response = await self._transport.post(path, auth=auth, json={"access_token": token.reveal()})
        except TokenRejected as error:
            raise GitHubUnknown(f"{error}; are client id and secret right?") from None
        if response is None:
            return False
        return parse(response, CheckedToken, path).client_id == self._client_id

    async def person(self, token: Sensitive) -> Person:
        """Who a user token belongs to. Raises TokenRejected, GitHubUnknown."""
        found = await self._transport.get("user", Person, auth=f"token {token.reveal()}")
        if found is None:
            raise GitHubUnknown("GET user: 404")
        return found

    async def installations_of(self, token: Sensitive) -> list[Installation]:
        """The installations that a person can see: on the own account, and where the person has a role."""
        auth, path = f"token {token.reveal()}", "user/installations"
        found = await self._transport.get_pages(path, Installation, auth=auth, within="installations")
        if found is None:
            raise GitHubUnknown("GET user/installations: 404")
        return found

    async def repositories_of(self, token: Sensitive, installation_id: int) -> list[ReachedRepository]:
        """Those repositories of an installation on which a person has an explicit role."""
        auth, path = f"token {token.reveal()}", f"user/installations/{installation_id}/repositories"
        return await self._transport.get_pages(path, ReachedRepository, auth=auth, within="repositories") or []

    async def membership_of(self, token: Sensitive, organization: str) -> Membership | None:
        """What a person is in an organisation, by the own token. Raises PermissionMissing without Members: read."""
        auth, path = f"token {token.reveal()}", f"user/memberships/orgs/{_part(organization)}"
        return await self._transport.get(path, Membership, auth=auth, needs=_MEMBERS)

    async def email(self, token: Sensitive) -> str | None:
        """The address for mail: the primary verified one, else any verified one. Raises PermissionMissing."""
        needs = "Account permissions / Email addresses: read"
        auth = f"token {token.reveal()}"
        found = await self._transport.get_list("user/emails", Email, auth=auth, needs=needs) or []
        verified = sorted((mail for mail in found if mail.verified), key=lambda mail: not mail.primary)
        return verified[0].email if verified else None


def _part(name: str) -> str:
    """A name as one step of a path, whatever it holds."""
    return quote(name, safe="")
