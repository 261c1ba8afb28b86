"""Rows of connections, links, and browsers on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from keyway_backend.access.grants import EnvironmentGrant, PersonGrant, VaultGrant
from keyway_backend.db.engine import Connection, one, rows, run


@dataclass(frozen=True, slots=True)
class NewConnection:
    """An account that is connected. A token is sealed for the row's id, so the id stays when it is connected again."""

    id: UUID
    user_id: UUID
    provider: str
    account_id: str
    team_id: str | None
    team_name: str | None
    token_sealed: bytes
    at: datetime


async def connection_id_of(
    connection: Connection, user_id: UUID, provider: str, account_id: str, team_id: str | None
) -> UUID | None:
    """The row of an account that is connected already."""
    row = await one(
        connection,
        """SELECT id FROM provider_connections
           WHERE user_id = %(user)s AND provider = %(provider)s AND provider_user_id = %(account)s
               AND provider_team_id IS NOT DISTINCT FROM %(team)s::text""",
        user=user_id,
        provider=provider,
        account=account_id,
        team=team_id,
    )
    return None if row is None else row["id"]


async def connect(connection: Connection, new: NewConnection) -> bool:
    """Keeps it; connected again it is as new. False when another request made the account's row meanwhile."""
    written = await run(
        connection,
        """INSERT INTO provider_connections (
               id, user_id, provider, provider_user_id, provider_team_id, team_name, token_sealed,
               created_at, updated_at)
           VALUES (%(id)s, %(user)s, %(provider)s, %(account)s, %(team)s, %(team_name)s, %(token)s, %(at)s, %(at)s)
           ON CONFLICT (user_id, provider, provider_user_id, provider_team_id) DO UPDATE SET
               team_name = excluded.team_name, token_sealed = excluded.token_sealed,
               created_at = excluded.created_at, updated_at = excluded.updated_at
           WHERE provider_connections.id = excluded.id""",
        id=new.id,
        user=new.user_id,
        provider=new.provider,
        account=new.account_id,
        team=new.team_id,
        team_name=new.team_name,
        token=new.token_sealed,
        at=new.at,
    )
    return written == 1


async def connections(connection: Connection, grant: PersonGrant, provider: str | None = None) -> list[dict[str, Any]]:
    """The caller's own, oldest first."""
    return await rows(
        connection,
        """SELECT * FROM provider_connections
           WHERE user_id = %(user)s AND (%(provider)s::text IS NULL OR provider = %(provider)s)
           ORDER BY created_at, id""",
        user=grant.actor.user_id,
        provider=provider,
    )


async def one_connection(connection: Connection, user_id: UUID | None, id_: UUID) -> dict[str, Any] | None:
    """One of a person's own."""
    return await one(
        connection,
        "SELECT * FROM provider_connections WHERE id = %(id)s AND user_id = %(user)s",
        id=id_,
        user=user_id,
    )


async def providers_of(connection: Connection, user_id: UUID) -> set[str]:
    """The providers that a person connected."""
    found = await rows(
        connection, "SELECT DISTINCT provider FROM provider_connections WHERE user_id = %(user)s", user=user_id
    )
    return {row["provider"] for row in found}


async def lock_person(connection: Connection, user_id: UUID) -> None:
    """Until the transaction ends, so that many connections at once are counted one by one."""
    await run(connection, "SELECT FROM users WHERE id = %(user)s FOR NO KEY UPDATE", user=user_id)


async def disconnect(connection: Connection, grant: PersonGrant, id_: UUID) -> str | None:
    """Forgets one of the caller's own, with its links; its provider, or None when there is none."""
    row = await one(
        connection,
        "DELETE FROM provider_connections WHERE id = %(id)s AND user_id = %(user)s RETURNING provider",
        id=id_,
        user=grant.actor.user_id,
    )
    return None if row is None else row["provider"]


