"""Rows of vaults and environments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from keyway_backend.access.grants import RepositoryGrant, VaultGrant
from keyway_backend.db.engine import Connection, one, rows, run


class NameTakenError(Exception):
    """The vault has an environment of that name."""


@dataclass(frozen=True, slots=True)
class NewEnvironment:
    """An environment that is made with its vault."""

    id: UUID
    name: str
    type: str
    type_mac: bytes
    revision_id: UUID


async def has_vault(connection: Connection, grant: RepositoryGrant) -> bool:
    """Whether the granted repository has a vault."""
    statement: LiteralString = "SELECT id FROM vaults WHERE github_repo_id = %(repository)s AND deleted_at IS NULL"
    return await one(connection, statement, repository=grant.repository.id) is not None


async def insert_vault(connection: Connection, grant: RepositoryGrant, vault_id: UUID, moment: datetime) -> bool:
    """The vault of the granted repository; False when it has one already."""
    repository = grant.repository
    inserted = await run(
        connection,
        """INSERT INTO vaults (id, github_repo_id, github_owner_id, owner_login, repo_name, private,
                               created_by_github_user_id, created_at, updated_at)
           VALUES (%(id)s, %(repository)s, %(owner)s, %(login)s, %(name)s, %(private)s, %(creator)s, %(now)s, %(now)s)
           ON CONFLICT (github_repo_id) WHERE deleted_at IS NULL DO NOTHING""",
        id=vault_id,
        repository=repository.id,
        owner=repository.owner.id,
        login=repository.owner.login,
        name=repository.name,
        private=repository.private,
        creator=grant.actor.github_user_id,
        now=moment,
    )
    return inserted == 1


async def insert_environments(
    connection: Connection, vault_id: UUID, environments: Sequence[NewEnvironment], moment: datetime
) -> None:
    """Its environments, in display order, at revision 0 and without values: such an environment has no manifest yet."""
    await run(
        connection,
        """INSERT INTO environments (
               id, vault_id, name, type, type_mac, display_order, head_revision_id, manifest, created_at)
           SELECT n.id, %(vault)s, n.name, n.type, n.mac, n.place - 1, n.revision, '', %(now)s
           FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(types)s::text[], %(macs)s::bytea[], %(revisions)s::uuid[])
               WITH ORDINALITY AS n (id, name, type, mac, revision, place)""",
        vault=vault_id,
        ids=[environment.id for environment in environments],
        names=[environment.name for environment in environments],
        types=[environment.type for environment in environments],
        macs=[environment.type_mac for environment in environments],
        revisions=[environment.revision_id for environment in environments],
        now=moment,
    )


async def facts(connection: Connection, grants: Sequence[VaultGrant]) -> dict[UUID, dict[str, Any]]:
    """Per granted vault: created_at, updated_at, and how many secrets live in it.

    No push touches the vault's row, which everybody reads: when its values changed last is told by its revisions.
    """
    if not grants:
        return {}
    found = await rows(
        connection,
        """SELECT v.id, v.created_at, greatest(v.updated_at,
               (SELECT max(r.created_at) FROM revisions AS r JOIN environments AS e ON e.id = r.environment_id
                WHERE e.vault_id = v.id AND e.deleted_at IS NULL AND r.number = e.head_revision)) AS updated_at,
               (SELECT count(*) FROM secret_values AS s JOIN environments AS e ON e.id = s.environment_id
                WHERE e.vault_id = v.id AND e.deleted_at IS NULL AND s.to_revision IS NULL) AS secrets
           FROM vaults AS v WHERE v.id = ANY(%(ids)s)""",
        ids=[grant.vault.id for grant in grants],
    )
    return {row["id"]: row for row in found}


async def delete_vault(connection: Connection, grant: VaultGrant, moment: datetime) -> bool:
    """Marks the vault with its environments; the rows stay for exposure. False when somebody else was first."""
    deleted = await run(
        connection,
        "UPDATE vaults SET deleted_at = %(now)s, updated_at = %(now)s WHERE id = %(vault)s AND deleted_at IS NULL",
        vault=grant.vault.id,
        now=moment,
    )
    await run(
        connection,
        """UPDATE environments SET deleted_at = %(now)s WHERE id IN (
               SELECT id FROM environments WHERE vault_id = %(vault)s AND deleted_at IS NULL
               ORDER BY id FOR NO KEY UPDATE)""",
        vault=grant.vault.id,
        now=moment,
    )
    return deleted == 1


async def insert_environment(
    connection: Connection, grant: VaultGrant, environment: NewEnvironment, moment: datetime
) -> None:
    """One more environment, behind the others. Raises NameTakenError."""
    inserted = await run(
        connection,
        """INSERT INTO environments (
               id, vault_id, name, type, type_mac, display_order, head_revision_id, manifest, created_at)
           SELECT %(id)s, %(vault)s, %(name)s, %(type)s, %(mac)s, coalesce(max(display_order), -1) + 1, %(revision)s,
               '', %(now)s
           FROM environments WHERE vault_id = %(vault)s AND deleted_at IS NULL
           ON CONFLICT (vault_id, name) WHERE deleted_at IS NULL DO NOTHING""",
        id=environment.id,
        vault=grant.vault.id,
        name=environment.name,
        type=environment.type,
        mac=environment.type_mac,
        revision=environment.revision_id,
        now=moment,
    )
    if not inserted:
        raise NameTakenError


async def rename_environment(connection: Connection, id_: UUID, name: str) -> bool:
    """A label; everything else follows the id. False when the environment is gone. Raises NameTakenError."""
    try:
        renamed = await run(
            connection,
            "UPDATE environments SET name = %(name)s WHERE id = %(id)s AND deleted_at IS NULL",
            id=id_,
            name=name,
        )
    except psycopg.errors.UniqueViolation:
        raise NameTakenError from None
    return renamed == 1


async def retype_environment(connection: Connection, id_: UUID, kind: str, mac: bytes) -> bool:
    """Another type, with the code that says that this backend gave it. False when the environment is gone."""
    changed = await run(
        connection,
        "UPDATE environments SET type = %(type)s, type_mac = %(mac)s WHERE id = %(id)s AND deleted_at IS NULL",
        id=id_,
        type=kind,
        mac=mac,
    )
    return changed == 1


async def live_environments(connection: Connection, grant: VaultGrant) -> int:
    """How many environments the vault has. Once it is touched no other transaction deletes any of them."""
    counted = await one(
        connection,
        "SELECT count(*) AS live FROM environments WHERE vault_id = %(vault)s AND deleted_at IS NULL",
        vault=grant.vault.id,
    )
    return int(counted["live"]) if counted is not None else 0


async def delete_environment(connection: Connection, id_: UUID, moment: datetime) -> bool:
    """Marks the environment. False when somebody else was first."""
    deleted = await run(
        connection,
        "UPDATE environments SET deleted_at = %(now)s WHERE id = %(id)s AND deleted_at IS NULL",
        id=id_,
        now=moment,
    )
    return deleted == 1


async def touch(connection: Connection, grant: VaultGrant, moment: datetime) -> bool:
    """The vault is changed: lists show the last changed first. False when it was deleted meanwhile.

    Whoever changes environments does this first: the vault is locked before any of them, and several of them in the
    order of their ids, so that two who change a vault wait for one another and never both.
    """
    statement: LiteralString = "UPDATE vaults SET updated_at = %(now)s WHERE id = %(id)s AND deleted_at IS NULL"
    return await run(connection, statement, id=grant.vault.id, now=moment) == 1


async def due_for_purge(connection: Connection, before: datetime, most: int) -> list[UUID]:
    """Environments that were deleted before then, by themselves or with their vault, and may still hold ciphertext."""
    found = await rows(
        connection,
        """SELECT id FROM environments WHERE deleted_at < %(before)s AND purged_at IS NULL
           ORDER BY deleted_at LIMIT %(most)s""",
        before=before,
        most=most,
    )
    return [row["id"] for row in found]


async def purge_values(connection: Connection, environment_id: UUID, moment: datetime, most: int) -> int:
    """Forgets the ciphertext of some values of an environment; how many. Their metadata stays for exposure."""
    return await run(
        connection,
        """UPDATE secret_values SET sealed = NULL, purged_at = %(now)s WHERE id IN (
               SELECT id FROM secret_values WHERE environment_id = %(id)s AND sealed IS NOT NULL LIMIT %(most)s)""",
        id=environment_id,
        now=moment,
        most=most,
    )


async def mark_purged(connection: Connection, environment_id: UUID, moment: datetime) -> None:
    """Nothing of it is left to purge."""
    await run(
        connection, "UPDATE environments SET purged_at = %(now)s WHERE id = %(id)s", id=environment_id, now=moment
    )
