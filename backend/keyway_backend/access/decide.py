"""Every decision about access. Guards call it once per request; it returns a grant or raises the answer.

The way of a request (policy.yaml `statuses.order`): credential, kind and scope, what names the object, object and role,
right. One statement brings everything that the database knows; GitHub is asked only where no fresh role is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from keyway_core.roles import Role, Verb, type_from_name
from starlette.requests import Request

from keyway_backend.access import binding, refusals, store
from keyway_backend.access.actor import NOBODY, Actor, Origin, Person, Scope, Workflow
from keyway_backend.access.callers import Callers
from keyway_backend.access.credentials import Credential
from keyway_backend.access.grants import (
    _MINT,
    Checkout,
    Effective,
    EnvironmentGrant,
    Organization,
    OrganizationRole,
    OrgGrant,
    PersonGrant,
    RepositoryGrant,
    SecretGrant,
    Vault,
    VaultGrant,
)
from keyway_backend.access.listing import Listings
from keyway_backend.access.macs import Macs
from keyway_backend.access.matrix import allowed_verbs
from keyway_backend.access.narrow import narrow
from keyway_backend.access.organizations import Organizations
from keyway_backend.access.records import Found, found
from keyway_backend.access.rights import Right
from keyway_backend.access.roles import Denied, Granted, Misconfigured, NotInstalled, Roles, Unknown
from keyway_backend.access.rows import Rows, all_rows, bound_environments, rows_of
from keyway_backend.access.standing import Standing, allowed, environment_in_binding, sees_remains, still_allows
from keyway_backend.access.standings import Standings, remembered
from keyway_backend.access.store import Known, Named, Numbered
from keyway_backend.db.engine import Database
from keyway_backend.platform import log
from keyway_backend.platform.errors import Problem, Unavailable

_log = log.logger("access")
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class EnvironmentName:
    """An environment as a request names it."""

    owner: str
    name: str
    environment: str


WriteLock = Callable[[Vault], Awaitable[None]]
"""Raises a problem for a vault that may only be read, whoever asks."""


class Access:
    """Who may do what, decided once per request."""

    def __init__(  # noqa: PLR0913 - everything that decides
        self,
        database: Database,
        roles: Roles,
        callers: Callers,
        standings: Standings,
        macs: Macs,
        organizations: Organizations,
        listings: Listings,
        *,
        install_url: str,
        write_lock: WriteLock | None = None,
    ) -> None:
        self._database = database
        self._roles = roles
        self._callers = callers
        self._standings = standings
        self._macs = macs
        self._organizations = organizations
        self._listings = listings
        self.install_url = install_url
        self._write_lock = write_lock

    # credentials -------------------------------------------------------------------------------------------------

    async def person(self, request: Request, scope: Scope | None, *, ci: bool = False) -> PersonGrant:
        """For routes about the caller's own things."""
        actor = await self.live(await self.actor(request, scope, ci=ci))
        return PersonGrant(actor, self.origin(request), _MINT)

    async def actor(self, request: Request, scope: Scope | None, *, ci: bool = False) -> Actor:
        """See `Callers.actor`."""
        return await self._callers.actor(request, scope, ci=ci)

    async def live(self, actor: Actor) -> Actor:
        """See `Callers.live`."""
        return await self._callers.live(actor)

    def signing_out(self, request: Request) -> Credential | None:
        """See `Callers.signing_out`."""
        return self._callers.signing_out(request)

    def origin(self, request: Request) -> Origin:
        """Where a request came from."""
        return self._callers.origin(request)

    async def refuse_locked(self, vault: Vault, scope: Scope) -> None:
        """After the right: billing may have made the vault read-only. What deletes is not held back by it."""
        if self._write_lock is not None and scope is Scope.WRITE:
            await self._write_lock(vault)

    # vaults and environments -------------------------------------------------------------------------------------

    async def environment(
        self,
        actor: Actor,
        origin: Origin,
        asked: EnvironmentName,
        verb: Verb,
        *,
        in_path: bool = False,
        only_reads: bool = False,
    ) -> EnvironmentGrant:
        """One environment of one vault, both named by the request; under /v1/vaults (`in_path`) it has to exist.

        `only_reads`: a former role counts while GitHub is out (policy.yaml `github.grace`).
        """
        if actor.workflow is not None:
            return await self._workflow_environment(actor, actor.workflow, origin, asked)
        # What no environment can be called is looked for by a name that none has: text columns hold no NUL.
        wanted = asked.environment if asked.environment.isprintable() else ""
        actor, standing = await self._standings.of(actor, Named(asked.owner, asked.name), wanted, only_reads=only_reads)
        vault, role = standing.vault, standing.role
        if vault is not None and not environment_in_binding(actor, vault):
            raise refusals.outside_binding()
        if vault is None or role is None:
            no_access = refusals.no_vault_in_path() if in_path else refusals.no_vault_in_secrets()
            raise self._refused(actor, standing, no_access)
        environment = vault.environments[0] if vault.environments else None
        if environment is not None:
            verbs = vault.verbs(role, actor.github_user_id, environment)
        else:
            implied = type_from_name(asked.environment)
            verbs = allowed_verbs(role, actor.github_user_id, implied, None, vault.rules)
        if verb not in verbs:
            raise refusals.verb_denied(role, verb, asked.environment)
        if environment is None and in_path:
            raise refusals.no_environment()
        there = replace(vault.vault, installation_id=standing.installation_id)
        origin = replace(origin, in_grace=standing.in_grace)
        reads = Verb.READ in verbs and Scope.READ in actor.scopes
        return EnvironmentGrant(actor, origin, there, environment, asked.environment, role, verb, reads, _MINT)

    async def vault(
        self,
        actor: Actor,
        origin: Origin,
        named: Named,
        right: Right = Right.ANY_ROLE,
        *,
        while_uninstalled: bool = False,
        only_reads: bool = False,
    ) -> VaultGrant:
        """The vault of a name. With `while_uninstalled` its creator has it also while the App is not installed.

        `only_reads`: a former role counts while GitHub is out, for reading an environment and nothing else.
        """
        actor, standing = await self._standings.of(actor, named, only_reads=only_reads)
        vault, role = standing.vault, standing.role
        if vault is None or role is None:
            if vault is None or not (while_uninstalled and sees_remains(actor, standing)):
                raise self._refused(actor, standing, refusals.no_vault_in_path())
            return self._vault_grant(actor, origin, standing, vault)
        grant = self._vault_grant(actor, origin, standing, vault)
        match right:
            case Right.ADMIN if role is not Role.ADMIN:
                raise refusals.not_admin()
            case Right.MANAGE if not (grant := await self.with_manage(grant)).manage:
                raise refusals.not_manager()
        return grant

    async def secret(
        self, grant: VaultGrant, secret_id: UUID | None, verb: Verb, *, trashed: bool = False
    ) -> SecretGrant:
        """One secret of a granted vault. Foreign, deleted and missing are one answer; None stands for no id at all."""
        row = None
        if secret_id is not None:
            async with self._database.read() as connection:
                row = await store.secret(connection, grant.vault.id, secret_id, trashed=trashed)
        if row is None or secret_id is None:
            raise refusals.no_secret()
        environment = narrow(grant, row.environment_id, verb, missing=refusals.no_secret())
        return SecretGrant(environment, secret_id, row.key, _MINT)

    async def with_manage(self, grant: VaultGrant) -> VaultGrant:
        """The same grant, knowing whether the actor manages the vault. Raises Unavailable."""
        if grant.manage is not None:
            return grant
        manage = await self.manages(grant)
        return VaultGrant(
            grant.actor,
            grant.origin,
            grant.vault,
            grant.role,
            grant.environments,
            manage,
            grant.created_by,
            grant.rules,
            _MINT,
        )

    async def manages(self, grant: VaultGrant | EnvironmentGrant) -> bool:
        """Role admin, or active owner of the organisation that owns the repository. GitHub is asked only for the
        second; without the permission to ask, admins alone manage. Raises Unavailable."""
        if grant.origin.in_grace:
            raise refusals.undecided(Unknown())
        if grant.role is Role.ADMIN or grant.role is None or grant.vault.installation_id is None:
            return grant.role is Role.ADMIN
        vault, person = grant.vault, grant.actor.person
        try:
            role = await self._organizations.role(
                person, vault.github_owner_id, vault.owner_login, grant.vault.installation_id
            )
        except refusals.AppPermissionMissing:
            return False
        return role == "owner"

    async def vaults(self, grant: PersonGrant | OrgGrant) -> list[VaultGrant]:
        """Every vault on which the person has a role.

        A vault whose installation lacks a permission is left out: its owner's mistake must not close everybody's list.
        So is one of which GitHub does not say who may; only when nothing at all is known that is the answer (503).
        """
        return await self._granted(grant, Known())

    async def _granted(self, grant: PersonGrant | OrgGrant, where: Known) -> list[VaultGrant]:
        """`vaults`; those of a bare look-up name no environment, so they must not leave this class."""
        since = time.monotonic()
        actor, known = await self._standings.look_up(grant.actor, where)
        candidates = await self._listings.candidates(actor, known)
        bound = [vault for vault in candidates.vaults if binding.holds(actor, vault.vault.id)]
        gate, open_questions = asyncio.Semaphore(_AT_ONCE), [] if candidates.complete else [Unknown()]

        async def standing_on(vault: Found) -> Standing | None:
            named = Named(vault.vault.owner_login, vault.vault.repo_name)
            try:
                async with gate:
                    standing = await self._standings.decided(actor, named, [vault], since=since)
            except refusals.AppPermissionMissing:
                _log.warning("app_permission_missing", vault_id=str(vault.vault.id))
                return None
            except Unavailable:
                open_questions.append(Unknown())
                return None
            # The name may be another repository's by now: a role there is none here.
            same = standing.vault is not None and standing.vault.vault.id == vault.vault.id
            return standing if same else None

        # Of hundreds of vaults next to all are remembered: they need no task of their own.
        known_already = [remembered(vault) for vault in bound]
        asked = [vault for vault, there in zip(bound, known_already, strict=True) if there is None]
        answers = iter(await asyncio.gather(*(standing_on(vault) for vault in asked)))
        standings = [next(answers) if there is None else there for there in known_already]
        granted = [
            self._vault_grant(actor, grant.origin, standing, standing.vault)
            for standing in standings
            if standing is not None and standing.role is not None and standing.vault is not None
        ]
        if open_questions and not granted:
            raise refusals.undecided(open_questions[0])
        return granted

    async def managed(self, grant: PersonGrant | OrgGrant) -> list[VaultGrant]:
        """Those of `vaults` that the person manages; an organisation is asked about once, and left out when GitHub
        does not say. Raises Unavailable when nothing at all is known."""
        return await self._of_managers(await self.vaults(grant))

    async def managed_numbers(self, grant: PersonGrant | OrgGrant) -> Rows:
        """The rows of `managed` for numbers without a name: of all environments, unless the credential is bound to
        some. It costs nothing more where vaults have many environments."""
        if bound_environments(grant.actor) is not None:
            return rows_of(grant.actor, await self.managed(grant), everybody=True)
        bare = await self._of_managers(await self._granted(grant, Known(bare=True)))
        return all_rows(grant.actor, [one.vault.id for one in bare])

    async def _of_managers(self, grants: list[VaultGrant]) -> list[VaultGrant]:
        owned: dict[int, bool | Unavailable] = {}
        for one in grants:
            if one.role is not Role.ADMIN and one.vault.github_owner_id not in owned:
                try:
                    owned[one.vault.github_owner_id] = await self.manages(one)
                except Unavailable as silence:
                    owned[one.vault.github_owner_id] = silence
        managed = [one for one in grants if one.role is Role.ADMIN or owned[one.vault.github_owner_id] is True]
        silent = next((told for told in owned.values() if isinstance(told, Unavailable)), None)
        if silent is not None and not managed:
            raise silent
        return managed

    async def effective(self, grant: VaultGrant, person: Person) -> Effective:
        """What another person is on a granted vault, and may do there. Raises Unavailable."""
        since = time.monotonic()
        async with self._database.read() as connection:
            rows = await store.look_up(connection, person, Numbered(grant.vault.github_repo_id))
        there = found(rows, person.github_user_id, self._macs)
        named = Named(grant.vault.owner_login, grant.vault.repo_name)
        standing = await self._standings.decided(person, named, there, since=since)
        vault, role = standing.vault, standing.role
        if vault is None or vault.vault.id != grant.vault.id:
            return Effective(person, None, allowed(person, there[0], None) if there else {})
        return Effective(person, role, allowed(person, vault, role))

    # organisations -----------------------------------------------------------------------------------------------

    async def organization(self, actor: Actor, origin: Origin, login: str, right: Right) -> OrgGrant:
        """A connected organisation by its label. Foreign and missing are one answer. Raises Unavailable."""
        actor = await self.live(actor)
        async with self._database.read() as connection:
            row = await store.organization(connection, login)
        if row is None:
            raise refusals.no_organization()
        organization = Organization(**row)
        installation = await self._organizations.installation(organization.github_org_id, organization.login)
        if installation is None:
            raise refusals.no_organization()
        role = await self._organizations.role(
            actor.person, organization.github_org_id, organization.login, installation
        )
        if role is None:
            raise refusals.no_organization()
        if right is Right.ORG_ADMIN and role != "owner":
            raise refusals.not_owner()
        return OrgGrant(actor, origin, organization, role, installation, _MINT)

    async def organization_role(
        self, actor: Actor, github_org_id: int, login: str | None = None
    ) -> OrganizationRole | None:
        """What the person is in an organisation, by GitHub's word of now; `login` for one that is not connected yet.

        Raises Unavailable, and refusals.AppPermissionMissing (403).
        """
        if login is None:
            async with self._database.read() as connection:
                login = await store.organization_login(connection, github_org_id)
        if login is None:
            return None
        installation = await self._organizations.installation(github_org_id, login)
        if installation is None:
            return None
        return await self._organizations.role(actor.person, github_org_id, login, installation)

    # repositories without a vault --------------------------------------------------------------------------------

    async def repository(self, grant: PersonGrant, owner: str, name: str) -> Granted | Denied | NotInstalled:
        """What the person is on a repository, whether it has a vault or not. Raises Unavailable, Forbidden."""
        since = time.monotonic()
        if grant.actor.binding is not None:
            await self._standings.look_up_bound(grant.actor, Named(owner, name))
        answer = await self._roles.ask(grant.actor.person, owner, name, since=since)
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
        self._standings.forget_absent()
        return RepositoryGrant(grant.actor, grant.origin, answer.repository, _MINT)

    async def checkout(self, person: Person, owner: str, name: str, repository_id: int) -> Checkout | None:
        """For a workflow run of a repository: GitHub is asked now. None without an active installation, without a
        vault, or when that name is another repository's. Raises Unavailable, refusals.AppPermissionMissing."""
        answer = await self._roles.ask(person, owner, name, since=time.monotonic())
        if isinstance(answer, Misconfigured | Unknown):
            raise refusals.undecided(answer)
        if isinstance(answer, NotInstalled) or answer.repository is None or answer.repository.id != repository_id:
            return None
        async with self._database.read() as connection:
            await store.relabel(connection, answer.repository)
            rows = await store.look_up(connection, person, Numbered(repository_id))
        there = found(rows, person.github_user_id, self._macs)
        if not there:
            return None
        role = answer.role if isinstance(answer, Granted) else None
        vault = replace(there[0].vault, installation_id=answer.installation_id)
        return Checkout(vault, there[0].environments, answer.repository, role)

    # how ---------------------------------------------------------------------------------------------------------

    async def _workflow_environment(
        self, actor: Actor, workflow: Workflow, origin: Origin, asked: EnvironmentName
    ) -> EnvironmentGrant:
        """For a CI token: its one environment, if everything that allowed it still holds."""
        since = time.monotonic()
        person = workflow.person or NOBODY
        async with self._database.read() as connection:
            rows = await store.look_up(connection, person, Numbered(workflow.github_repo_id))
        there = [one for one in found(rows, person.github_user_id, self._macs) if binding.holds(actor, one.vault.id)]
        label = Named(asked.owner, asked.name)
        environment = next((e for one in there for e in one.environments if e.name == asked.environment), None)
        if environment is None or not binding.holds(actor, there[0].vault.id, environment.id):
            raise refusals.outside_binding()
        if there[0].vault.full_name.lower() != f"{label.owner}/{label.name}".lower() and (
            actor.binding is None or await self._standings.renamed(actor, person, actor.binding, label) is None
        ):
            raise refusals.outside_binding()
        standing = await self._standings.decided(person, label, there, since=since, only_reads=True)
        if standing.vault is None or not still_allows(workflow, standing, environment):
            raise refusals.workflow_ended()
        there_now = replace(standing.vault.vault, installation_id=standing.installation_id)
        origin = replace(origin, in_grace=standing.in_grace)
        return EnvironmentGrant(
            actor, origin, there_now, environment, environment.name, Role.READ, Verb.READ, also_reads=True, mint=_MINT
        )

    def _refused(self, actor: Actor, standing: Standing, no_access: Problem) -> Problem:
        """Only the creator learns that the App is what is missing."""
        if standing.vault is not None and sees_remains(actor, standing):
            return refusals.not_installed(standing.vault.vault.full_name, self.install_url)
        return no_access

    def _vault_grant(self, actor: Actor, origin: Origin, standing: Standing, vault: Found) -> VaultGrant:
        role = standing.role
        if origin.in_grace is not standing.in_grace:
            origin = replace(origin, in_grace=standing.in_grace)
        return VaultGrant(
            actor,
            origin,
            replace(vault.vault, installation_id=standing.installation_id),
            role,
            allowed(actor, vault, role),
            True if role is Role.ADMIN and not standing.in_grace else None,
            vault.creator,
            vault.rules,
            _MINT,
        )
