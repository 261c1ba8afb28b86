"""Every decision about access. Guards call it once per request; it returns a grant or raises the answer.

The way of a request (policy.yaml `statuses.order`): credential, kind and scope, what names the object, object and role,
right. One statement brings everything that the database knows; GitHub is asked only where no fresh role is there.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from keyway_core.roles import Role, Verb, type_from_name
from keyway_core.sensitive import Sensitive
from psycopg.rows import DictRow
from starlette.requests import Request

from keyway_backend.access import credentials, refusals, store
from keyway_backend.access.actor import Actor, CredentialKind, Origin, Scope
from keyway_backend.access.credentials import Credentials, GitHubToken
from keyway_backend.access.grants import _MINT, EnvironmentGrant, PersonGrant, RepositoryGrant, VaultGrant
from keyway_backend.access.macs import Macs
from keyway_backend.access.matrix import allowed_verbs
from keyway_backend.access.origins import origin_of
from keyway_backend.access.records import Found, found
from keyway_backend.access.roles import DENIED_SECONDS, Denied, Granted, Misconfigured, NotInstalled, Roles, Unknown
from keyway_backend.access.store import Named, Numbered
from keyway_backend.clients.github import Repository
from keyway_backend.db.engine import Database
from keyway_backend.platform import log, metrics
from keyway_backend.platform.address import Network
from keyway_backend.platform.errors import Forbidden, Problem

_REMEMBERED: Final = 4096
_log = log.logger("access")
_AT_ONCE: Final = 8
_REMEMBERED_ROLE: Final = metrics.ROLES.labels("remembered")
_ASKED_ROLE: Final = metrics.ROLES.labels("asked")


class GitHubPeople(Protocol):
    """Turns a GitHub token that a caller sent into a person (GITHUB_PAT_LOGIN)."""

    async def actor_of(self, token: Sensitive, *, issued_to_us: bool) -> Actor:
        """The person. Raises errors.Unauthorized, errors.Unavailable."""


@dataclass(frozen=True, slots=True)
class EnvironmentName:
    """An environment as a request names it."""

    owner: str
    name: str
    environment: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person is on a vault: None when there is none of that name. `installed` is about the App."""

    vault: Found | None
    role: Role | None
    installed: bool = True