async def begin(
    connection: Connection,
    grant: PersonGrant,
    *,
    state_hash: bytes,
    browser_hash: bytes,
    provider: str,
    redirect_uri: str | None,
    expires_at: datetime,
) -> None:
    """A browser leaves for a provider. States that have ended are forgotten on the way."""
    await run(connection, "DELETE FROM provider_states WHERE expires_at < now()")
    await run(
        connection,
        """INSERT INTO provider_states (
               state_hash, browser_hash, session_id, user_id, provider, redirect_uri, expires_at)
           VALUES (%(state)s, %(browser)s, %(session)s, %(user)s, %(provider)s, %(redirect)s, %(expires)s)""",
        state=state_hash,
        browser=browser_hash,
        session=grant.actor.credential_id,
        user=grant.actor.user_id,
        provider=provider,
        redirect=redirect_uri,
        expires=expires_at,
    )


async def take_state(
    connection: Connection, *, state_hash: bytes, browser_hash: bytes, provider: str
) -> dict[str, Any] | None:
    """The state of this browser, once, if its session still lives."""
    return await one(
        connection,
        """WITH taken AS (
               DELETE FROM provider_states WHERE state_hash = %(state)s AND browser_hash = %(browser)s
                   AND provider = %(provider)s AND expires_at > now() RETURNING *)
           SELECT taken.*, u.login, u.github_user_id FROM taken
           JOIN sessions AS s ON s.id = taken.session_id AND s.user_id = taken.user_id
               AND s.revoked_at IS NULL AND s.expires_at > now()
           JOIN users AS u ON u.id = taken.user_id""",
        state=state_hash,
        browser=browser_hash,
        provider=provider,
    )


async def link(
    connection: Connection,
    grant: EnvironmentGrant,
    *,
    id_: UUID,
    connection_id: UUID,
    project_id: str,
    provider_environment: str,
    at: datetime,
) -> tuple[dict[str, Any], bool]:
    """The link, and whether it is new."""
    environment = grant.environment
    values = {
        "vault": grant.vault.id,
        "environment": environment.id if environment else None,
        "via": connection_id,
        "project": project_id,
        "there": provider_environment,
    }
    written = await run(
        connection,
        """INSERT INTO vault_syncs (
               id, vault_id, environment_id, connection_id, project_id, provider_environment, created_at)
           VALUES (%(id)s, %(vault)s, %(environment)s, %(via)s, %(project)s, %(there)s, %(at)s)
           ON CONFLICT DO NOTHING""",
        **values,
        id=id_,
        at=at,
    )
    row = await one(connection, _LINK, **values)
    assert row is not None  # noqa: S101 - written, or there before
    return row, written == 1


_LINK = """SELECT * FROM vault_syncs WHERE vault_id = %(vault)s AND environment_id = %(environment)s
    AND connection_id = %(via)s AND project_id = %(project)s AND provider_environment = %(there)s"""


async def name_project(connection: Connection, link_id: UUID, name: str) -> None:
    """What the provider calls the project of a link."""
    await run(connection, "UPDATE vault_syncs SET project_name = %(name)s WHERE id = %(id)s", id=link_id, name=name)


async def link_of(
    connection: Connection, grant: EnvironmentGrant, connection_id: UUID, project_id: str, provider_environment: str
) -> dict[str, Any] | None:
    """The link of an environment and a project."""
    return await one(
        connection,
        _LINK,
        vault=grant.vault.id,
        environment=grant.environment.id if grant.environment else None,
        via=connection_id,
        project=project_id,
        there=provider_environment,
    )


async def synced(connection: Connection, link_id: UUID, at: datetime) -> None:
    """Notes when a link was last synced."""
    await run(connection, "UPDATE vault_syncs SET last_synced_at = %(at)s WHERE id = %(id)s", id=link_id, at=at)


async def links(connection: Connection, grants: Sequence[VaultGrant]) -> list[dict[str, Any]]:
    """The links of vaults, whosever connection they use, oldest first."""
    return await rows(
        connection,
        """SELECT s.*, c.provider, e.name AS environment FROM vault_syncs AS s
           JOIN provider_connections AS c ON c.id = s.connection_id
           JOIN environments AS e ON e.id = s.environment_id AND e.deleted_at IS NULL
           WHERE s.vault_id = ANY(%(vaults)s) ORDER BY s.created_at, s.id""",
        vaults=[grant.vault.id for grant in grants],
    )
