"""Syncs between an environment and a provider's project. A push is a pull by that person, recorded before any value
leaves; a pull only adds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from keyway_core.roles import Role, Verb
from keyway_core.sensitive import Sensitive

from keyway_backend import audit
from keyway_backend.access.grants import EnvironmentGrant, VaultGrant
from keyway_backend.access.narrow import narrow, readable
from keyway_backend.audit import Action, Event, Subject
from keyway_backend.clients.providers import ProviderFailed, Target, Variables, within
from keyway_backend.db.engine import Database
from keyway_backend.features.integrations import errors, rules, store
from keyway_backend.features.integrations.rules import Direction, Plan
from keyway_backend.features.integrations.service import Integrations, Opened
from keyway_backend.features.secrets.rules import read_push
from keyway_backend.features.secrets.service import Preconditions, Pulled, SecretsService
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import Problem
from keyway_backend.platform.ids import new_id

READ_SECONDS: Final = 6.0
SYNC_SECONDS: Final = 9.0  # with what is done here it stays below policy.yaml limits.deadlines_seconds.request


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks to be compared or synced."""

    connection_id: UUID | None
    project_id: str
    service_id: str | None
    environment: str
    provider_environment: str
    direction: Direction = Direction.PUSH
    delete: bool = False

    @property
    def stored_environment(self) -> str:
        """As a link names it: for services with the service behind it (contract.md 4.12)."""
        return f"{self.provider_environment}:{self.service_id}" if self.service_id else self.provider_environment

    @property
    def target(self) -> Target:
        """As the provider's client is asked."""
        return Target(self.project_id, self.provider_environment, self.service_id)


