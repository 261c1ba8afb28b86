"""The role of a person on a repository, from GitHub (policy.yaml `roles.resolution`; the first line that decides wins).

Everything is compared by number. Names are what GitHub is asked by, and its answer must carry the number that was
meant. What GitHub does not say is `Unknown`: never a role, and never a refusal either.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyway_core.roles import Role, role_from_github

from keyway_backend.access import store
from keyway_backend.access.actor import NOBODY, Person
from keyway_backend.access.macs import Macs, Purpose
from keyway_backend.clients.github import GitHub, GitHubUnknown, Permission, PermissionMissing, Repository
from keyway_backend.db.engine import Database

REQUEST_SECONDS: Final = 5.0  # policy.yaml limits.deadlines_seconds.github_request_total
DENIED_SECONDS: Final = 10
_AFTER_EVENT_SECONDS: Final = 10
_AFTER_EVENT_FOR: Final = timedelta(seconds=120)
_INSTALLATION_SECONDS: Final = 60.0
_REMEMBERED: Final = 4096
_NO_ROLE: Final = (None, None)


@dataclass(frozen=True, slots=True)
class Granted:
    """GitHub says that the person has this role on this repository."""

    role: Role
    repository: Repository
    installation_id: int


@dataclass(frozen=True, slots=True)
class Denied:
    """GitHub says that the person has none. `repository` is None when the App cannot see one of that name either."""

    repository: Repository | None
    installation_id: int


@dataclass(frozen=True, slots=True)
class NotInstalled:
    """No active installation of the App covers a repository of that name."""


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The App lacks a permission that is needed to find out."""

    permission: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """GitHub did not say. `outage`: because it was not there."""

    retry_after_seconds: int = 5
    outage: bool = False


Answer = Granted | Denied | NotInstalled | Misconfigured | Unknown


