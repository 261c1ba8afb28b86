"""The statements that access is decided from. A pull costs one: credential, vault, environment, role and rules at once.

Rows are returned as they lie there; `records` judges which of them this backend wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from keyway_backend.access.actor import Actor, CredentialKind, Person
from keyway_backend.clients.github import Repository
from keyway_backend.db.engine import Connection, one, rows, run

_CREDENTIAL: Final[LiteralString] = """
    SELECT now() AS asked_at, u.login,
        s.id IS NOT NULL AND s.revoked_at IS NULL AND s.expires_at > now() AND (s.kind <> 'dashboard'
            OR coalesce(s.last_used_at, s.created_at) > now() - interval '8 hours') AS session_live,
        coalesce(s.last_used_at, s.created_at) < now() - interval '1 minute' AS session_unseen"""
_VAULT: Final[LiteralString] = """,
        v.id AS vault_id, v.github_repo_id, v.github_owner_id, v.owner_login, v.repo_name, v.private,
        v.created_by_github_user_id,
        e.id AS environment_id, e.name AS environment_name, e.type AS environment_type, e.type_mac,
        r.role AS cached_role, r.installation_id, r.asked_at AS role_asked_at, r.expires_at AS role_expires_at,
        r.github_owner_id AS role_owner_id,
        r.mac AS role_mac,
        NOT EXISTS (
            SELECT FROM access_generations AS g
            WHERE (g.kind, g.github_id) IN (('repository', v.github_repo_id), ('user', r.github_user_id))
                AND g.raised_at >= r.asked_at) AS role_stands,
        o.default_permissions, o.mac AS defaults_mac, p.overrides"""
_FROM: Final[LiteralString] = """
    FROM (SELECT %(github_user_id)s::bigint AS github_user_id) AS person
    LEFT JOIN sessions AS s ON s.id = %(session_id)s::uuid AND s.user_id = %(user_id)s
    LEFT JOIN users AS u ON u.id = %(user_id)s"""
# LIMIT 1 keeps the planner from joining by half a key: on tables that grew since it last looked, that reads them whole.
_CACHED_AND_RULES: Final[LiteralString] = """
    LEFT JOIN LATERAL (
        SELECT * FROM role_cache
        WHERE github_user_id = person.github_user_id AND github_repo_id = v.github_repo_id LIMIT 1
    ) AS r ON true
    LEFT JOIN organizations AS o ON o.github_org_id = v.github_owner_id
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object(
            'id', id, 'environment_id', environment_id, 'target_type', target_type,
            'target_github_user_id', target_github_user_id, 'target_role', target_role,
            'can_read', can_read, 'can_write', can_write, 'mac', encode(mac, 'hex'))) AS overrides
        FROM permission_overrides
        WHERE vault_id = v.id AND (target_type = 'role' OR target_github_user_id = person.github_user_id)"""
_RULES: Final[LiteralString] = _CACHED_AND_RULES + ") AS p ON v.id IS NOT NULL"
_LOWEST: Final[LiteralString] = """
    LEFT JOIN LATERAL (
        SELECT id FROM environments WHERE vault_id = v.id AND deleted_at IS NULL ORDER BY id LIMIT 1
    ) AS lowest ON true"""
# With one environment of a vault: told with each, overrides would be as many as the product of both numbers.
_ONCE: Final[LiteralString] = " AND e.id IS NOT DISTINCT FROM lowest.id) AS p ON v.id IS NOT NULL"
_RULES_ONCE: Final[LiteralString] = _LOWEST + _CACHED_AND_RULES + _ONCE
_NAMED: Final[LiteralString] = """
    LEFT JOIN vaults AS v ON lower(v.owner_login) = lower(%(owner)s) AND lower(v.repo_name) = lower(%(name)s)
        AND v.deleted_at IS NULL"""
_NUMBERED: Final[LiteralString] = """
    LEFT JOIN vaults AS v ON v.github_repo_id = %(repository_id)s AND v.deleted_at IS NULL"""
_KNOWN: Final[LiteralString] = """
    JOIN role_cache AS seen ON seen.github_user_id = person.github_user_id AND seen.role IS NOT NULL
    JOIN vaults AS v ON v.github_repo_id = seen.github_repo_id AND v.deleted_at IS NULL"""
_LISTED: Final[LiteralString] = """
    JOIN vaults AS v ON v.github_repo_id = ANY(%(repository_ids)s) AND v.deleted_at IS NULL"""
_ENVIRONMENTS: Final[LiteralString] = """
    LEFT JOIN environments AS e ON e.vault_id = v.id AND e.deleted_at IS NULL"""
_ENVIRONMENT: Final[LiteralString] = """
    LEFT JOIN LATERAL (
        SELECT * FROM environments WHERE vault_id = v.id AND name = %(environment)s AND deleted_at IS NULL LIMIT 1
    ) AS e ON true"""
_NO_ENVIRONMENT: Final[LiteralString] = """
    LEFT JOIN environments AS e ON false"""
_ORDER: Final[LiteralString] = " ORDER BY v.updated_at DESC, v.id, e.display_order, e.name"


@dataclass(frozen=True, slots=True)
class Named:
    """Vaults by the label that a request used. More than one after a repository's name was taken again."""

    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """The vault of a repository."""

    repository_id: int


