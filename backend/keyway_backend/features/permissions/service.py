"""Overrides, and the older rules that are written as such (contract.md 4.4 and 4.5).

Every row carries a code under a backend key: one that somebody else wrote counts as absent here as it does where
access is decided, and raises an alarm. Every change commits together with its audit row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from keyway_core.roles import ROLE_ORDER, Role, Verb

from keyway_backend import audit
from keyway_backend.access import refusals
from keyway_backend.access.actor import Person
from keyway_backend.access.decide import Access
from keyway_backend.access.grants import Environment, VaultGrant
from keyway_backend.access.macs import Macs, Purpose
from keyway_backend.access.records import override_fields
from keyway_backend.audit import Action, Event, Subject
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.permissions import rules, store
from keyway_backend.features.permissions.rules import EVERY_ENVIRONMENT, MinimumRoles
from keyway_backend.features.permissions.schemas import ChangeOverrideBody, NewOverrideBody
from keyway_backend.features.permissions.store import NewOverride
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import Conflict, FieldError, NotFound
from keyway_backend.platform.ids import new_id
from keyway_backend.platform.metrics import integrity_alarm
from keyway_backend.platform.parsing import invalid

Row = Mapping[str, Any]
_NO_OVERRIDE: Final = "Permission override not found"


class Permissions:
    """What was said about who may do what in a vault, above GitHub's roles."""

    def __init__(self, database: Database, access: Access, macs: Macs) -> None:
        self._database = database
        self._access = access
        self._macs = macs

    # overrides ---------------------------------------------------------------------------------------------------

    async def overrides(self, grant: VaultGrant) -> dict[str, Any]:
        """The overrides of a vault; a credential that is bound to environments sees those of its own."""
        async with self._database.read() as connection:
            found = await store.every(connection, grant)
        real = [row for row in found if self.is_ours(grant, row) and _is_visible(grant, row)]
        return {"overrides": [_shown(grant, row) for row in real], "defaults": rules.matrix(grant.rules.defaults)}

    async def create(self, grant: VaultGrant, body: NewOverrideBody) -> dict[str, Any]:
        """A new override. Raises ValidationFailed for an unknown environment or person, Conflict for a second one."""
        environment_id = _environment_id(grant, body.environment)
        async with self._database.transaction() as connection:
            person = await store.person_by_id(connection, body.targetUserId) if body.targetUserId else None
            if body.targetUserId is not None and person is None:
                raise invalid(FieldError("targetUserId", "Nobody of this id has signed in."))
            number = person["github_user_id"] if person is not None else None
            new = self._new(grant, environment_id, number, body.role, (body.canRead, body.canWrite))
            await self._make_room(connection, grant, new)
            if not await store.insert(connection, grant, [new], now()):
                raise Conflict("An override of that target and environment exists.")
            written = await store.by_id(connection, grant, new.id)
            await self._record(connection, grant, "override_created", _facts(grant, written or {}))
        return _shown(grant, written or {})

    async def _make_room(self, connection: Connection, grant: VaultGrant, new: NewOverride) -> None:
        """A row that counts as absent must not keep a real one out."""
        there = await store.same_target(connection, grant, new)
        if there is None:
            return
        if self.is_ours(grant, there):
            raise Conflict("An override of that target and environment exists.")
        await store.delete(connection, grant, there["id"])

    async def change(self, grant: VaultGrant, override_id: UUID | None, body: ChangeOverrideBody) -> dict[str, Any]:
        """Changes what an override of this vault allows. Raises NotFound for one of another vault."""
        async with self._database.transaction() as connection:
            row = await self._one(connection, grant, override_id)
            verbs = (
                row["can_read"] if body.canRead is None else body.canRead,
                row["can_write"] if body.canWrite is None else body.canWrite,
            )
            mac = self._mac(grant, row | {"can_read": verbs[0], "can_write": verbs[1]})
            await store.update(connection, grant, row["id"], verbs, mac, now())
            written = await store.by_id(connection, grant, row["id"])
            details = _facts(grant, row) | {"before": {"canRead": row["can_read"], "canWrite": row["can_write"]}}
            details |= {"canRead": verbs[0], "canWrite": verbs[1]}
            await self._record(connection, grant, "override_changed", details)
        return _shown(grant, written or {})

    async def remove(self, grant: VaultGrant, override_id: UUID | None) -> dict[str, Any]:
        """Removes an override of this vault. Raises NotFound for one of another vault."""
        async with self._database.transaction() as connection:
            row = await self._one(connection, grant, override_id)
            await store.delete(connection, grant, row["id"])
            await self._record(connection, grant, "override_deleted", _facts(grant, row))
        return {"deleted": True}

    async def reset(self, grant: VaultGrant) -> dict[str, Any]:
        """Removes every override of the vault."""
        async with self._database.transaction() as connection:
            count = await store.delete_all(connection, grant)
            await self._record(connection, grant, "overrides_reset", {"count": count})
        return {"message": "All permission overrides were removed", "defaults": rules.matrix(grant.rules.defaults)}

    async def _one(self, connection: Connection, grant: VaultGrant, override_id: UUID | None) -> dict[str, Any]:
        row = await store.by_id(connection, grant, override_id) if override_id is not None else None
        if row is None or not self.is_ours(grant, row):
            raise NotFound(_NO_OVERRIDE)
        return row

    # what follows from them --------------------------------------------------------------------------------------

    async def effective(self, grant: VaultGrant, user: str | None) -> dict[str, Any]:
        """What the caller may do in each environment; for another person only to who manages the vault."""
        own = {str(grant.actor.user_id), grant.actor.login.lower()}
        if user is None or user.lower() in own:
            return _effective(grant, grant.role, grant.environments)
        if not (await self._access.with_manage(grant)).manage:
            raise refusals.not_manager()
        async with self._database.read() as connection:
            row = await store.person(connection, user)
        if row is None:
            raise NotFound("Nobody of this name has signed in.")
        found = await self._access.effective(grant, Person(row["github_user_id"], row["login"]))
        return _effective(grant, found.role, found.environments)

    # the older rules ---------------------------------------------------------------------------------------------

    async def minimum_rules(self, grant: VaultGrant) -> dict[str, Any]:
        """The role overrides of each environment that say the same as a minimum role, in that older form."""
        async with self._database.read() as connection:
            found = await store.every(connection, grant)
        by_environment: dict[UUID, list[Row]] = {}
        for row in found:
            if row["environment_id"] and row["target_role"] and _is_visible(grant, row) and self.is_ours(grant, row):
                by_environment.setdefault(row["environment_id"], []).append(row)
        custom = [_custom(grant.environments[id_][0], said) for id_, said in by_environment.items()]
        return {
            "repoFullName": grant.vault.full_name,
            "vaultId": str(grant.vault.id),
            "custom": [rule for rule in custom if rule is not None],
            "defaults": rules.minimum_table(),
            "roleDefaults": rules.matrix(),
        }

    async def set_minimum(self, grant: VaultGrant, name: str, wanted: MinimumRoles) -> dict[str, Any]:
        """Writes a rule as one override per role, which holds like any other; what was said of roles there goes."""
        environment = _environment(grant, name)
        new = [self._new(grant, environment.id, None, role, wanted.verbs(role)) for role in ROLE_ORDER]
        async with self._database.transaction() as connection:
            await store.delete_roles(connection, grant, environment.id)
            if await store.insert(connection, grant, new, now()) != len(new):
                raise Conflict("Somebody else changes the rules of this environment right now; look, then try again.")
            details = {"permissions": wanted.shown()}
            await self._record(connection, grant, "minimum_roles_set", details, environment)
        return {"success": True, "message": f"Permissions of {name} updated", "permissions": wanted.shown()}

    async def drop_minimum(self, grant: VaultGrant, name: str) -> dict[str, Any]:
        """Removes what was said of roles in an environment."""
        environment = _environment(grant, name)
        async with self._database.transaction() as connection:
            count = await store.delete_roles(connection, grant, environment.id)
            await self._record(connection, grant, "minimum_roles_dropped", {"count": count}, environment)
        defaults = rules.default_minimum(environment.type).shown()
        return {"success": True, "message": f"Permissions of {name} are the defaults again", "defaults": defaults}

    # rows --------------------------------------------------------------------------------------------------------

    def _new(
        self,
        grant: VaultGrant,
        environment_id: UUID | None,
        github_user_id: int | None,
        role: Role | None,
        verbs: tuple[bool, bool],
    ) -> NewOverride:
        id_, name = new_id(), role.value if role is not None else None
        fields = override_fields(id_, grant.vault.id, environment_id, github_user_id, name, *verbs)
        mac = self._macs.make(Purpose.OVERRIDE, *fields)
        return NewOverride(id_, environment_id, github_user_id, name, *verbs, mac)

    def _mac(self, grant: VaultGrant, row: Row) -> bytes:
        return self._macs.make(Purpose.OVERRIDE, *_fields(grant, row))

    def is_ours(self, grant: VaultGrant, row: Row) -> bool:
        """Whether this backend wrote the row. One that it did not write is absent, and alarms."""
        if self._macs.fits(bytes(row["mac"]), Purpose.OVERRIDE, *_fields(grant, row)):
            return True
        integrity_alarm("permission_override", vault_id=str(grant.vault.id), override_id=str(row["id"]))
        return False

    async def _record(
        self,
        connection: Connection,
        grant: VaultGrant,
        change: str,
        details: Mapping[str, Any],
        environment: Environment | None = None,
    ) -> None:
        subject = Subject(
            vault_id=grant.vault.id,
            repository=grant.vault.full_name,
            environment_id=environment.id if environment is not None else None,
            environment=environment.name if environment is not None else None,
        )
        named = {"change": change, **details}
        await audit.record(
            connection, Event(Action.PERMISSION_CHANGED, grant.actor, grant.origin, subject, details=named)
        )


