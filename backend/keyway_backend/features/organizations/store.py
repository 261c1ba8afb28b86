"""Rows of organisations and their rosters. The roster tells labels and counts; rights are asked of GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from keyway_backend.access.grants import OrgGrant
from keyway_backend.db.engine import Connection, one, rows, run

_SHOWN: Final[LiteralString] = """
    SELECT o.id, o.github_org_id, o.login, o.display_name, o.avatar_url, o.default_permissions, o.mac,
        o.created_at, o.updated_at,
        (SELECT count(*) FROM organization_members AS m WHERE m.organization_id = o.id) AS members,
        (SELECT count(*) FROM vaults AS v WHERE v.github_owner_id = o.github_org_id AND v.deleted_at IS NULL) AS vaults
    FROM organizations AS o"""


@dataclass(frozen=True, slots=True)
class RosterLine:
    """A member as GitHub tells it."""

    github_user_id: int
    login: str
    avatar_url: str | None
    role: str


@dataclass(frozen=True, slots=True)
class NewOrganization:
    """A row to write, with the code of no default permissions."""

    id: UUID
    github_org_id: int
    login: str
    avatar_url: str | None
    mac: bytes


async def by_id(connection: Connection, organization_id: UUID) -> DictRow | None:
    """One organisation, with its counts."""
    return await one(connection, _SHOWN + " WHERE o.id = %(id)s", id=organization_id)


async def by_number(connection: Connection, github_org_id: int) -> DictRow | None:
    """One organisation by GitHub's number: id, login."""
    return await one(
        connection, "SELECT id, login FROM organizations WHERE github_org_id = %(number)s", number=github_org_id
    )


async def of_person(connection: Connection, github_user_id: int, shown: Sequence[int]) -> list[DictRow]:
    """The organisations on whose roster a person was, and those of these numbers, with their counts."""
    return await rows(
        connection,
        _SHOWN
        + """ WHERE o.github_org_id = ANY(%(shown)s) OR
                  EXISTS (SELECT FROM organization_members AS m
                            WHERE m.organization_id = o.id AND m.github_user_id = %(person)s)
              ORDER BY lower(o.login), o.id""",
        person=github_user_id,
        shown=list(shown),
    )


async def locked(connection: Connection, grant: OrgGrant) -> DictRow | None:
    """What may be changed of an organisation, locked until the transaction ends."""
    return await one(
        connection,
        """SELECT display_name, default_permissions, mac, updated_at FROM organizations
           WHERE id = %(id)s FOR NO KEY UPDATE""",
        id=grant.organization.id,
    )


async def update(
    connection: Connection,
    grant: OrgGrant,
    display_name: str | None,
    defaults: dict[str, Any] | None,
    mac: bytes,
    moment: datetime,
) -> None:
    """Writes the settings of an organisation."""
    await run(
        connection,
        """UPDATE organizations SET display_name = %(name)s, default_permissions = %(defaults)s, mac = %(mac)s,
               updated_at = %(now)s WHERE id = %(id)s""",
        id=grant.organization.id,
        name=display_name,
        defaults=Jsonb(defaults) if defaults is not None else None,
        mac=mac,
        now=moment,
    )


async def ensure(connection: Connection, new: NewOrganization, moment: datetime) -> UUID:
    """The id of the organisation's row, which has its present label now. Who bore the label before loses it."""
    await run(
        connection,
        """UPDATE organizations SET login = github_org_id::text
           WHERE lower(login) = lower(%(login)s) AND github_org_id <> %(number)s""",
        login=new.login,
        number=new.github_org_id,
    )
    row = await one(
        connection,
        """INSERT INTO organizations (id, github_org_id, login, avatar_url, mac, created_at, updated_at)
           VALUES (%(id)s, %(number)s, %(login)s, %(avatar)s, %(mac)s, %(now)s, %(now)s)
           ON CONFLICT (github_org_id) DO UPDATE SET
               login = excluded.login, avatar_url = coalesce(excluded.avatar_url, organizations.avatar_url)
           RETURNING id""",
        id=new.id,
        number=new.github_org_id,
        login=new.login,
        avatar=new.avatar_url,
        mac=new.mac,
        now=moment,
    )
    assert row is not None  # noqa: S101 - an upsert returns its row
    organization_id: UUID = row["id"]
    return organization_id