@dataclass(frozen=True, slots=True)
class Done:
    """What a sync did, in figures; `failed` are names that the provider did not take."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    skipped: int = 0
    failed: int = 0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """In both shapes that clients read (contract.md 15)."""
        counts = {"created": self.created, "updated": self.updated, "deleted": self.deleted, "skipped": self.skipped}
        total = self.created + self.updated + self.deleted + self.skipped
        status = "success" if self.error is None else "partial" if total - self.skipped else "error"
        told = {"error": self.error} if self.error is not None else {}
        return {
            "success": self.error is None,
            "stats": {**counts, "total": total},
            "status": status,
            **counts,
            **told,
        }


class Syncing:
    """Compares and copies, as far as a grant and a connection reach."""

    def __init__(self, database: Database, integrations: Integrations, secrets: SecretsService) -> None:
        self._database = database
        self._integrations = integrations
        self._secrets = secrets

    async def link(self, grant: VaultGrant, wanted: Wanted) -> dict[str, Any]:
        """Remembers that an environment and a project belong together."""
        here = narrow(grant, wanted.environment, Verb.READ, missing=errors.no_environment_in_body())
        opened = await self._integrations.open(grant, wanted.connection_id)
        name = await self._integrations.project_name(opened, wanted.project_id)
        async with self._database.transaction() as connection:
            row, is_new = await store.link(
                connection,
                here,
                id_=new_id(),
                connection_id=opened.id,
                project_id=wanted.project_id,
                provider_environment=wanted.stored_environment,
                at=now(),
            )
            if name is not None:
                await store.name_project(connection, row["id"], name)
            await audit.record(connection, self._event(Action.SYNC_LINKED, here, opened, wanted, {"isNew": is_new}))
        named = row | {"project_name": name or row["project_name"]}
        shown = _link(named, opened.provider.name, wanted.environment)
        return shown | {"vaultId": str(grant.vault.id), "isNew": is_new}

    async def status(self, grant: VaultGrant, wanted: Wanted) -> dict[str, Any]:
        """Whether it would be the first sync, and what each side holds."""
        here, opened = await self._named(grant, wanted)
        ours, there = await self._sides(here, opened, wanted)
        async with self._database.read() as connection:
            row = await store.link_of(connection, here, opened.id, wanted.project_id, wanted.stored_environment)
        count = len(rules.without_ignored(there.values, opened.provider.ignored_prefixes))
        return {
            "isFirstSync": row is None or row["last_synced_at"] is None,
            "vaultIsEmpty": not ours.values,
            "providerHasSecrets": count > 0,
            "providerSecretCount": count,
        }

    async def diff(self, grant: VaultGrant, wanted: Wanted) -> dict[str, Any]:
        """Names: only here, only there, different, the same."""
        here, opened = await self._named(grant, wanted)
        ours, there = await self._sides(here, opened, wanted)
        theirs = rules.without_ignored(there.values, opened.provider.ignored_prefixes)
        found = rules.difference(ours.values, theirs)
        return {
            "keywayCount": len(ours.values),
            "providerCount": len(theirs),
            "onlyInKeyway": list(found.ours),
            "onlyInProvider": list(found.theirs),
            "different": list(found.different),
            "same": list(found.same),
        }

    async def preview(self, grant: VaultGrant, wanted: Wanted) -> dict[str, Any]:
        """What a sync would do."""
        here = narrow(grant, wanted.environment, Verb.READ, missing=errors.no_environment_in_query())
        self._admit(grant, here, wanted)
        opened = await self._integrations.open(grant, wanted.connection_id)
        ours, there = await self._sides(here, opened, wanted)
        return _plan(opened, wanted, ours.values, there).to_json()

    async def sync(self, grant: VaultGrant, wanted: Wanted) -> dict[str, Any]:
        """Does it. A provider that fails is told in the answer, not by its status."""
        here = narrow(grant, wanted.environment, Verb.READ, missing=errors.no_environment_in_body())
        writing = self._admit(grant, here, wanted)
        opened = await self._integrations.open(grant, wanted.connection_id)
        until = asyncio.get_running_loop().time() + SYNC_SECONDS
        try:
            async with within(READ_SECONDS):
                there = await opened.provider.read(opened.key, wanted.target)
            if writing is None:
                done = await self._push(here, opened, wanted, there, until)
            else:
                done = await self._pull(here, writing, opened, wanted, there)
        except ProviderFailed as failed:
            done = Done(error=str(failed))
        if done.error is None:
            await self._note(here, opened, wanted)
        return done.to_json()

    async def _push(
        self, here: EnvironmentGrant, opened: Opened, wanted: Wanted, there: Variables, until: float
    ) -> Done:
        pulled = await self._pulled(here)
        if pulled is None:
            return Done(error="The environment is empty: there is nothing to push, and nothing was deleted.")
        plan = _plan(opened, wanted, pulled, there)
        async with self._database.transaction() as connection:
            await audit.record(connection, self._event(Action.SECRETS_SYNCED, here, opened, wanted, _counts(plan)))
        sent = {name: pulled[name] for name in (*plan.create, *plan.update)}
        key, target, gone = opened.key, wanted.target, set(plan.delete)
        set_there, deleted = set[str](), set[str]()
        if sent:
            await _until(until, opened.provider.write(key, target, sent, there, set_there))
        failed = sent.keys() - set_there
        if gone and not failed:
            await _until(until, opened.provider.delete(key, target, gone, there, deleted))
        return _done(plan, failed, gone - deleted)

    async def _pulled(self, here: EnvironmentGrant) -> Mapping[str, Sensitive] | None:
        """All values, after the row that says that this person pulled them is committed."""
        if not (await self._secrets.look(here)).values:
            return None
        pulled = await self._secrets.pull(here)
        return pulled.values if isinstance(pulled, Pulled) else None

    async def _pull(
        self, here: EnvironmentGrant, writing: EnvironmentGrant, opened: Opened, wanted: Wanted, there: Variables
    ) -> Done:
        ours = await self._secrets.look(here)
        plan = _plan(opened, wanted, ours.values, there)
        if plan.create:
            values = {name: value.reveal() for name in plan.create if (value := there.values[name]) is not None}
            body = {"mode": "merge", "secrets": values, "message": f"Pulled from {opened.provider.display_name}"}
            try:
                await self._secrets.push(writing, read_push(body), Preconditions(revision=ours.head.revision_id))
            except Problem as problem:
                if problem.status != 409:
                    raise
                return Done(error="The environment changed meanwhile. Nothing was pulled; try again.")
        async with self._database.transaction() as connection:
            await audit.record(connection, self._event(Action.SECRETS_SYNCED, here, opened, wanted, _counts(plan)))
        return _done(plan, set(), set())

    async def _named(self, grant: VaultGrant, wanted: Wanted) -> tuple[EnvironmentGrant, Opened]:
        here = narrow(grant, wanted.environment, Verb.READ, missing=errors.no_environment_in_query())
        return here, await self._integrations.open(grant, wanted.connection_id)

    async def _sides(self, here: EnvironmentGrant, opened: Opened, wanted: Wanted) -> tuple[Pulled, Variables]:
        try:
            async with within(READ_SECONDS):
                there = await opened.provider.read(opened.key, wanted.target)
        except ProviderFailed as failed:
            raise errors.not_answered(failed) from None
        return await self._secrets.look(here), there

    def _admit(self, grant: VaultGrant, here: EnvironmentGrant, wanted: Wanted) -> EnvironmentGrant | None:
        """The grant to write here, for a pull. Raises Forbidden."""
        writing = None
        if wanted.direction is Direction.PULL:
            missing = errors.no_environment_in_body()
            writing = narrow(grant, wanted.environment, Verb.WRITE, missing=missing)
        kind = here.environment.type if here.environment is not None else None
        crosses = kind is not None and rules.crosses_protection(wanted.direction, kind, wanted.provider_environment)
        if crosses and grant.role is not Role.ADMIN:
            raise errors.admin_only(wanted.environment if writing else wanted.provider_environment)
        return writing

    async def _note(self, here: EnvironmentGrant, opened: Opened, wanted: Wanted) -> None:
        async with self._database.transaction() as connection:
            row = await store.link_of(connection, here, opened.id, wanted.project_id, wanted.stored_environment)
            if row is not None:
                await store.synced(connection, row["id"], now())

    def _event(
        self, action: Action, here: EnvironmentGrant, opened: Opened, wanted: Wanted, details: Mapping[str, Any]
    ) -> Event:
        environment = here.environment
        subject = Subject(
            here.vault.id,
            here.vault.full_name,
            environment.id if environment else None,
            environment.name if environment else None,
        )
        told = {
            "provider": opened.provider.name,
            "projectId": wanted.project_id,
            "providerEnvironment": wanted.stored_environment,
            "direction": wanted.direction.value,
            **details,
        }
        return Event(action, here.actor, here.origin, subject, details=told)


class LinkedVaults:
    """What vaults show of their links: those of environments that the caller may read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, grants: Sequence[VaultGrant]) -> Mapping[UUID, Sequence[Mapping[str, str | None]]]:
        """Per vault its links."""
        if not grants:
            return {}
        async with self._database.read() as connection:
            found = await store.links(connection, grants)
        shown: dict[UUID, list[Mapping[str, str | None]]] = {}
        visible = {id_ for grant in grants for id_ in readable(grant)}
        for row in found:
            if row["environment_id"] in visible:
                shown.setdefault(row["vault_id"], []).append(_link(row, row["provider"], row["environment"]))
        return shown


