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
_ATTEMPTS: Final = 3
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


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer, when (time.monotonic) no removal had overtaken it yet, and when the database says it was asked for."""

    at: float
    asked_at: datetime
    answer: Answer


class Roles:
    """Asks GitHub, one question at a time per person and repository, and remembers what it said."""

    def __init__(self, database: Database, github: GitHub, macs: Macs, *, role_seconds: int) -> None:
        self._database = database
        self._github = github
        self._macs = macs
        self._role_seconds = role_seconds
        self._under_way: dict[tuple[int, str], asyncio.Task[_Told]] = {}
        self._just_told: OrderedDict[tuple[int, str], _Told] = OrderedDict()
        self._installations: OrderedDict[str, tuple[float, int | None]] = OrderedDict()
        self._pace = 0.0

    async def ask(self, person: Person, owner: str, name: str, *, since: float, expected: int | None = None) -> Answer:
        """The answer of now. A refusal that names no repository is remembered for the one that is `expected` there.

        `since` is when (time.monotonic) the caller began to look for a remembered role. An answer that came in
        meanwhile is its answer too: the row that holds it was written after the caller had looked. A role of which it
        is not known that it stood then, because it was asked for by others who came before, is looked at once more.
        """
        key = (person.github_user_id, _key(owner, name))
        told = self._just_told.get(key)
        while told is None or told.at <= since:
            task = self._under_way.get(key)
            if task is None:
                task = asyncio.create_task(self._ask_for_many(person, owner, name, expected))
                self._under_way[key] = task
                task.add_done_callback(lambda _: self._under_way.pop(key, None))
            told = await asyncio.shield(task)
            if told.at <= since and await self._stands(person, told):
                break
        return told.answer

    async def _ask_for_many(self, person: Person, owner: str, name: str, expected: int | None) -> _Told:
        """The answer, also for those who ask meanwhile."""
        told = await self._standing_answer(person, owner, name, expected)
        key = (person.github_user_id, _key(owner, name))
        self._just_told[key] = told
        self._just_told.move_to_end(key)
        if len(self._just_told) > _REMEMBERED:
            self._just_told.popitem(last=False)
        return told

    async def _standing_answer(self, person: Person, owner: str, name: str, expected: int | None) -> _Told:
        """A role that was asked for before a removal is nobody's, for whomever it was asked: then it is asked for
        again, in what is left of the time."""
        end = asyncio.get_running_loop().time() + REQUEST_SECONDS
        for _ in range(_ATTEMPTS):
            async with self._database.read() as connection:
                asked_at = await store.database_time(connection)
            answer = await self._until(end, person, owner, name)
            told = _Told(time.monotonic(), asked_at, answer)
            if await self._remember(person, answer, expected, asked_at):
                return told
        return _Told(time.monotonic(), asked_at, Unknown())

    async def _stands(self, person: Person, told: _Told) -> bool:
        """Whether no removal has overtaken a role since it was asked for. A refusal stands: it gives nothing."""
        if not isinstance(told.answer, Granted):
            return True
        async with self._database.read() as connection:
            number, repository = person.github_user_id, told.answer.repository.id
            event = await store.last_event(connection, person=number, repository=repository)
        return event is None or event < told.asked_at

    async def _until(self, end: float, person: Person, owner: str, name: str) -> Answer:
        try:
            async with asyncio.timeout_at(end):
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

    async def _remember(self, person: Person, answer: Answer, expected: int | None, asked_at: datetime) -> bool:
        """Keeps what was told: the role, and who owned it then. False for what a removal has overtaken."""
        match answer:
            case Granted(role, repository, installation):
                return await self._keep(person, repository.id, (role, repository.owner.id), installation, asked_at)
            case Denied(repository, installation):
                repository_id = repository.id if repository is not None else expected
                await self._keep(person, repository_id, _NO_ROLE, installation, asked_at)
            case NotInstalled():
                await self._keep(person, expected, _NO_ROLE, None, asked_at)
        return True

    async def _keep(
        self,
        person: Person,
        repository: int | None,
        told: tuple[Role | None, int | None],
        installation: int | None,
        asked_at: datetime,
    ) -> bool:
        """Whether no event came after the question; then it is kept."""
        if repository is None:
            return True
        role, owner = told
        number = person.github_user_id
        async with self._database.read() as connection:
            event = await store.last_event(connection, person=number, repository=repository)
            if event is not None and event >= asked_at:
                return False
            seconds = self._role_seconds if role is not None else min(DENIED_SECONDS, self._role_seconds)
            ends = asked_at + lifetime(asked_at, event, seconds)
            row = store.RoleRow(number, repository, role, installation, asked_at, ends, owner)
            await store.remember_role(connection, row, self._macs.make(Purpose.ROLE, *row.fields))
        return True


def lifetime(asked_at: datetime, event: datetime | None, seconds: int) -> timedelta:
    """How long an answer is believed: not for long after a removal, which GitHub's own answers may lag behind."""
    if event is not None and asked_at - event < _AFTER_EVENT_FOR:
        seconds = min(seconds, _AFTER_EVENT_SECONDS)
    return timedelta(seconds=seconds)


def _key(owner: str, name: str) -> str:
    return f"{owner}/{name}".lower()