class Roles:
    """Asks GitHub, one question at a time per person and repository, and remembers what it said."""

    def __init__(self, database: Database, github: GitHub, macs: Macs, *, role_seconds: int) -> None:
        self._database = database
        self._github = github
        self._macs = macs
        self._role_seconds = role_seconds
        self._under_way: dict[tuple[int, str], asyncio.Task[Answer]] = {}
        self._just_told: OrderedDict[tuple[int, str], tuple[float, Answer]] = OrderedDict()
        self._installations: OrderedDict[str, tuple[float, int | None]] = OrderedDict()
        self._pace = 0.0

    async def ask(self, person: Person, owner: str, name: str, *, since: float, expected: int | None = None) -> Answer:
        """The answer of now. A refusal that names no repository is remembered for the one that is `expected` there.

        `since` is when (time.monotonic) the caller began to look for a remembered role. An answer that came in
        meanwhile is its answer too: the row that holds it was written after the caller had looked.
        """
        key = (person.github_user_id, _key(owner, name))
        told_at, answer = self._just_told.get(key, (0.0, Unknown()))
        if told_at > since:
            return answer
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask_and_remember(person, owner, name, expected))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _ask_and_remember(self, person: Person, owner: str, name: str, expected: int | None) -> Answer:
        async with self._database.read() as connection:
            asked_at = await store.database_time(connection)
        answer = await self._within_deadline(person, owner, name)
        match answer:
            case Granted(role, repository, installation):
                await self._remember(person, repository.id, (role, repository.owner.id), installation, asked_at)
            case Denied(repository, installation):
                repository_id = repository.id if repository is not None else expected
                await self._remember(person, repository_id, _NO_ROLE, installation, asked_at)
            case NotInstalled():
                await self._remember(person, expected, _NO_ROLE, None, asked_at)
        key = (person.github_user_id, _key(owner, name))
        self._just_told[key] = (time.monotonic(), answer)
        self._just_told.move_to_end(key)
        if len(self._just_told) > _REMEMBERED:
            self._just_told.popitem(last=False)
        return answer

    async def _within_deadline(self, person: Person, owner: str, name: str) -> Answer:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await self._resolve(person, owner, name)
        except TimeoutError:
            return Unknown(outage=True)
        except GitHubUnknown as error:
            self._installations.pop(_key(owner, name), None)
            return Unknown(error.retry_after_seconds, error.outage)
        except PermissionMissing as error:
            return Misconfigured(error.permission)

    async def _resolve(self, person: Person, owner: str, name: str) -> Answer:
        remembered = self._remembered_installation(owner, name)
        installation = remembered or await self._installation(owner, name)
        if installation is None:
            await asyncio.sleep(self._pace)
            return NotInstalled()
        started = time.monotonic()
        repository = await self._github.repository(installation, owner, name)
        if repository is None:
            self._installations.pop(_key(owner, name), None)
            return Denied(None, installation) if remembered is None else await self._resolve(person, owner, name)
        role = await self._role(person, installation, repository)
        self._keep_pace(time.monotonic() - started)
        return Granted(role, repository, installation) if role is not None else Denied(repository, installation)

    def _remembered_installation(self, owner: str, name: str) -> int | None:
        until, known = self._installations.get(_key(owner, name), (0.0, None))
        return known if until > time.monotonic() else None

    async def _installation(self, owner: str, name: str) -> int | None:
        """The active installation that covers the repository. Where there is one is believed for a minute."""
        found = await self._github.installation_of(owner, name)
        if found is None or not found.active:
            return None
        self._installations[_key(owner, name)] = (time.monotonic() + _INSTALLATION_SECONDS, found.id)
        if len(self._installations) > _REMEMBERED:
            self._installations.popitem(last=False)
        return found.id

    def _keep_pace(self, seconds: float) -> None:
        """How long the look-up of a repository takes that is there; one that is not takes as long, so that time tells
        a stranger nothing."""
        self._pace = seconds if not self._pace else 0.8 * self._pace + 0.2 * seconds

    async def _role(self, person: Person, installation: int, repository: Repository) -> Role | None:
        if repository.owner.type == "User" and repository.owner.id == person.github_user_id:
            return Role.ADMIN
        if person == NOBODY:
            return None
        told = await self._permission(person, installation, repository)
        if told is None:
            return None
        login, permission = told
        role = role_from_github(permission.role_name) or role_from_github(permission.permission)
        if role is None or not repository.open_to_many:
            return role
        invited = await self._github.is_collaborator(installation, repository.owner.login, repository.name, login)
        return role if invited else None

    async def _permission(
        self, person: Person, installation: int, repository: Repository
    ) -> tuple[str, Permission] | None:
        """The login under which GitHub knows the person now, and what it says of that login on the repository.

        The login that we know is tried first; only an answer that carries the person's number counts.
        """
        owner, name = repository.owner.login, repository.name
        permission = await self._github.permission(installation, owner, name, person.login)
        if permission is not None and permission.user_id == person.github_user_id:
            return person.login, permission
        login = await self._github.login_of(installation, person.github_user_id)
        if login is None or login == person.login:
            return None
        permission = await self._github.permission(installation, owner, name, login)
        if permission is None or permission.user_id != person.github_user_id:
            return None
        return login, permission

    async def _remember(
        self,
        person: Person,
        repository: int | None,
        told: tuple[Role | None, int | None],
        installation: int | None,
        asked_at: datetime,
    ) -> None:
        """Keeps what was told: the role, and who owned the repository then."""
        if repository is None:
            return
        role, owner = told
        number = person.github_user_id
        async with self._database.read() as connection:
            event = await store.last_event(connection, person=number, repository=repository)
            seconds = self._role_seconds if role is not None else min(DENIED_SECONDS, self._role_seconds)
            ends = asked_at + lifetime(asked_at, event, seconds)
            row = store.RoleRow(number, repository, role, installation, asked_at, ends, owner)
            await store.remember_role(connection, row, self._macs.make(Purpose.ROLE, *row.fields))


def lifetime(asked_at: datetime, event: datetime | None, seconds: int) -> timedelta:
    """How long an answer is believed: not for long after a removal, which GitHub's own answers may lag behind."""
    if event is not None and asked_at - event < _AFTER_EVENT_FOR:
        seconds = min(seconds, _AFTER_EVENT_SECONDS)
    return timedelta(seconds=seconds)


def _key(owner: str, name: str) -> str:
    return f"{owner}/{name}".lower()