@dataclass(frozen=True, slots=True)
class Known:
    """The vaults on which the person had a role when GitHub was asked last; `bare`: a row for each, and no environment
    in it."""

    bare: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """The vaults of these repositories."""

    repository_ids: list[int]


Where = Named | Numbered | Known | Listed

_PERSON: Final[LiteralString] = _CREDENTIAL + _FROM
_HEAD: Final[LiteralString] = _CREDENTIAL + _VAULT + _FROM
_ONE_ENVIRONMENT: Final[dict[type, LiteralString]] = {
    Named: _HEAD + _NAMED + _ENVIRONMENT + _RULES,
    Numbered: _HEAD + _NUMBERED + _ENVIRONMENT + _RULES,
}
_ALL_ENVIRONMENTS: Final[dict[type, LiteralString]] = {
    Named: _HEAD + _NAMED + _ENVIRONMENTS + _RULES_ONCE + _ORDER,
    Numbered: _HEAD + _NUMBERED + _ENVIRONMENTS + _RULES_ONCE + _ORDER,
    Listed: _HEAD + _LISTED + _ENVIRONMENTS + _RULES_ONCE + _ORDER,
}
_BARE: Final[LiteralString] = _HEAD + _KNOWN + _NO_ENVIRONMENT + _RULES + _ORDER
_ENVIRONMENTS_OF: Final[LiteralString] = """
    SELECT vault_id, id AS environment_id, name AS environment_name, type AS environment_type, type_mac
    FROM environments WHERE vault_id = ANY(%(vaults)s) AND deleted_at IS NULL ORDER BY display_order, name"""

_REMEMBER: Final[LiteralString] = """
    INSERT INTO role_cache (
        github_user_id, github_repo_id, role, installation_id, asked_at, expires_at, github_owner_id, mac)
    SELECT %(person)s, %(repository)s, %(role)s, %(installation)s, %(asked_at)s, %(expires_at)s, %(owner)s,
        %(mac)s
    WHERE NOT EXISTS (
        SELECT FROM access_generations
        WHERE (kind, github_id) IN (('repository', %(repository)s), ('user', %(person)s)) AND raised_at >= %(asked_at)s)
    ON CONFLICT (github_user_id, github_repo_id) DO UPDATE SET
        role = excluded.role, installation_id = excluded.installation_id, asked_at = excluded.asked_at,
        expires_at = excluded.expires_at, github_owner_id = excluded.github_owner_id, mac = excluded.mac
    WHERE role_cache.asked_at <= excluded.asked_at"""
_REMEMBER_ALL: Final[LiteralString] = """
    INSERT INTO role_cache (
        github_user_id, github_repo_id, role, installation_id, asked_at, expires_at, github_owner_id, mac)
    SELECT %(person)s, n.repository, n.role, n.installation, %(asked_at)s, n.expires_at, n.owner, n.mac
    FROM unnest(%(repositories)s::bigint[], %(roles)s::text[], %(installations)s::bigint[], %(ends)s::timestamptz[],
                %(owners)s::bigint[], %(macs)s::bytea[])
        AS n (repository, role, installation, expires_at, owner, mac)
    WHERE NOT EXISTS (
        SELECT FROM access_generations
        WHERE (kind, github_id) IN (('repository', n.repository), ('user', %(person)s)) AND raised_at >= %(asked_at)s)
    ORDER BY n.repository
    ON CONFLICT (github_user_id, github_repo_id) DO UPDATE SET
        role = excluded.role, installation_id = excluded.installation_id, asked_at = excluded.asked_at,
        expires_at = excluded.expires_at, github_owner_id = excluded.github_owner_id, mac = excluded.mac
    WHERE role_cache.asked_at <= excluded.asked_at"""