async def rename(connection: Connection, github_org_id: int, login: str) -> None:
    """An organisation has another label. Who bore it before loses it."""
    await run(
        connection,
        """UPDATE organizations SET login = CASE WHEN github_org_id = %(number)s THEN %(login)s
               ELSE github_org_id::text END
           WHERE github_org_id = %(number)s OR lower(login) = lower(%(login)s)""",
        number=github_org_id,
        login=login,
    )


async def put_member(connection: Connection, organization_id: UUID, line: RosterLine, moment: datetime) -> None:
    """One line of the roster."""
    await _upsert(connection, organization_id, [line], moment)


async def remove_member(connection: Connection, github_org_id: int, github_user_id: int | None) -> None:
    """Takes one person off the roster of an organisation; without a person everybody."""
    await run(
        connection,
        """DELETE FROM organization_members AS m USING organizations AS o
           WHERE o.id = m.organization_id AND o.github_org_id = %(number)s
               AND (%(person)s::bigint IS NULL OR m.github_user_id = %(person)s)""",
        number=github_org_id,
        person=github_user_id,
    )


async def replace_roster(
    connection: Connection, organization_id: UUID, lines: Sequence[RosterLine], moment: datetime
) -> dict[str, int]:
    """The roster is these lines now; how many were added, updated and removed."""
    people = [line.github_user_id for line in lines]
    removed = await run(
        connection,
        "DELETE FROM organization_members WHERE organization_id = %(id)s AND github_user_id <> ALL(%(people)s)",
        id=organization_id,
        people=people,
    )
    written = await _upsert(connection, organization_id, lines, moment)
    added = sum(row["added"] for row in written)
    return {"added": added, "updated": len(written) - added, "removed": removed}


async def _upsert(
    connection: Connection, organization_id: UUID, lines: Sequence[RosterLine], moment: datetime
) -> list[DictRow]:
    """A row for each line that is new or differs: whether it was added."""
    return await rows(
        connection,
        """INSERT INTO organization_members AS m (organization_id, github_user_id, login, avatar_url, role, joined_at)
           SELECT %(id)s, n.person, n.login, n.avatar, n.role, %(now)s
           FROM unnest(%(people)s::bigint[], %(logins)s::text[], %(avatars)s::text[], %(roles)s::text[])
               AS n (person, login, avatar, role)
           ON CONFLICT (organization_id, github_user_id) DO UPDATE SET
               login = excluded.login, avatar_url = excluded.avatar_url, role = excluded.role
           WHERE (m.login, m.avatar_url, m.role) IS DISTINCT FROM (excluded.login, excluded.avatar_url, excluded.role)
           RETURNING xmax = 0 AS added""",
        id=organization_id,
        now=moment,
        people=[line.github_user_id for line in lines],
        logins=[line.login for line in lines],
        avatars=[line.avatar_url for line in lines],
        roles=[line.role for line in lines],
    )


async def roster(connection: Connection, organization_id: UUID) -> list[DictRow]:
    """The kept roster, owners first: labels, and the account of those who signed in."""
    return await rows(
        connection,
        """SELECT m.github_user_id, m.login, m.avatar_url, m.role, m.joined_at,
               u.id AS user_id, u.email
           FROM organization_members AS m LEFT JOIN users AS u ON u.github_user_id = m.github_user_id
           WHERE m.organization_id = %(id)s ORDER BY m.role <> 'owner', lower(m.login), m.github_user_id""",
        id=organization_id,
    )


async def accounts(connection: Connection, organization_id: UUID, people: Sequence[int]) -> dict[int, DictRow]:
    """Per person who signed in or is on the kept roster: user_id and joined_at, each None when unknown."""
    found = await rows(
        connection,
        """SELECT p.number, u.id AS user_id, m.joined_at
           FROM unnest(%(people)s::bigint[]) AS p (number)
           LEFT JOIN users AS u ON u.github_user_id = p.number
           LEFT JOIN organization_members AS m ON m.organization_id = %(id)s AND m.github_user_id = p.number""",
        id=organization_id,
        people=list(people),
    )
    return {row["number"]: row for row in found}
