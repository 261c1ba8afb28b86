"""An installation of its own for tests that kill, stop and misconfigure: people signed in, vaults made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from keyway_standalone.process import Process
from keyway_standalone.processes import Stack
from stack import running_stack
from warm_servers import run_to_its_end

from tests.invariants.api import Client, Place
from tests.oracle import keys
from tests.oracle.database import Database

_DEADLINE_SECONDS: Final = 60.0


@dataclass
class Scene:
    """A running stack and the vaults that `owner` administers."""

    stack: Stack
    owner: str
    repositories: Sequence[str]
    device_codes: list[str] = field(default_factory=list)
    _database: Database | None = None

    def session(self, login: str = "") -> Client:
        """Somebody signed in through the device flow; the owner of the vaults unless another login is given."""
        client = Client(self.stack.api_url, "")
        started = client.request("POST", "/v1/auth/device/start", {}).body
        self.device_codes.append(started["deviceCode"])
        self.stack.control.approve_device(started["userCode"], login or self.owner)
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while True:
            polled = client.request("POST", "/v1/auth/device/poll", {"deviceCode": started["deviceCode"]}).body
            if polled["status"] == "approved":
                return Client(self.stack.api_url, polled["keywayToken"])
            assert time.monotonic() < deadline, polled["status"]
            time.sleep(0.2)

    def sessions(self, count: int) -> list[Client]:
        """Several credentials of the owner's."""
        first = self.session()
        others = keys.sessions_like(self.stack, first.token, count - 1)
        return [first, *(Client(first.base, token) for token in others)]

    @property
    def places(self) -> list[Place]:
        """The development environment of every vault."""
        return [Place(repository) for repository in self.repositories]

    def begin(self, client: Client, place: Place, values: dict[str, str]) -> str:
        """Makes an environment hold exactly this. The id of its revision."""
        base = client.pull(place).revision
        mode = {"mode": "replace", "base": base} if base else {"mode": "merge"}
        answer = client.push(place, values, **mode)
        assert answer.status == 200, answer
        return answer.revision or ""

    def environment_id(self, place: Place) -> str:
        """The id of an environment."""
        return str(
            self.value(
                "SELECT e.id FROM environments e JOIN vaults v ON v.id = e.vault_id WHERE e.deleted_at IS NULL"
                " AND v.deleted_at IS NULL AND v.owner_login || '/' || v.repo_name = %s AND e.name = %s",
                place.repository,
                place.environment,
            )
        )

    def revisions(self, place: Place) -> list[str]:
        """Ids of an environment's revisions, oldest first."""
        found = self.sql(
            "SELECT id::text FROM revisions WHERE environment_id = %s ORDER BY number", self.environment_id(place)
        )
        return [row[0] for row in found]

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """A statement of the database's administrator, committed. Its rows, if it has any."""
        if self._database is None:
            self._database = Database(self.stack.superuser_database_url)
        return self._database.sql(statement, *values)

    def value(self, statement: str, *values: Any) -> Any:
        """The one value that a statement answers."""
        return self.sql(statement, *values)[0][0]


@contextmanager
def opened(vaults: int = 1, **options: Any) -> Iterator[Scene]:
    """A stack in a folder of its own with this many vaults; stopped and removed at the end. `options` are Stack's."""
    with running_stack(**options) as stack:
        owner = stack.control.login("outsider")
        scene = Scene(stack, owner, [f"{owner}/vault-{number}" for number in range(vaults)])
        client = scene.session()
        for repository in scene.repositories:
            stack.control.create_repo(repository)
            made = client.request("POST", "/v1/vaults", {"repoFullName": repository})
            assert made.status == 201, made
        try:
            yield scene
        finally:
            for process in stack.wanted:
                process.kill()  # nobody is left to be polite to, and draining takes seconds


def restarted(process: Process, environment: Mapping[str, str | None] | None = None) -> None:
    """kill -9, and a start with these variables laid over those that it had."""
    process.kill()
    process.environment.update(environment or {})
    process.start()


def until(holds: Callable[[], bool], seconds: float = _DEADLINE_SECONDS) -> None:
    """Waits for something that must come soon."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def to_its_end(process: Process, environment: dict[str, str]) -> tuple[int, str]:
    """Runs a process that must refuse to start. Its exit code and all that it said."""
    command = process.command()
    return run_to_its_end(replace(command, environment={**command.environment, **environment}), process.account)