_FRESH: Final[LiteralString] = """
    SELECT github_user_id AS person, github_repo_id AS repository, role, installation_id AS installation, asked_at,
        github_owner_id AS owner,
        expires_at, mac
    FROM role_cache AS r
    WHERE github_user_id = %(person)s AND github_repo_id = %(repository)s AND expires_at > now() AND NOT EXISTS (
        SELECT FROM access_generations AS g
        WHERE (g.kind, g.github_id) IN (('repository', r.github_repo_id), ('user', r.github_user_id))
            AND g.raised_at >= r.asked_at)"""
_EVENTS: Final[LiteralString] = """
    SELECT n.repository, (
        SELECT max(raised_at) FROM access_generations
        WHERE (kind, github_id) IN (('repository', n.repository), ('user', %(person)s))) AS raised_at
    FROM unnest(%(repositories)s::bigint[]) AS n (repository)"""
_LAST_EVENT: Final[LiteralString] = """
    SELECT max(raised_at) AS raised_at FROM access_generations
    WHERE (kind, github_id) IN (('repository', %(repository)s), ('user', %(person)s))"""
_RELABEL: Final[LiteralString] = """
    UPDATE vaults SET
        owner_login = %(owner)s, repo_name = %(name)s, github_owner_id = %(owner_id)s, private = %(private)s
    WHERE github_repo_id = %(repository)s AND deleted_at IS NULL
        AND (owner_login, repo_name, github_owner_id, private) <> (%(owner)s, %(name)s, %(owner_id)s, %(private)s)"""

_LIVE: Final[LiteralString] = """
    SELECT live.environment_id, live.key FROM secret_values AS live JOIN secrets AS s ON s.id = live.secret_id
    WHERE s.id = %(secret)s AND s.vault_id = %(vault)s AND live.to_revision IS NULL LIMIT 1"""
_TRASHED: Final[LiteralString] = """
    SELECT last.environment_id, last.key FROM secrets AS s
    JOIN LATERAL (
        SELECT * FROM secret_values WHERE secret_id = s.id ORDER BY from_revision DESC LIMIT 1
    ) AS last ON true
    JOIN revisions AS closed ON closed.environment_id = last.environment_id AND closed.number = last.to_revision
    WHERE s.id = %(secret)s AND s.vault_id = %(vault)s AND last.purged_at IS NULL
        AND closed.created_at > now() - interval '30 days'"""


_SEEN: Final[LiteralString] = """
    UPDATE sessions SET last_used_at = now()
    WHERE id = (SELECT id FROM sessions WHERE id = %(id)s FOR NO KEY UPDATE SKIP LOCKED)"""


async def note_session(connection: Connection, session_id: UUID) -> None:
    """When a session was used last; once a minute at most, and waiting for nobody."""
    await run(connection, _SEEN, id=session_id)


async def person(connection: Connection, actor: Actor) -> DictRow | None:
    """Whether the session lives (false without one), the person's login, and the database's time."""
    return await one(connection, _PERSON, **_who(actor))


async def look_up(
    connection: Connection, who: Actor | Person, where: Where, environment: str | None = None
) -> list[DictRow]:
    """Everything that decides: a row per environment of each vault at `where`; for a name or a number at least one.

    With `environment` one row per vault, whether it has that environment or not. Overrides of a vault are told with one
    of its rows at least.
    """
    values = _who(who)
    match where:
        case Named(owner, name):
            values |= {"owner": owner, "name": name}
        case Numbered(repository_id):
            values |= {"repository_id": repository_id}
        case Listed(repository_ids):
            values |= {"repository_ids": repository_ids}
        case Known(bare):
            known = await rows(connection, _BARE, **values)
            return known if bare else await _with_environments(connection, known)
    if environment is None:
        return await rows(connection, _ALL_ENVIRONMENTS[type(where)], **values)
    return await rows(connection, _ONE_ENVIRONMENT[type(where)], **values, environment=environment)


