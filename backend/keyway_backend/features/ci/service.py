"""Exchanging GitHub's token of a run for one of ours, and keeping the rules (policy.yaml `oidc`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import jwt
import orjson
from keyway_core.roles import EnvironmentType
from keyway_core.sensitive import Sensitive
from psycopg.rows import DictRow

from keyway_backend import audit
from keyway_backend.access import ci_tokens, refusals
from keyway_backend.access.actor import NOBODY, Origin, Person
from keyway_backend.access.ci_tokens import NewToken, rule_fields, rule_is_ours
from keyway_backend.access.decide import Access
from keyway_backend.access.grants import Checkout, Environment, VaultGrant
from keyway_backend.access.macs import Macs, Purpose
from keyway_backend.audit import Action, Event, Subject
from keyway_backend.clients.oidc import IssuerKeys, IssuerUnknown
from keyway_backend.db.engine import Database
from keyway_backend.features.ci import rules, store
from keyway_backend.features.ci.rules import Conditions, Habits, Run
from keyway_backend.features.ci.store import NewRule
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import Conflict, FieldError, Forbidden, NotFound, Unauthorized, Unavailable
from keyway_backend.platform.ids import new_id
from keyway_backend.platform.parsing import invalid

_LIFETIME: Final = timedelta(minutes=15)
_MAX_CHARACTERS: Final = 16_384
_NEEDS_MORE: Final = "A rule for a protected environment spells out refs, a githubEnvironment, or both."


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and what it reads."""

    token: Sensitive
    repository: str
    environment: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Allowed:
    """A run that may read an environment, and why."""

    run: Run
    checkout: Checkout
    environment: Environment
    rule_id: UUID | None
    person: Person | None

    @property
    def subject(self) -> Subject:
        vault = self.checkout.vault
        return Subject(vault.id, vault.full_name, self.environment.id, self.environment.name)

    @property
    def details(self) -> dict[str, Any]:
        run = self.run
        who = {"event": run.event, "ref": run.ref, "runId": run.run_id, "actor": run.actor, "actorId": run.actor_id}
        return who | {"ruleId": str(self.rule_id) if self.rule_id is not None else None}


