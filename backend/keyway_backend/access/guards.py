"""The guards of routes: FastAPI dependencies, each of which returns the grant that the handler passes on.

    PersonGuard(scope)                  PersonGrant        the caller's own things; scope None admits every credential
    SecretsGuard(verb)                  EnvironmentGrant   repository and environment from the query (pull, view)
    PushGuard()                         EnvironmentGrant   from the body alone; the query is not read
    NewVaultGuard()                     RepositoryGrant    repository from the body, admin there
    VaultGuard(scope, right)            VaultGrant         {owner}/{repo}
    SyncGuard()                         VaultGrant         {owner}/{repo}; writing, when the body asks for a pull
    EnvironmentGuard(scope, verb)       EnvironmentGrant   {owner}/{repo}/environments/{name}
    SecretGuard(scope, verb)            SecretGrant        {owner}/{repo} and {secretId}
    OrgGuard(right)                     OrgGrant           {org}

An environment that a body or a query names is narrowed from a VaultGrant (`narrow`). `ci` admits the tokens of
workflows. The `Access` that decides is at `request.app.state.access`; only the composition root puts it there.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from keyway_core.names import is_repository
from keyway_core.roles import Verb
from starlette.requests import Request

from keyway_backend.access import refusals
from keyway_backend.access.actor import Actor, Scope
from keyway_backend.access.decide import Access, EnvironmentName
from keyway_backend.access.grants import (
    EnvironmentGrant,
    OrgGrant,
    PersonGrant,
    RepositoryGrant,
    SecretGrant,
    VaultGrant,
)
from keyway_backend.access.rights import Right as Right  # noqa: PLC0414 - part of this surface
from keyway_backend.access.routing import Guard
from keyway_backend.access.store import Named
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.errors import FieldError, ValidationFailed

_MAX_ENVIRONMENT = 50


class PersonGuard(Guard):
    """Any valid credential with the scope."""

    def __init__(self, scope: Scope | None, *, ci: bool = False) -> None:
        self.scope = scope
        self.ci = ci

    async def __call__(self, request: Request) -> PersonGrant:
        return await _access(request).person(request, self.scope, ci=self.ci)


class SecretsGuard(Guard):
    """The environment that `?repo=` and `?environment=` name. With `needs_key`, `?key=` must be there as well."""

    def __init__(self, verb: Verb, *, needs_key: bool = False) -> None:
        self.verb = verb
        self.ci = verb is Verb.READ
        self.scope = Scope.READ if self.ci else Scope.WRITE
        self.needs_key = needs_key

    async def __call__(self, request: Request) -> EnvironmentGrant:
        access = _access(request)
        reads = self.ci
        actor = await access.actor(request, self.scope, ci=reads)
        query = request.query_params
        names = {"repo": query.getlist("repo"), "environment": query.getlist("environment")}
        if self.needs_key:
            names["key"] = query.getlist("key")
        faults = [
            FieldError(name, "Give this parameter exactly once.") for name, given in names.items() if len(given) != 1
        ]
        asked = None if faults else _environment(names["repo"][0], names["environment"][0], "repo", faults)
        if asked is None:
            await access.live(actor)
            raise ValidationFailed("Invalid request data", errors=faults)
        return await access.environment(actor, access.origin(request), asked, self.verb, only_reads=reads)


class PushGuard(Guard):
    """The environment that `repoFullName` and `environment` of the body name, for writing."""

    scope = Scope.WRITE
    verb = Verb.WRITE

    async def __call__(self, request: Request) -> EnvironmentGrant:
        access = _access(request)
        actor = await access.actor(request, Scope.WRITE)
        sent = await json_body(request)
        faults: list[FieldError] = []
        asked = _environment(sent.get("repoFullName"), sent.get("environment"), "repoFullName", faults)
        if asked is None:
            await access.live(actor)
            raise ValidationFailed("Invalid request data", errors=faults)
        grant = await access.environment(actor, access.origin(request), asked, Verb.WRITE)
        await access.refuse_locked(grant.vault, Scope.WRITE)
        return grant


class NewVaultGuard(Guard):
    """An admin of the repository that `repoFullName` of the body names."""

    scope = Scope.WRITE
    right = Right.ADMIN

    async def __call__(self, request: Request) -> RepositoryGrant:
        access = _access(request)
        grant = await access.person(request, Scope.WRITE)
        sent = await json_body(request)
        owner, name = repository_named(sent.get("repoFullName"), "repoFullName")
        return await access.new_vault(grant, owner, name)


class VaultGuard(Guard):
    """The vault of the repository that the path names. `asks_manage`: the grant says whether the actor manages it.

    `while_uninstalled`: its creator is admitted, with no role, while the App is not installed. `also` is a second scope
    that the credential must hold, for routes that touch a second object (policy.yaml `second`). `only_reads`: the right
    is env:read, on an environment that the query names, so that a former role counts while GitHub is out.
    """

    def __init__(
        self,
        scope: Scope,
        right: Right = Right.ANY_ROLE,
        *,
        while_uninstalled: bool = False,
        asks_manage: bool = False,
        also: Scope | None = None,
        only_reads: bool = False,
    ) -> None:
        self.scope = scope
        self.right = right
        self.only_reads = only_reads
        self.while_uninstalled = while_uninstalled
        self.asks_manage = asks_manage
        self.also = also

    async def __call__(self, request: Request) -> VaultGrant:
        access = _access(request)
        actor = await access.actor(request, self.scope)
        also = await self.second_scope(request)
        if also is not None and also not in actor.scopes:
            raise refusals.scope_missing(also)
        named = await _named_in_path(request, actor)
        origin = access.origin(request)
        options = {"while_uninstalled": self.while_uninstalled, "only_reads": self.only_reads}
        grant = await access.vault(actor, origin, named, self.right, **options)
        _refuse_other_environments(request, grant)
        for scope in {self.scope, also or self.scope}:
            await access.refuse_locked(grant.vault, scope)
        return await access.with_manage(grant) if self.asks_manage else grant

    async def second_scope(self, request: Request) -> Scope | None:  # noqa: ARG002 - others look into it
        """What this request needs beside the scope of the route."""
        return self.also


class SyncGuard(VaultGuard):
    """The vault of the path, to read it; a body that asks for a pull from the provider writes as well."""

    def __init__(self) -> None:
        super().__init__(Scope.READ)

    async def second_scope(self, request: Request) -> Scope | None:
        """write:secrets for `direction` pull."""
        return Scope.WRITE if (await json_body(request)).get("direction") == "pull" else None


class EnvironmentGuard(Guard):
    """One environment, named by the path."""

    def __init__(self, scope: Scope, verb: Verb, *, ci: bool = False) -> None:
        self.scope = scope
        self.verb = verb
        self.ci = ci

    async def __call__(self, request: Request) -> EnvironmentGrant:
        access = _access(request)
        actor = await access.actor(request, self.scope, ci=self.ci)
        named = await _named_in_path(request, actor)
        asked = EnvironmentName(named.owner, named.name, request.path_params["name"])
        reads = self.verb is Verb.READ and self.scope is Scope.READ
        origin = access.origin(request)
        grant = await access.environment(actor, origin, asked, self.verb, in_path=True, only_reads=reads)
        await access.refuse_locked(grant.vault, self.scope)
        return grant


class SecretGuard(Guard):
    """One secret, named by the path: a live one, or with `trashed` one in the trash."""

    def __init__(self, scope: Scope, verb: Verb, *, trashed: bool = False) -> None:
        self.scope = scope
        self.verb = verb
        self.trashed = trashed

    async def __call__(self, request: Request) -> SecretGrant:
        access = _access(request)
        actor = await access.actor(request, self.scope)
        named = await _named_in_path(request, actor)
        reads = self.verb is Verb.READ and self.scope is Scope.READ
        grant = await access.vault(actor, access.origin(request), named, only_reads=reads)
        found = await access.secret(grant, id_in_path(request, "secretId"), self.verb, trashed=self.trashed)
        await access.refuse_locked(grant.vault, self.scope)
        return found


class OrgGuard(Guard):
    """An organisation by its login; for its members, or with Right.ORG_ADMIN for its owners."""

    def __init__(self, right: Right = Right.ORG_MEMBER, scope: Scope = Scope.SESSION) -> None:
        self.right = right
        self.scope = scope

    async def __call__(self, request: Request) -> OrgGrant:
        access = _access(request)
        actor = await access.actor(request, self.scope)
        login = request.path_params["org"]
        if not is_repository(f"{login}/any"):
            await access.live(actor)
            raise refusals.no_organization()
        return await access.organization(actor, access.origin(request), login, self.right)


def id_in_path(request: Request, name: str) -> UUID | None:
    """An id of the path; None for what is none, which is as good as missing."""
    try:
        return UUID(request.path_params[name])
    except ValueError:
        return None


def _refuse_other_environments(request: Request, grant: VaultGrant) -> None:
    """A credential that is bound to environments names one of them, if the path names any."""
    bound, name = grant.actor.binding, request.path_params.get("name")
    if name is None or bound is None or not bound.environment_ids:
        return
    if name not in {one.name for one, _ in grant.environments.values()}:
        raise refusals.outside_binding()


async def _named_in_path(request: Request, actor: Actor) -> Named:
    """The repository of the path. A name that none can have is missing, for those who may ask."""
    owner, name = request.path_params["owner"], request.path_params["repo"]
    if not is_repository(f"{owner}/{name}"):
        await _access(request).live(actor)
        raise refusals.no_vault_in_path()
    return Named(owner, name)


def repository_named(text: Any, field: str) -> tuple[str, str]:
    """Owner and name. Raises ValidationFailed."""
    if not isinstance(text, str) or not is_repository(text):
        raise ValidationFailed("Invalid request data", errors=[_not_a_repository(field)])
    owner, _, name = text.partition("/")
    return owner, name


def _environment(repository: Any, environment: Any, field: str, faults: list[FieldError]) -> EnvironmentName | None:
    """The environment that a request names, or None and what is wrong with the names."""
    if not isinstance(repository, str) or not is_repository(repository):
        faults.append(_not_a_repository(field))
    if not isinstance(environment, str) or not _is_environment(environment):
        faults.append(FieldError("environment", f"Name an environment, in 1 to {_MAX_ENVIRONMENT} characters."))
    if faults:
        return None
    owner, _, name = repository.partition("/")
    return EnvironmentName(owner, name, environment)


def _is_environment(text: str) -> bool:
    """Whether an environment could be asked for by this text. What may be created is another, stricter question."""
    return 0 < len(text) <= _MAX_ENVIRONMENT and text.isprintable()


def _not_a_repository(field: str) -> FieldError:
    return FieldError(field, "Name a repository as owner/name.")


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access