async def _with_environments(connection: Connection, vaults: list[DictRow]) -> list[DictRow]:
    """A row per environment of each vault. What is told of a vault is many columns: with hundreds of vaults it costs
    more to send and to read it once more for each environment than to ask twice."""
    there: dict[UUID, list[DictRow]] = {row["vault_id"]: [] for row in vaults}
    for one_of_them in await rows(connection, _ENVIRONMENTS_OF, vaults=list(there)):
        there[one_of_them["vault_id"]].append(one_of_them)
    return [row | environment for row in vaults for environment in there[row["vault_id"]] or [{}]]


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A row of the role cache. No role: GitHub refused. No installation: the App is not installed there.

    `owner` is who owned the repository when GitHub said this: whose defaults count is never told by another row.
    """

    person: int
    repository: int
    role: str | None
    installation: int | None
    asked_at: datetime
    expires_at: datetime
    owner: int | None = None

    @property
    def fields(self) -> tuple[int, int, str | None, int | None, datetime, datetime, int | None]:
        """What its code covers, in this order."""
        return (
            self.person,
            self.repository,
            self.role,
            self.installation,
            self.asked_at,
            self.expires_at,
            self.owner,
        )


async def remember_role(connection: Connection, row: RoleRow, mac: bytes) -> None:
    """Keeps what GitHub said, unless an event came after it was asked, or a later answer is there already."""
    await run(connection, _REMEMBER, **asdict(row), mac=mac)


async def remember_roles(connection: Connection, told: Sequence[tuple[RoleRow, bytes]]) -> None:
    """`remember_role` for many rows of one person, in one statement."""
    if not told:
        return
    first = told[0][0]
    await run(
        connection,
        _REMEMBER_ALL,
        person=first.person,
        asked_at=first.asked_at,
        repositories=[row.repository for row, _ in told],
        roles=[row.role for row, _ in told],
        installations=[row.installation for row, _ in told],
        ends=[row.expires_at for row, _ in told],
        owners=[row.owner for row, _ in told],
        macs=[mac for _, mac in told],
    )


async def fresh_role(connection: Connection, person: int, repository: int) -> tuple[RoleRow, bytes] | None:
    """What is remembered of a person on a repository and still counts, with its code."""
    row = await one(connection, _FRESH, person=person, repository=repository)
    if row is None:
        return None
    mac = row.pop("mac")
    return RoleRow(**row), mac


async def events(connection: Connection, person: int, repositories: Sequence[int]) -> dict[int, datetime]:
    """When GitHub last told of a removal, by repository; at 0, and at least at every one, what concerns the person."""
    told = await rows(connection, _EVENTS, person=person, repositories=[*repositories, 0])
    return {row["repository"]: row["raised_at"] for row in told if row["raised_at"] is not None}


async def last_event(connection: Connection, *, person: int, repository: int) -> datetime | None:
    """When GitHub last told of a removal that concerns the person or the repository."""
    row = await one(connection, _LAST_EVENT, person=person, repository=repository)
    return row["raised_at"] if row is not None else None


async def vaults_of(connection: Connection, repository: int) -> list[UUID]:
    """The vault of a repository, if it has one."""
    statement = "SELECT id FROM vaults WHERE github_repo_id = %(repository)s AND deleted_at IS NULL"
    return [row["id"] for row in await rows(connection, statement, repository=repository)]


async def relabel(connection: Connection, repository: Repository) -> None:
    """Brings the labels of a repository's vault up to date."""
    await run(
        connection,
        _RELABEL,
        repository=repository.id,
        owner_id=repository.owner.id,
        owner=repository.owner.login,
        name=repository.name,
        private=repository.private,
    )


async def database_time(connection: Connection) -> datetime:
    """The clock that generations and role answers are compared by."""
    row = await one(connection, "SELECT clock_timestamp() AS at")
    assert row is not None  # noqa: S101 - a SELECT without FROM has a row
    moment: datetime = row["at"]
    return moment


@dataclass(frozen=True, slots=True)
class SecretRow:
    """Where a secret is, or was before it went to the trash."""

    environment_id: UUID
    key: str


async def secret(connection: Connection, vault_id: UUID, secret_id: UUID, *, trashed: bool) -> SecretRow | None:
    """A live secret of the vault, or with `trashed` one that was deleted less than 30 days ago and not for good."""
    found = await one(connection, _TRASHED if trashed else _LIVE, vault=vault_id, secret=secret_id)
    return SecretRow(**found) if found is not None else None


async def organization(connection: Connection, login: str) -> DictRow | None:
    """A connected organisation by its label: id, github_org_id, login."""
    return await one(
        connection,
        "SELECT id, github_org_id, login FROM organizations WHERE lower(login) = lower(%(login)s) LIMIT 1",
        login=login,
    )


async def organization_login(connection: Connection, github_org_id: int) -> str | None:
    """The label of a connected organisation."""
    row = await one(
        connection, "SELECT login FROM organizations WHERE github_org_id = %(number)s", number=github_org_id
    )
    return row["login"] if row is not None else None


def _who(who: Actor | Person) -> dict[str, Any]:
    if isinstance(who, Person):
        return {"github_user_id": who.github_user_id, "user_id": None, "session_id": None}
    session = who.credential_id if who.credential_kind is CredentialKind.SESSION else None
    return {"github_user_id": who.github_user_id, "user_id": who.user_id, "session_id": session}