class Workflows:
    """Runs of workflows, and what they may read."""

    def __init__(
        self, database: Database, access: Access, macs: Macs, keys: IssuerKeys, *, audience: str, hosted_only: bool
    ) -> None:
        self._database = database
        self._access = access
        self._macs = macs
        self._keys = keys
        self._audience = audience
        self._hosted_only = hosted_only

    async def close(self) -> None:
        """Closes the connections to the issuer."""
        await self._keys.close()

    # the exchange ----------------------------------------------------------------------------------------------------

    async def exchange(self, origin: Origin, token: str, environment: str) -> Issued:
        """A token that reads one environment. Raises Unauthorized, Forbidden (one body), Unavailable."""
        run = await self._verified(token)
        jti_hash = sha256(f"{self._keys.issuer} {run.jti}".encode()).digest()
        async with self._database.read() as connection:
            if await store.was_used(connection, jti_hash):
                raise _no_proof()
        return await self._issue(origin, jti_hash, await self._allowed(run, environment))

    async def _verified(self, token: str) -> Run:
        """The run that a token proves. Of an unverified one, the name of its key alone is read."""
        if not token.isascii() or len(token) > _MAX_CHARACTERS:
            raise _no_proof()
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.key(kid) if isinstance(kid, str) else None
            if key is None:
                raise _no_proof()
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=self._keys.issuer,
                audience=self._audience,
                leeway=rules.LEEWAY_SECONDS,
                options={"require": list(rules.REQUIRED), "strict_aud": True},
            )
            return rules.run_of(claims)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise _no_proof() from None
        except IssuerUnknown:
            raise Unavailable("The keys of GitHub's workflow tokens cannot be read right now; try again.") from None

    async def _allowed(self, run: Run, name: str) -> _Allowed:
        """Why a run may read an environment. Raises Forbidden, Unavailable."""
        owner, _, repository = run.repository.partition("/")
        starter = Person(run.actor_id, run.actor or NOBODY.login)
        checkout = await self._access.checkout(starter, owner, repository, run.repository_id)
        if checkout is None or checkout.repository.owner.id != run.owner_id:
            raise _not_allowed()
        environment = next((one for one in checkout.environments if one.name == name), None)
        if environment is None:
            raise _not_allowed()
        async with self._database.read() as connection:
            kept = await store.rules(connection, checkout.vault.id, [environment.id])
        written = {row["id"]: rules.conditions_of(row["conditions"]) for row in kept if rule_is_ours(self._macs, row)}
        habits = Habits(checkout.repository.default_branch, self._hosted_only)
        chosen = rules.allowed(run, environment.type, written.values(), habits)
        if chosen is None:
            raise _not_allowed()
        rule_id = next((one for one, conditions in written.items() if conditions is chosen), None)
        person = starter if checkout.role is not None else None
        return _Allowed(run, checkout, environment, rule_id, person)

    async def _issue(self, origin: Origin, jti_hash: bytes, why: _Allowed) -> Issued:
        run, moment = why.run, now()
        ends_at = datetime.fromtimestamp(run.ends_at + rules.LEEWAY_SECONDS, UTC)
        new = NewToken(
            new_id(),
            ci_tokens.mint(),
            why.checkout.vault.id,
            why.environment.id,
            why.rule_id,
            run.repository_id,
            run.owner_id,
            why.person,
            moment,
            moment + _LIFETIME,
        )
        event = Event(Action.CI_TOKEN_ISSUED, ci_tokens.actor_of(new), origin, why.subject, details=why.details)
        async with self._database.transaction() as connection:
            if not await store.use(connection, jti_hash, ends_at):
                raise _no_proof()
            await ci_tokens.insert(connection, self._macs, new)
            await audit.record(connection, event)
        return Issued(new.token, why.checkout.vault.full_name, why.environment.name, new.expires_at)

    async def purge(self) -> None:
        """Forgets tokens that are over. A job runs it."""
        async with self._database.read() as connection:
            await store.purge(connection)

    # rules -----------------------------------------------------------------------------------------------------------

    async def rules(self, grant: VaultGrant, *, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """A page of the rules of the environments that the grant shows, oldest first, and how many there are."""
        async with self._database.read() as connection:
            kept = await store.rules(connection, grant.vault.id, grant.environments)
        ours = [row for row in kept if rule_is_ours(self._macs, row)]
        return [_shown(grant, row) for row in ours[offset : offset + limit]], len(ours)

    async def rule(self, grant: VaultGrant, rule_id: UUID | None) -> dict[str, Any]:
        """One rule. Raises NotFound."""
        return _shown(grant, await self._kept(grant, rule_id))

    async def create(self, grant: VaultGrant, environment: str, conditions: Conditions) -> dict[str, Any]:
        """A new rule. Raises Conflict, ValidationFailed."""
        there = _environment(grant, environment, conditions)
        new, moment = self._new(grant, new_id(), there, conditions), now()
        async with self._database.transaction() as connection:
            if not await store.insert_rule(connection, new, grant.actor.user_id, moment):
                raise _same()
            await audit.record(connection, _event(Action.CI_RULE_CREATED, grant, there, new))
        return _shown(grant, _row(new, moment, moment))

    async def change(
        self, grant: VaultGrant, rule_id: UUID | None, environment: str, conditions: Conditions
    ) -> dict[str, Any]:
        """Another form of a rule; tokens of its old form end. Raises NotFound, Conflict, ValidationFailed."""
        before = await self._kept(grant, rule_id)
        there = _environment(grant, environment, conditions)
        new, moment = self._new(grant, before["id"], there, conditions), now()
        async with self._database.transaction() as connection:
            if await store.same_exists(connection, new):
                raise _same()
            if not await store.update_rule(connection, new, moment):
                raise _no_rule()
            await audit.record(connection, _event(Action.CI_RULE_CHANGED, grant, there, new))
        return _shown(grant, _row(new, before["created_at"], moment))

    async def delete(self, grant: VaultGrant, rule_id: UUID | None) -> None:
        """Removes a rule, and the tokens that came from it. Raises NotFound."""
        before = await self._kept(grant, rule_id)
        there, _ = grant.environments[before["environment_id"]]
        subject = Subject(grant.vault.id, grant.vault.full_name, there.id, there.name)
        details = {"ruleId": str(before["id"])}
        async with self._database.transaction() as connection:
            if not await store.delete_rule(connection, grant.vault.id, before["id"]):
                raise _no_rule()
            event = Event(Action.CI_RULE_DELETED, grant.actor, grant.origin, subject, details=details)
            await audit.record(connection, event)

    async def _kept(self, grant: VaultGrant, rule_id: UUID | None) -> DictRow:
        row = None
        if rule_id is not None:
            async with self._database.read() as connection:
                row = await store.rule(connection, grant.vault.id, rule_id)
        if row is None or not rule_is_ours(self._macs, row):
            raise _no_rule()
        if row["environment_id"] not in grant.environments:
            raise refusals.outside_binding() if grant.actor.binding is not None else _no_rule()
        return row

    def _new(self, grant: VaultGrant, rule_id: UUID, environment: Environment, conditions: Conditions) -> NewRule:
        document = conditions.as_document()
        fingerprint = sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()
        fields = rule_fields(rule_id, grant.vault.id, environment.id, document)
        mac = self._macs.make(Purpose.CI_RULE, *fields)
        return NewRule(rule_id, grant.vault.id, environment.id, document, fingerprint, mac)


def _environment(grant: VaultGrant, name: str, conditions: Conditions) -> Environment:
    """The environment of a rule. Raises ValidationFailed."""
    there = next((one for one, _ in grant.environments.values() if one.name == name), None)
    if there is None:
        raise invalid(FieldError("environment", "The vault has no environment of this name."))
    if there.type is EnvironmentType.PROTECTED and not conditions.guards_protected:
        raise invalid(FieldError("refs", _NEEDS_MORE))
    return there


def _event(action: Action, grant: VaultGrant, environment: Environment, new: NewRule) -> Event:
    subject = Subject(grant.vault.id, grant.vault.full_name, environment.id, environment.name)
    return Event(action, grant.actor, grant.origin, subject, details={"ruleId": str(new.id), **new.conditions})


def _row(new: NewRule, created_at: datetime, updated_at: datetime) -> dict[str, Any]:
    return {
        "id": new.id,
        "environment_id": new.environment_id,
        "conditions": new.conditions,
        "created_at": created_at,
        "updated_at": updated_at,
    }


def _shown(grant: VaultGrant, row: Mapping[str, Any]) -> dict[str, Any]:
    environment, _ = grant.environments[row["environment_id"]]
    moments = {"createdAt": iso(row["created_at"]), "updatedAt": iso(row["updated_at"])}
    return {"id": str(row["id"]), "environment": environment.name, **row["conditions"], **moments}


def _no_proof() -> Unauthorized:
    return Unauthorized("This is no token of a workflow run that can be exchanged here.")


def _not_allowed() -> Forbidden:
    return Forbidden("No vault and no rule allows this workflow run to read this environment.")


def _no_rule() -> NotFound:
    return NotFound("Rule not found")


def _same() -> Conflict:
    return Conflict("The environment has the same rule already.")
