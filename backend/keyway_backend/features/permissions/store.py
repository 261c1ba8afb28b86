"""Rows of overrides. Every statement names the vault beside the id: an override of another vault is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from keyway_backend.access.grants import VaultGrant
from keyway_backend.db.engine import Connection, one, rows, run

_SHOWN: Final[LiteralString] = """
    SELECT p.id, p.environment_id, p.target_type, p.target_github_user_id, p.target_role, p.can_read, p.can_write,
        p.mac, p.created_at, p.updated_at, t.id AS target_id, t.login AS target_login, t.avatar_url AS target_avatar,
        a.id AS author_id, a.login AS author_login
    FROM permission_overrides AS p
    LEFT JOIN users AS t ON t.github_user_id = p.target_github_user_id
    LEFT JOIN users AS a ON a.id = p.created_by
    WHERE p.vault_id = %(vault)s"""


@dataclass(frozen=True, slots=True)
class NewOverride:
    """A row to write. `environment_id` None stands for every environment; one of `github_user_id` and `role` is set."""

    id: UUID
    environment_id: UUID | None
    github_user_id: int | None
    role: str | None
    can_read: bool
    can_write: bool
    mac: bytes


async def every(connection: Connection, grant: VaultGrant) -> list[DictRow]:
    """All overrides of the vault, oldest first, with the labels of people."""
    return await rows(connection, _SHOWN + " ORDER BY p.created_at, p.id", vault=grant.vault.id)


async def by_id(connection: Connection, grant: VaultGrant, override_id: UUID) -> DictRow | None:
    """One override of the vault, with the labels of people; locked until the transaction ends."""
    return await one(connection, _SHOWN + " AND p.id = %(id)s FOR UPDATE OF p", vault=grant.vault.id, id=override_id)


async def same_target(connection: Connection, grant: VaultGrant, new: NewOverride) -> DictRow | None:
    """The override of the vault that says something of the same target and environment already; locked."""
    return await one(
        connection,
        _SHOWN
        + """ AND p.environment_id IS NOT DISTINCT FROM %(environment)s
              AND p.target_github_user_id IS NOT DISTINCT FROM %(user)s
              AND p.target_role IS NOT DISTINCT FROM %(role)s FOR UPDATE OF p""",
        vault=grant.vault.id,
        environment=new.environment_id,
        user=new.github_user_id,
        role=new.role,
    )


async def insert(connection: Connection, grant: VaultGrant, overrides: Sequence[NewOverride], moment: datetime) -> int:
    """Writes rows; how many. One whose target and environment have a row already is left out."""
    return await run(
        connection,
        """INSERT INTO permission_overrides (id, vault_id, environment_id, target_type, target_github_user_id,
               target_role, can_read, can_write, created_by, created_at, updated_at, mac)
           SELECT n.id, %(vault)s, n.environment, CASE WHEN n.role IS NULL THEN 'user' ELSE 'role' END, n.person,
               n.role, n.can_read, n.can_write, %(author)s, %(now)s, %(now)s, n.mac
           FROM unnest(%(ids)s::uuid[], %(environments)s::uuid[], %(people)s::bigint[], %(roles)s::text[],
               %(reads)s::boolean[], %(writes)s::boolean[], %(macs)s::bytea[])
               AS n (id, environment, person, role, can_read, can_write, mac)
           ON CONFLICT DO NOTHING""",
        vault=grant.vault.id,
        author=grant.actor.user_id,
        now=moment,
        ids=[new.id for new in overrides],
        environments=[new.environment_id for new in overrides],
        people=[new.github_user_id for new in overrides],
        roles=[new.role for new in overrides],
        reads=[new.can_read for new in overrides],
        writes=[new.can_write for new in overrides],
        macs=[new.mac for new in overrides],
    )


async def update(
    connection: Connection, grant: VaultGrant, override_id: UUID, verbs: tuple[bool, bool], mac: bytes, moment: datetime
) -> None:
    """Changes what an override of the vault allows."""
    await run(
        connection,
        """UPDATE permission_overrides
           SET can_read = %(read)s, can_write = %(write)s, mac = %(mac)s, updated_at = %(now)s
           WHERE vault_id = %(vault)s AND id = %(id)s""",
        vault=grant.vault.id,
        id=override_id,
        read=verbs[0],
        write=verbs[1],
        mac=mac,
        now=moment,
    )


async def delete(connection: Connection, grant: VaultGrant, override_id: UUID) -> None:
    """Removes an override of the vault."""
    await run(
        connection,
        "DELETE FROM permission_overrides WHERE vault_id = %(vault)s AND id = %(id)s",
        vault=grant.vault.id,
        id=override_id,
    )


async def delete_all(connection: Connection, grant: VaultGrant) -> int:
    """Removes every override of the vault, also those that count as absent; how many there were."""
    return await run(connection, "DELETE FROM permission_overrides WHERE vault_id = %(vault)s", vault=grant.vault.id)


async def delete_roles(connection: Connection, grant: VaultGrant, environment_id: UUID) -> int:
    """Removes what was said of roles in one environment of the vault; how many there were."""
    return await run(
        connection,
        """DELETE FROM permission_overrides
           WHERE vault_id = %(vault)s AND environment_id = %(environment)s AND target_role IS NOT NULL""",
        vault=grant.vault.id,
        environment=environment_id,
    )


async def person(connection: Connection, text: str) -> dict[str, Any] | None:
    """Somebody who signed in at least once, by id or by present login: id, github_user_id, login."""
    return await one(
        connection,
        """SELECT id, github_user_id, login FROM users
           WHERE id::text = lower(%(text)s) OR lower(login) = lower(%(text)s)
           ORDER BY id::text = lower(%(text)s) DESC, updated_at DESC LIMIT 1""",
        text=text,
    )


async def person_by_id(connection: Connection, user_id: UUID) -> dict[str, Any] | None:
    """Somebody who signed in at least once: id, github_user_id, login."""
    return await one(connection, "SELECT id, github_user_id, login FROM users WHERE id = %(id)s", id=user_id)


async def people_by_number(connection: Connection, numbers: Sequence[int]) -> dict[int, UUID]:
    """Those of GitHub's numbers that belong to somebody who signed in at least once, with our ids."""
    found = await rows(
        connection,
        "SELECT id, github_user_id FROM users WHERE github_user_id = ANY(%(numbers)s::bigint[])",
        numbers=list(numbers),
    )
    return {row["github_user_id"]: row["id"] for row in found}
