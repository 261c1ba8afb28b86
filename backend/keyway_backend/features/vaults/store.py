"""Rows of vaults and environments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from keyway_backend.access.grants import RepositoryGrant, VaultGrant
from keyway_backend.db.engine import Connection, rows, run


@dataclass(frozen=True, slots=True)
class NewEnvironment:
    """An environment that is made with its vault."""

    id: UUID
    name: str
    type: str
    type_mac: bytes
    revision_id: UUID


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
