"""Organisations: connected, shown, their settings and their roster (contract.md 4.9).

What somebody is in an organisation is asked of GitHub for each request; the kept roster is for counts and labels.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from keyway_backend import audit, jobs
from keyway_backend.access import refusals
from keyway_backend.access.actor import Actor, Origin
from keyway_backend.access.decide import Access
from keyway_backend.access.grants import OrganizationRole, OrgGrant, PersonGrant, RepositoryGrant
from keyway_backend.access.macs import Macs, Purpose
from keyway_backend.audit import Action, Event
from keyway_backend.clients.github import GitHub
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.github.asking import answered
from keyway_backend.features.organizations import rules, store
from keyway_backend.features.organizations.hooks import OrganizationPlans
from keyway_backend.features.organizations.rules import TRIAL_DAYS, OrganizationPlan, Trial
from keyway_backend.features.organizations.schemas import SettingsBody
from keyway_backend.features.organizations.store import NewOrganization, RosterLine
from keyway_backend.platform import log
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import FieldError, Forbidden
from keyway_backend.platform.ids import new_id
from keyway_backend.platform.metrics import integrity_alarm
from keyway_backend.platform.parsing import invalid

Row = Mapping[str, Any]
ShownOrganizations = Callable[[PersonGrant], Awaitable[Sequence[int]]]
"""The numbers of the organisations whose installations GitHub shows to a person."""
ROSTER_JOB: Final = "organization_roster"
_AT_ONCE: Final = 8
_log = log.logger("organizations")


class Organizations:
    """The organisations of this instance, as far as GitHub lets somebody see them."""

    def __init__(
        self,
        database: Database,
        access: Access,
        macs: Macs,
        github: GitHub,
        plans: OrganizationPlans,
        shown: ShownOrganizations,
    ) -> None:
        self._database = database
        self._access = access
        self._macs = macs
        self._github = github
        self._plans = plans
        self._shown = shown

    # showing -----------------------------------------------------------------------------------------------------

    async def mine(self, grant: PersonGrant) -> list[dict[str, Any]]:
        """Those of which the caller is an active member now. Looked at are those whose installation GitHub shows to the
        caller, and those on whose kept roster the caller stood, which may be behind; membership is asked for either
        way. One that GitHub says nothing of for want of a permission is left out: its owner's mistake must not close
        everybody's list."""
        shown = await self._shown(grant)
        async with self._database.read() as connection:
            found = await store.of_person(connection, grant.actor.github_user_id, shown)
            plans = await self._plans.of_organizations(connection, [row["github_org_id"] for row in found])
        gate = asyncio.Semaphore(_AT_ONCE)

        async def role_in(row: Row) -> OrganizationRole | None:
            async with gate:
                try:
                    return await self._access.organization_role(grant.actor, row["github_org_id"], row["login"])
                except refusals.AppPermissionMissing:
                    _log.warning("app_permission_missing", github_org_id=row["github_org_id"])
                    return None

        held = await asyncio.gather(*(role_in(row) for row in found))
        return [
            _item(row, plans[row["github_org_id"]]) | {"role": role}
            for row, role in zip(found, held, strict=True)
            if role is not None
        ]

    async def show(self, grant: OrgGrant) -> dict[str, Any]:
        """One organisation in full. Addresses of others, and who pays, are for owners."""
        return await self._details(grant.actor, grant.organization.id, grant.role)

    async def _details(self, actor: Actor, organization_id: UUID, role: OrganizationRole) -> dict[str, Any]:
        async with self._database.read() as connection:
            row = await store.by_id(connection, organization_id)
            if row is None:
                raise refusals.no_organization()
            number = row["github_org_id"]
            plan = (await self._plans.of_organizations(connection, [number]))[number]
            lines = await store.roster(connection, organization_id)
        owner = role == "owner"
        return _item(row, plan) | {
            "role": role,
            "members": [_line(line, actor, owner=owner) for line in lines],
            "defaultPermissions": self._defaults(row, number) or {},
            "stripeCustomerId": plan.customer_id if owner else None,
            "trial": trial_info(plan.trial, now()),
            "trialDurationDays": TRIAL_DAYS,
            "effectivePlan": plan.effective.value,
        }

    async def members(self, grant: OrgGrant) -> list[dict[str, Any]]:
        """The roster of now, owners first."""
        lines = await self._live_roster(grant.installation_id, grant.organization.login)
        if lines is None:
            raise refusals.no_organization()
        async with self._database.read() as connection:
            known = await store.accounts(connection, grant.organization.id, [line.github_user_id for line in lines])
        return [_member(line, known[line.github_user_id]) for line in lines]

    # changing ----------------------------------------------------------------------------------------------------

    async def connect(self, grant: PersonGrant, login: str) -> dict[str, Any]:
        """Connects an organisation that has the App and in which the caller is active. Every other one: one 403."""
        installation = await answered(self._github.organization_installation(login))
        if installation is None or not installation.active or installation.account.type != "Organization":
            raise self._not_connectable()
        number, present = installation.account.id, installation.account.login
        role = await self._access.organization_role(grant.actor, number, present)
        if role is None:
            raise self._not_connectable()
        profile = await answered(self._github.organization(installation.id, present))
        avatar = profile.avatar_url if profile is not None else None
        organization_id = await self._write(grant.actor, number, present, role, grant.origin, avatar=avatar)
        shown = await self._details(grant.actor, organization_id, role)
        return {"organization": shown, "message": f"{present} is connected"}

    def _not_connectable(self) -> Forbidden:
        return Forbidden(
            "You are not a member of this organization, or the Keyway GitHub App is not installed on it. "
            f"Install it: {self._access.install_url}"
        )

    async def ensure(self, grant: RepositoryGrant) -> None:
        """The organisation of a repository that is about to have a vault. A job brings its roster: GitHub is not asked
        here, so that its silence neither delays nor decides anything."""
        owner = grant.repository.owner
        if owner.type == "Organization":
            await self._write(grant.actor, owner.id, owner.login, None, None)

    async def _write(
        self,
        actor: Actor,
        number: int,
        login: str,
        role: OrganizationRole | None,
        origin: Origin | None,
        *,
        avatar: str | None = None,
    ) -> UUID:
        """The organisation's row and the actor's line. With an `origin` it is a connection, which is recorded."""
        moment, mac = now(), self._mac(number, None)
        async with self._database.transaction() as connection:
            new = NewOrganization(new_id(), number, login, avatar, mac)
            organization_id = await store.ensure(connection, new, moment)
            if role is not None:
                line = RosterLine(actor.github_user_id, actor.login, None, role)
                await store.put_member(connection, organization_id, line, moment)
            await jobs.defer(connection, ROSTER_JOB, github_org_id=number)
            if origin is not None:
                details = {"organization": login, "githubOrgId": number, "role": role}
                await audit.record(connection, Event(Action.ORG_CONNECTED, actor, origin, details=details))
        return organization_id

    async def change(self, grant: OrgGrant, body: SettingsBody) -> dict[str, Any]:
        """Name and default permissions; what is not given stays. Raises ValidationFailed for defaults of no meaning."""
        number, wanted = grant.organization.github_org_id, body.defaultPermissions
        if wanted is not None and (faults := rules.faults_of_defaults(wanted)):
            raise invalid(*(FieldError(path, "No role, environment type and right, or no boolean.") for path in faults))
        moment = now()
        async with self._database.transaction() as connection:
            row = await store.locked(connection, grant)
            if row is None:
                raise refusals.no_organization()
            before = {"displayName": row["display_name"], "defaultPermissions": self._defaults(row, number)}
            after = before | {name: getattr(body, name) for name in body.model_fields_set if name in before}
            changed = sorted(name for name in before if before[name] != after[name])
            if changed:
                defaults = after["defaultPermissions"]
                mac = self._mac(number, defaults)
                await store.update(connection, grant, after["displayName"], defaults, mac, moment)
                await self._record_change(connection, grant, changed, before, after)
        return {
            "id": str(grant.organization.id),
            "login": grant.organization.login,
            "displayName": after["displayName"],
            "defaultPermissions": after["defaultPermissions"] or {},
            "updatedAt": iso(moment if changed else row["updated_at"]),
        }

    async def _record_change(
        self, connection: Connection, grant: OrgGrant, changed: Sequence[str], before: Row, after: Row
    ) -> None:
        about = {"organization": grant.organization.login, "githubOrgId": grant.organization.github_org_id}
        settings = Event(
            Action.ORG_SETTINGS_CHANGED, grant.actor, grant.origin, details=about | {"changed": list(changed)}
        )
        await audit.record(connection, settings)
        if "defaultPermissions" in changed:
            said = {"change": "organization_defaults", "before": before["defaultPermissions"]}
            details = about | said | {"after": after["defaultPermissions"]}
            await audit.record(connection, Event(Action.PERMISSION_CHANGED, grant.actor, grant.origin, details=details))

    async def sync(self, grant: OrgGrant) -> dict[str, Any]:
        """Brings the kept roster up to date."""
        lines = await self._live_roster(grant.installation_id, grant.organization.login)
        if lines is None:
            raise refusals.no_organization()
        async with self._database.transaction() as connection:
            counts = await store.replace_roster(connection, grant.organization.id, lines, now())
            details = {"organization": grant.organization.login, **counts}
            event = Event(Action.ORG_MEMBERS_SYNCED, grant.actor, grant.origin, details=details)
            await audit.record(connection, event)
        return {"message": f"{len(lines)} members of {grant.organization.login}", **counts}

    # what GitHub tells by itself ---------------------------------------------------------------------------------

    async def installed(self, connection: Connection, github_org_id: int, login: str) -> None:
        """The App was installed on an organisation: it has a row now, and a job brings its roster."""
        new = NewOrganization(new_id(), github_org_id, login, None, self._mac(github_org_id, None))
        await store.ensure(connection, new, now())
        await jobs.defer(connection, ROSTER_JOB, github_org_id=github_org_id)

    async def member_added(self, connection: Connection, github_org_id: int, line: RosterLine) -> None:
        """Somebody joined, or has another role."""
        row = await store.by_number(connection, github_org_id)
        if row is not None:
            await store.put_member(connection, row["id"], line, now())

    async def member_removed(self, connection: Connection, github_org_id: int, github_user_id: int) -> None:
        """Somebody left."""
        await store.remove_member(connection, github_org_id, github_user_id)

    async def renamed(self, connection: Connection, github_org_id: int, login: str) -> None:
        """It has another label."""
        await store.rename(connection, github_org_id, login)

    async def deleted(self, connection: Connection, github_org_id: int) -> None:
        """It is gone from GitHub: nobody is on its roster, and its label is free for another one."""
        await store.remove_member(connection, github_org_id, None)
        await store.rename(connection, github_org_id, str(github_org_id))

    async def refresh_roster(self, github_org_id: int) -> None:
        """The job: the kept roster becomes GitHub's. Raises Unavailable, to be tried again."""
        async with self._database.read() as connection:
            row = await store.by_number(connection, github_org_id)
        if row is None:
            return
        installation = await answered(self._github.organization_installation(row["login"]))
        if installation is None or not installation.active or installation.account.id != github_org_id:
            return
        try:
            lines = await self._live_roster(installation.id, row["login"])
        except refusals.AppPermissionMissing:
            _log.warning("app_permission_missing", github_org_id=github_org_id)
            return
        if lines is not None:
            async with self._database.transaction() as connection:
                await store.replace_roster(connection, row["id"], lines, now())

    async def _live_roster(self, installation_id: int, login: str) -> list[RosterLine] | None:
        """Owners first, then by login. None when GitHub knows no such organisation."""
        lines = []
        for asked, role in (("admin", "owner"), ("member", "member")):
            told = await answered(self._github.members(installation_id, login, asked))
            if told is None:
                return None
            lines += [RosterLine(one.id, one.login, one.avatar_url, role) for one in told]
        unique = {line.github_user_id: line for line in reversed(lines)}
        return sorted(unique.values(), key=lambda line: (line.role != "owner", line.login.lower()))

    # default permissions -----------------------------------------------------------------------------------------

    def _mac(self, github_org_id: int, defaults: dict[str, Any] | None) -> bytes:
        return self._macs.make(Purpose.DEFAULTS, github_org_id, _text(defaults))

    def _defaults(self, row: Row, github_org_id: int) -> dict[str, Any] | None:
        """What this backend wrote; what somebody else wrote counts as absent, and alarms."""
        stored: dict[str, Any] | None = row["default_permissions"]
        if self._macs.fits(bytes(row["mac"]), Purpose.DEFAULTS, github_org_id, _text(stored)):
            return stored
        integrity_alarm("organisation_defaults", github_org_id=str(github_org_id))
        return None