def _link(row: Mapping[str, Any], provider: str, environment: str) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "provider": provider,
        "projectId": row["project_id"],
        "projectName": row["project_name"],
        "connectionId": str(row["connection_id"]),
        "keywayEnvironment": environment,
        "providerEnvironment": row["provider_environment"],
        "lastSyncedAt": iso(row["last_synced_at"]) if row["last_synced_at"] else None,
    }


def _plan(opened: Opened, wanted: Wanted, ours: Mapping[str, Sensitive], there: Variables) -> Plan:
    ignored = opened.provider.ignored_prefixes
    if wanted.direction is Direction.PUSH:
        return rules.plan_push(ours, there.values, ignored=ignored, delete=wanted.delete, fixed=there.fixed)
    return rules.plan_pull(ours, there.values, ignored=ignored)


def _counts(plan: Plan) -> dict[str, int]:
    return {"created": len(plan.create), "updated": len(plan.update), "deleted": len(plan.delete)}


def _done(plan: Plan, failed: set[str], kept: set[str]) -> Done:
    missed = len(failed) + len(kept)
    return Done(
        len(set(plan.create) - failed),
        len(set(plan.update) - failed),
        len(set(plan.delete) - kept),
        len(plan.skip),
        missed,
        f"{missed} variables were not accepted by the provider, or not in time. Sync again." if missed else None,
    )


async def _until(until: float, work: Awaitable[None]) -> None:
    """Breaks off what a provider does not end in time; what it has taken by then is known."""
    try:
        async with asyncio.timeout_at(until):
            await work
    except TimeoutError:
        return
