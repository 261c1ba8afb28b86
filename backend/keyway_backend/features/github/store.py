"""Rows of installations: what GitHub told of the App on its accounts. They grant nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, LiteralString

from psycopg.rows import DictRow

from keyway_backend.db.engine import Connection, one, rows, run
from keyway_backend.platform.ids import new_id

_STATUS: Final[LiteralString] = """
    SELECT status FROM installations WHERE installation_id = %(installation)s FOR UPDATE"""
_KEEP: Final[LiteralString] = """
    INSERT INTO installations (installation_id, id, account_id, account_login, account_type, repository_selection,
        repository_count, permissions, status, installed_by_github_user_id, installed_at, updated_at)
    VALUES (%(installation)s, %(id)s, %(account)s, %(login)s, %(type)s, %(selection)s,
        %(count)s, %(permissions)s::jsonb, %(status)s, %(by)s, now(), now())
    ON CONFLICT (installation_id) DO UPDATE SET account_login = excluded.account_login,
        account_type = excluded.account_type,
        repository_selection = excluded.repository_selection, repository_count = excluded.repository_count,
        permissions = excluded.permissions, status = excluded.status, updated_at = now(),
        installed_by_github_user_id =
            coalesce(installations.installed_by_github_user_id, excluded.installed_by_github_user_id)"""
_REPOSITORIES: Final[LiteralString] = """
    WITH gone AS (
        DELETE FROM installation_repositories
        WHERE installation_id = %(installation)s AND NOT github_repo_id = ANY(%(repositories)s))
    INSERT INTO installation_repositories (installation_id, github_repo_id, added_at)
    SELECT %(installation)s, unnest(%(repositories)s::bigint[]), now() ON CONFLICT DO NOTHING"""
_REMOVE: Final[LiteralString] = """
    WITH gone AS (
        DELETE FROM installation_repositories
        WHERE installation_id = %(installation)s AND github_repo_id = ANY(%(repositories)s) RETURNING 1)
    UPDATE installations SET repository_count = greatest(repository_count - (SELECT count(*) FROM gone), 0),
        updated_at = now()
    WHERE installation_id = %(installation)s"""
_END: Final[LiteralString] = """
    UPDATE installations SET status = %(status)s, updated_at = now()
    WHERE installation_id = %(installation)s AND status <> 'deleted' AND status <> %(status)s"""
_END_UNKNOWN: Final[LiteralString] = """
    INSERT INTO installations (installation_id, id, account_id, account_login, account_type, repository_selection,
        repository_count, permissions, status, installed_at, updated_at)
    VALUES (%(installation)s, %(id)s, %(account)s, '', '', '', 0, '{}', 'deleted', now(), now())
    ON CONFLICT (installation_id) DO UPDATE SET status = 'deleted', updated_at = now()
    WHERE installations.status <> 'deleted'"""
_DROP_TOKEN: Final[LiteralString] = "DELETE FROM installation_tokens WHERE installation_id = %(installation)s"  # noqa: S105
_OF: Final[LiteralString] = """
    SELECT id, installation_id, account_login, account_type, repository_selection, repository_count, installed_at
    FROM installations
    WHERE status <> 'deleted' AND (installed_by_github_user_id = %(person)s OR account_id = %(person)s)
    ORDER BY installed_at, installation_id"""
_KNOWN: Final[LiteralString] = """
    SELECT installation_id FROM installations
    WHERE installation_id = ANY(%(installations)s) AND status <> 'deleted'"""
_WITH_VAULT: Final[LiteralString] = """
    SELECT github_repo_id FROM vaults WHERE github_repo_id = ANY(%(repositories)s) AND deleted_at IS NULL"""
_CONNECTED: Final[LiteralString] = """
    SELECT github_org_id FROM organizations WHERE github_org_id = ANY(%(organizations)s)"""


@dataclass(frozen=True, slots=True)
class Row:
    """An installation as GitHub showed it; `repositories` of one for selected repositories, by number."""

    installation: int
    account: int
    login: str
    type: str
    selection: str
    count: int
    permissions: str
    status: str
    repositories: tuple[int, ...]


async def status(connection: Connection, installation: int) -> str | None:
    """How an installation stands, and nobody else changes it before the transaction ends."""
    row = await one(connection, _STATUS, installation=installation)
    return row["status"] if row is not None else None


async def keep(connection: Connection, row: Row, *, installed_by: int | None) -> None:
    """Writes down what GitHub showed."""
    values = asdict(row) | {"repositories": list(row.repositories)}
    await run(connection, _KEEP, id=new_id(), by=installed_by, **values)
    await run(connection, _REPOSITORIES, installation=row.installation, repositories=values["repositories"])


async def end(connection: Connection, installation: int, status: str, account: int | None) -> bool:
    """Suspended or deleted; the kept token goes. False when it was already. One that was never known leaves a row when
    it ends, so that its end is told once."""
    await run(connection, _DROP_TOKEN, installation=installation)
    if status == "deleted" and account is not None:
        ended = await run(connection, _END_UNKNOWN, installation=installation, id=new_id(), account=account)
    else:
        ended = await run(connection, _END, installation=installation, status=status)
    return ended == 1


async def remove_repositories(connection: Connection, installation: int, repositories: Iterable[int]) -> None:
    """The account's owner took repositories out of the selection."""
    await run(connection, _REMOVE, installation=installation, repositories=list(repositories))


async def installations_of(connection: Connection, person: int) -> list[DictRow]:
    """What a person installed, or has on the own account."""
    return await rows(connection, _OF, person=person)


async def known(connection: Connection, installations: Sequence[int]) -> set[int]:
    """Those that there are rows of."""
    return {row["installation_id"] for row in await rows(connection, _KNOWN, installations=list(installations))}


async def with_vault(connection: Connection, repositories: Sequence[int]) -> set[int]:
    """Those repositories that have a vault."""
    return {row["github_repo_id"] for row in await rows(connection, _WITH_VAULT, repositories=list(repositories))}


async def connected(connection: Connection, organizations: Sequence[int]) -> set[int]:
    """Those organisations that Keyway knows."""
    return {row["github_org_id"] for row in await rows(connection, _CONNECTED, organizations=list(organizations))}