def _fields(grant: VaultGrant, row: Row) -> tuple[UUID | int | str | bool | None, ...]:
    scope, user, role = row["environment_id"], row["target_github_user_id"], row["target_role"]
    return override_fields(row["id"], grant.vault.id, scope, user, role, row["can_read"], row["can_write"])


def _environment(grant: VaultGrant, name: str) -> Environment:
    """An environment of a path. Raises NotFound."""
    for environment, _ in grant.environments.values():
        if environment.name == name:
            return environment
    raise refusals.no_environment()


def _environment_id(grant: VaultGrant, name: str) -> UUID | None:
    """An environment of a body, None for every one. Raises ValidationFailed."""
    if name == EVERY_ENVIRONMENT:
        return None
    for environment, _ in grant.environments.values():
        if environment.name == name:
            return environment.id
    raise invalid(FieldError("environment", "The vault has no environment of this name."))


def _bound(grant: VaultGrant, environment_id: UUID) -> bool:
    """Whether the credential reaches as far as this environment."""
    binding = grant.actor.binding
    return binding is None or not binding.environment_ids or environment_id in binding.environment_ids


def _is_visible(grant: VaultGrant, row: Row) -> bool:
    """Whether an override is of an environment that is still there, and that the credential reaches."""
    environment_id = row["environment_id"]
    return environment_id is None or (environment_id in grant.environments and _bound(grant, environment_id))