class Access:
    """Who may do what, decided once per request."""

    def __init__(
        self,
        database: Database,
        roles: Roles,
        credentials: Credentials,
        macs: Macs,
        people: GitHubPeople,
        *,
        trusted_proxies: Sequence[Network],
        install_url: str,
    ) -> None:
        self._database = database
        self._roles = roles
        self._credentials = credentials
        self._macs = macs
        self._people = people
        self._trusted = trusted_proxies
        self.install_url = install_url
        self._absent: OrderedDict[tuple[int, str], float] = OrderedDict()

    # credentials -------------------------------------------------------------------------------------------------

    async def actor(self, request: Request, scope: Scope | None) -> Actor:
        """The actor that the credential claims to be; whether a session still lives is decided by the next statement.

        `scope` None admits every kind of credential. Raises Unauthorized, Forbidden, Unavailable.
        """
        credential = self._credentials.of(request)
        if isinstance(credential, GitHubToken):
            actor = await self._people.actor_of(credential.token, issued_to_us=credential.issued_to_us)
        else:
            actor = Actor(
                credential.user_id, credential.github_user_id, credential.login, CredentialKind.SESSION, credential.id
            )
        if scope is not None and scope not in actor.scopes:
            raise Forbidden(f"This credential lacks the scope {scope}.")
        return actor

    async def live(self, actor: Actor) -> Actor:
        """The actor, proven: raises Unauthorized when the session was revoked or has ended."""
        async with self._database.read() as connection:
            return _proven(actor, await store.person(connection, actor))

    async def person(self, request: Request, scope: Scope | None) -> PersonGrant:
        """For routes about the caller's own things."""
        actor = await self.live(await self.actor(request, scope))
        return PersonGrant(actor, self.origin(request), _MINT)

    def origin(self, request: Request) -> Origin:
        """Where a request came from."""
        return origin_of(request, self._trusted)

    # vaults and environments -------------------------------------------------------------------------------------

    async def environment(self, actor: Actor, origin: Origin, asked: EnvironmentName, verb: Verb) -> EnvironmentGrant:
        """For /v1/secrets: one environment of one vault, both named by the request."""
        actor, standing = await self._standing(actor, Named(asked.owner, asked.name), asked.environment)
        vault, role = standing.vault, standing.role
        if vault is None or role is None:
            raise self._refused(actor, standing, refusals.no_vault_in_secrets())
        environment = vault.environments[0] if vault.environments else None
        if environment is not None:
            verbs = vault.verbs(role, actor.github_user_id, environment)
        else:
            implied = type_from_name(asked.environment)
            verbs = allowed_verbs(role, actor.github_user_id, implied, None, vault.rules)
        if verb not in verbs:
            raise refusals.verb_denied(role, verb, asked.environment)
        return EnvironmentGrant(
            actor, origin, vault.vault, environment, asked.environment, role, verb, Verb.READ in verbs, _MINT
        )

    async def vault(self, actor: Actor, origin: Origin, owner: str, name: str) -> VaultGrant:
        """For GET /v1/vaults/{owner}/{repo}: any role; its creator also while the App is not installed."""
        actor, standing = await self._standing(actor, Named(owner, name))
        vault, role = standing.vault, standing.role
        if vault is None or (role is None and not _sees_remains(actor, standing)):
            raise refusals.no_vault_in_path()
        return self._vault_grant(actor, origin, vault, role)

    async def vaults(self, grant: PersonGrant) -> list[VaultGrant]:
        """Every vault on which the person has a role, last changed first.

        A vault whose installation lacks a permission is left out: its owner's mistake must not close everybody's list.
        """
        since = time.monotonic()
        actor, everything = await self._look_up(grant.actor, None)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def role_on(vault: Found) -> Role | None:
            named = Named(vault.vault.owner_login, vault.vault.repo_name)
            async with gate:
                try:
                    standing = await self._decided(actor, named, [vault], since=since)
                except refusals.AppPermissionMissing:
                    _log.warning("app_permission_missing", vault_id=str(vault.vault.id))
                    return None
            # The name may be another repository's by now: a role there is none here.
            same = standing.vault is not None and standing.vault.vault.id == vault.vault.id
            return standing.role if same else None

        roles = await asyncio.gather(*(role_on(vault) for vault in everything))
        pairs = zip(everything, roles, strict=True)
        return [self._vault_grant(actor, grant.origin, vault, role) for vault, role in pairs if role is not None]

    # repositories without a vault --------------------------------------------------------------------------------

    async def repository(self, grant: PersonGrant, owner: str, name: str) -> Granted | Denied | NotInstalled:
        """What the person is on a repository, whether it has a vault or not. Raises Unavailable, Forbidden."""
        answer = await self._roles.ask(grant.actor, owner, name, since=time.monotonic())
        if isinstance(answer, Misconfigured | Unknown):
            raise refusals.undecided(answer)
        return answer

    async def new_vault(self, grant: PersonGrant, owner: str, name: str) -> RepositoryGrant:
        """For POST /v1/vaults: an admin of a repository that the App reaches."""
        answer = await self.repository(grant, owner, name)
        if not isinstance(answer, Granted):
            raise refusals.no_repository(f"{owner}/{name}", self.install_url)
        if answer.role is not Role.ADMIN:
            raise refusals.not_admin()
        self._absent.clear()
        return RepositoryGrant(grant.actor, grant.origin, answer.repository, _MINT)

    # how ---------------------------------------------------------------------------------------------------------

    async def _look_up(
        self, actor: Actor, where: Named | Numbered | None, environment: str | None = None
    ) -> tuple[Actor, list[Found]]:
        async with self._database.read() as connection:
            rows = await store.look_up(connection, actor, where, environment)
        proven = _proven(actor, rows[0]) if rows else await self.live(actor)
        return proven, found(rows, actor.github_user_id, self._macs)

    async def _standing(self, actor: Actor, named: Named, environment: str | None = None) -> tuple[Actor, Standing]:
        since = time.monotonic()
        actor, there = await self._look_up(actor, named, environment)
        return actor, await self._decided(actor, named, there, environment, since=since)

    async def _decided(
        self, actor: Actor, named: Named, there: list[Found], environment: str | None = None, *, since: float
    ) -> Standing:
        """The vault of that name now, and what the person is there. No connection is held while GitHub is asked."""
        if len(there) == 1 and (cached := there[0].cached) is not None:
            _REMEMBERED_ROLE.inc()
            return Standing(there[0], cached.role, cached.installed)
        if not there and self._absent.get(_key(actor, named), 0.0) > time.monotonic():
            return Standing(None, None)
        _ASKED_ROLE.inc()
        expected = there[0] if len(there) == 1 else None
        repository_id = expected.vault.github_repo_id if expected is not None else None
        answer = await self._roles.ask(actor, named.owner, named.name, since=since, expected=repository_id)
        match answer:
            case Granted(role, repository, _):
                return Standing(await self._vault_of(actor, named, there, repository, environment), role)
            case Denied(repository, _) if repository is not None:
                return Standing(await self._vault_of(actor, named, there, repository, environment), None)
            case Denied():
                self._note_absent(actor, named, there)
                return Standing(expected, None)
            case NotInstalled():
                self._note_absent(actor, named, there)
                return Standing(expected, None, installed=False)
            case Misconfigured() | Unknown():
                raise refusals.undecided(answer)

    async def _vault_of(
        self, actor: Actor, named: Named, there: list[Found], repository: Repository, environment: str | None
    ) -> Found | None:
        """Follows the repository's number: a renamed one is found under its new name, and a name that was taken again
        leads nowhere (policy.yaml `roles.resolution`)."""
        async with self._database.read() as connection:
            await store.relabel(connection, repository)
        for vault in there:
            if vault.vault.github_repo_id == repository.id:
                return vault
        _, by_number = await self._look_up(actor, Numbered(repository.id), environment)
        self._note_absent(actor, named, by_number)
        return by_number[0] if by_number else None

    def _note_absent(self, actor: Actor, named: Named, there: list[Found]) -> None:
        """A name without a vault costs GitHub one question in ten seconds per person, as a refusal on a vault does:
        kept for all, a second account could tell by the time whether a stranger's vault is there."""
        if there:
            return
        self._absent[_key(actor, named)] = time.monotonic() + DENIED_SECONDS
        if len(self._absent) > _REMEMBERED:
            self._absent.popitem(last=False)

    def _refused(self, actor: Actor, standing: Standing, no_access: Problem) -> Problem:
        """Only the creator learns that the App is what is missing."""
        if standing.vault is not None and _sees_remains(actor, standing):
            return refusals.not_installed(standing.vault.vault.full_name, self.install_url)
        return no_access

    def _vault_grant(self, actor: Actor, origin: Origin, vault: Found, role: Role | None) -> VaultGrant:
        nothing: frozenset[Verb] = frozenset()
        allowed = {
            environment.id: (
                environment,
                vault.verbs(role, actor.github_user_id, environment) if role is not None else nothing,
            )
            for environment in vault.environments
        }
        return VaultGrant(actor, origin, vault.vault, role, allowed, _MINT)


def _sees_remains(actor: Actor, standing: Standing) -> bool:
    """Whether this is the creator of a vault that the App no longer reaches (policy.yaml `app_not_installed`)."""
    return not standing.installed and standing.vault is not None and standing.vault.creator == actor.github_user_id


def _proven(actor: Actor, row: DictRow | None) -> Actor:
    if row is None or (actor.credential_kind is CredentialKind.SESSION and not row["session_live"]):
        raise credentials.invalid()
    login = row["login"]
    return actor if login in {None, actor.login} else replace(actor, login=login)


def _key(actor: Actor, named: Named) -> tuple[int, str]:
    return actor.github_user_id, f"{named.owner}/{named.name}".lower()