def _text(defaults: Any) -> str:
    """One spelling, as `access.records` checks it."""
    return json.dumps(defaults, sort_keys=True, separators=(",", ":"))


def _item(row: Row, plan: OrganizationPlan) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "forgeType": "github",
        "forgeOrgId": str(row["github_org_id"]),
        "login": row["login"],
        "displayName": row["display_name"],
        "avatarUrl": row["avatar_url"],
        "plan": plan.plan.value,
        "memberCount": row["members"],
        "vaultCount": row["vaults"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
    }


def _line(line: Row, viewer: Actor, *, owner: bool) -> dict[str, Any]:
    """A member inside an organisation's details."""
    own = line["github_user_id"] == viewer.github_user_id
    return {
        "id": f"github:{line['github_user_id']}",
        "userId": str(line["user_id"]) if line["user_id"] else None,
        "username": line["login"],
        "avatarUrl": line["avatar_url"],
        "email": line["email"] if owner or own else None,
        "orgRole": line["role"],
        "membershipState": "active",
        "joinedAt": iso(line["joined_at"]),
    }


def _member(line: RosterLine, known: Row) -> dict[str, Any]:
    return {
        "id": str(known["user_id"]) if known["user_id"] else f"github:{line.github_user_id}",
        "username": line.login,
        "avatarUrl": line.avatar_url,
        "role": line.role,
        "joinedAt": iso(known["joined_at"]) if known["joined_at"] else None,
        "onKeyway": known["user_id"] is not None,
    }


def trial_info(trial: Trial | None, moment: datetime) -> dict[str, Any]:
    """contract.md 2.8."""
    status = trial.status(moment) if trial is not None else "none"
    return {
        "status": status,
        "startedAt": iso(trial.started_at) if trial is not None else None,
        "endsAt": iso(trial.ends_at) if trial is not None else None,
        "convertedAt": iso(trial.converted_at) if trial is not None and trial.converted_at else None,
        "daysRemaining": rules.days_left(trial, moment) if trial is not None and status == "active" else None,
    }