def _name(grant: VaultGrant, environment_id: UUID | None) -> str:
    there = grant.environments.get(environment_id) if environment_id is not None else None
    return there[0].name if there is not None else EVERY_ENVIRONMENT


def _shown(grant: VaultGrant, row: Row) -> dict[str, Any]:
    target: dict[str, Any] = {"targetRole": row["target_role"]}
    if row["target_type"] == "user":
        unknown = f"github:{row['target_github_user_id']}"
        id_, login = row["target_id"] or unknown, row["target_login"] or unknown
        target = {"targetUser": {"id": str(id_), "username": login, "avatarUrl": row["target_avatar"]}}
    author = {"id": str(row["author_id"]), "username": row["author_login"]} if row["author_id"] else None
    return {
        "id": str(row["id"]),
        "environment": _name(grant, row["environment_id"]),
        "targetType": row["target_type"],
        **target,
        "canRead": row["can_read"],
        "canWrite": row["can_write"],
        "createdBy": author,
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
    }


def _facts(grant: VaultGrant, row: Row) -> dict[str, Any]:
    """What the audit keeps of an override."""
    return {
        "overrideId": str(row["id"]),
        "environment": _name(grant, row["environment_id"]),
        "targetType": row["target_type"],
        "target": row["target_role"] or row["target_login"] or str(row["target_github_user_id"]),
        "targetGithubUserId": row["target_github_user_id"],
        "canRead": row["can_read"],
        "canWrite": row["can_write"],
    }


def _effective(
    grant: VaultGrant, role: Role | None, environments: Mapping[UUID, tuple[Environment, frozenset[Verb]]]
) -> dict[str, Any]:
    permissions = {
        environment.name: {verb.value: verb in verbs for verb in Verb}
        for environment, verbs in environments.values()
        if _bound(grant, environment.id)
    }
    return {"role": role.value if role is not None else None, "permissions": permissions}


def _custom(environment: Environment, said: Iterable[Row]) -> dict[str, Any] | None:
    found = list(said)
    rule = rules.minimum_roles({Role(row["target_role"]): (row["can_read"], row["can_write"]) for row in found})
    if rule is None:
        return None
    return {
        "environment": environment.name,
        "environmentType": environment.type.value,
        "permissions": rule.shown(),
        "isCustom": True,
        "createdAt": iso(min(row["created_at"] for row in found)),
        "updatedAt": iso(max(row["updated_at"] for row in found)),
    }
