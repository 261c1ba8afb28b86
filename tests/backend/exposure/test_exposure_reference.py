"""Exposure against a reference that knows nothing of our statements: random pushes, reads, rotations and copies."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.exposure import store
from keyway_standalone.processes import Stack

from tests.oracle import stage
from tests.oracle.stage import Home
from tests.oracle.wire import Call, bearer, send

ENVIRONMENTS = ("development", "staging")
KEYS = ("A", "B", "C", "D")
STEPS = 50


@dataclass
class Life:
    """One secret: what its value was, one line after the other; None when it is deleted."""

    environment: str
    key: str
    lines: list[int] = field(default_factory=list)
    present: int | None = None


@dataclass
class Reference:
    """What happened, and what follows from it, by looking at everything again and again."""

    live: dict[tuple[str, str], Life] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    revision: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ENVIRONMENTS, 0))
    seen: dict[str, list[tuple[Life, int, int]]] = field(default_factory=lambda: defaultdict(list))
    _line: int = 0

    def write(self, environment: str, key: str, line: int | None = None) -> None:
        """A new value: of a line of its own, or of one that is there."""
        life = self.live.get((environment, key))
        if life is None:
            life = self.live[environment, key] = Life(environment, key)
            self.lives.append(life)
        if line is None:
            line = self._line = self._line + 1
        life.lines.append(line)
        life.present = line

    def delete(self, environment: str, key: str) -> None:
        """The key leaves; if it comes again it is another secret."""
        self.live.pop((environment, key)).present = None

    def read(self, person: str, environment: str, keys: list[str]) -> None:
        """Somebody sees values."""
        for key in keys:
            life = self.live[environment, key]
            assert life.present is not None
            self.seen[person].append((life, life.present, self.revision[environment]))

    def report(self, person: str) -> list[tuple[Any, ...]]:
        """environment, key, status, how often, first and last revision: for each secret that the person knows."""
        found = []
        for life in self.lives:
            related = [(at, here) for here, line, at in self.seen[person] if line in life.lines]
            if not related:
                continue
            own = [at for at, here in related if here is life]
            known = {line for _, line, _ in self.seen[person]}
            status = "deleted" if life.present is None else "current" if life.present in known else "rotated"
            first, last = (min(own), max(own)) if own else (None, None)
            found.append((life.environment, life.key, status, len(related), first, last))
        return sorted(found, key=repr)


class Play:
    """Does the same to the server and to the reference."""

    def __init__(self, home: Home, seed: int) -> None:
        self.home = home
        self.reference = Reference()
        self.random = random.Random(seed)  # noqa: S311 - a game
        self.people = {name: home.with_role(role) for name, role in (("w", "write"), ("m", "maintain"), ("a", "admin"))}

    def step(self) -> None:
        """Something happens."""
        move = self.random.choices(
            (self.push, self.delete, self.copy, self.pull, self.part, self.view), (4, 1, 2, 5, 2, 2)
        )
        move[0](self.random.choice(ENVIRONMENTS))

    def push(self, environment: str) -> None:
        keys = self.random.sample(KEYS, self.random.randint(1, 3))
        self._send(environment, {key: f"v{self.random.random()}" for key in keys})
        for key in keys:
            self.reference.write(environment, key)

    def push_one(self, key: str) -> None:
        """One key of the first environment."""
        self._send(ENVIRONMENTS[0], {key: f"v{self.random.random()}"})
        self.reference.write(ENVIRONMENTS[0], key)

    def delete(self, environment: str) -> None:
        there = self._keys(environment)
        if len(there) > 1:
            key = self.random.choice(there)
            self._send(environment, {}, [key])
            self.reference.delete(environment, key)

    def copy(self, environment: str) -> None:
        """A value in the other environment that was made from one here."""
        there = self._keys(environment)
        if not there:
            return
        key, other = self.random.choice(there), ENVIRONMENTS[1 - ENVIRONMENTS.index(environment)]
        source = self.reference.live[environment, key].present
        target = self.reference.live.get((other, key))
        if target is not None and target.present == source:
            return
        self._send(other, {key: f"copy{self.random.random()}"})
        self.reference.write(other, key, source)
        with psycopg.connect(self.home.stack.superuser_database_url) as connection:
            connection.execute(
                """UPDATE secret_values AS n SET origin_value_id = coalesce(o.origin_value_id, o.id)
                   FROM secret_values AS o, environments AS s, environments AS t
                   WHERE s.vault_id = %(vault)s AND t.vault_id = %(vault)s AND s.name = %(here)s AND t.name = %(other)s
                       AND o.environment_id = s.id AND n.environment_id = t.id AND o.key = %(key)s AND n.key = %(key)s
                       AND o.to_revision IS NULL AND n.to_revision IS NULL""",
                {"vault": self.home.vault_id, "here": environment, "other": other, "key": key},
            )

    def pull(self, environment: str) -> None:
        self._read(environment, "pull", "", self._keys(environment))

    def part(self, environment: str) -> None:
        there = self._keys(environment)
        if len(there) > 1:
            self._read(environment, "pull", "&limit=1&offset=1", sorted(there)[1:2])

    def view(self, environment: str) -> None:
        if there := self._keys(environment):
            key = self.random.choice(there)
            self._read(environment, "view", f"&key={key}", [key])

    def _keys(self, environment: str) -> list[str]:
        return sorted(key for name, key in self.reference.live if name == environment)

    def _send(self, environment: str, values: dict[str, str], delete: list[str] | None = None) -> None:
        body = {
            "repoFullName": self.home.full_name, "environment": environment, "mode": "merge", "secrets": values,
            "delete": delete or [],
        }  # fmt: skip
        answer = self.home.post("/v1/secrets/push", body)
        assert answer.status == 200, answer.body
        self.reference.revision[environment] += 1

    def _read(self, environment: str, route: str, query: str, keys: list[str]) -> None:
        if not keys:
            return
        person = self.random.choice(list(self.people))
        path = f"/v1/secrets/{route}?repo={quote(self.home.full_name)}&environment={environment}{query}"
        headers = (bearer(self.people[person]), ("Accept", stage.SECRETS_JSON))
        answer = send(self.home.base, Call("GET", path, headers))
        assert answer.status == 200, answer.body
        self.reference.read(person, environment, keys)


def reported(play: Play) -> dict[str, list[tuple[Any, ...]]]:
    """What the server says of everybody, in the reference's form."""
    answer = play.home.get(f"/v1/vaults/{play.home.full_name}/exposure?limit=500")
    assert answer.status == 200, answer.body
    by_name = {person["user"]["username"]: person["secrets"] for person in answer.json()["data"]}
    found = {}
    for name, token in play.people.items():
        me = who(play, token)
        fields = ("environment", "key", "status", "accessCount", "firstRevision", "lastRevision")
        secrets = [tuple(secret[one] for one in fields) for secret in by_name.get(me, [])]
        found[name] = sorted(secrets, key=repr)
    return found


def totals(play: Play) -> tuple[dict[str, int], dict[str, int], list[datetime]]:
    """What the list of people says: the summary, secrets by person, and when each of them saw something last."""
    answer = play.home.get("/v1/users/me/exposure")
    assert answer.status == 200, answer.body
    data = answer.json()["data"]
    logins = {who(play, token): name for name, token in play.people.items()}
    secrets = {logins[one["user"]["username"]]: one["secretsAccessed"] for one in data["users"]}
    return data["summary"], secrets, [datetime.fromisoformat(one["lastAccess"]) for one in data["users"]]


def who(play: Play, token: str) -> str:
    """A session's login."""
    return str(send(play.home.base, Call("GET", "/v1/users/me", (bearer(token),))).json()["data"]["username"])


def counted(play: Play) -> tuple[dict[str, int], dict[str, int]]:
    """The same by the reference."""
    rows = {name: play.reference.report(name) for name in play.people}
    known = {name: found for name, found in rows.items() if found}
    secrets = {
        id(life)
        for name in known
        for life in play.reference.lives
        if any(line in life.lines for _, line, _ in play.reference.seen[name])
    }
    accesses = sum(row[3] for found in known.values() for row in found)
    summary = {"users": len(known), "secrets": len(secrets), "accesses": accesses}
    return summary, {name: len(found) for name, found in known.items()}


def check(play: Play) -> None:
    """The server says what the reference says, in every report."""
    assert reported(play) == {name: play.reference.report(name) for name in play.people}
    summary, secrets, moments = totals(play)
    assert (summary, secrets) == counted(play)
    assert moments == sorted(moments, reverse=True)


def roll_up(stack: Stack, most: int) -> None:
    """What the job does, in small steps."""
    asyncio.run(_worked(stack, store.roll_up, most))
    sum_lives(stack, most)


def sum_lives(stack: Stack, most: int) -> None:
    """The half of it that follows from changes."""
    asyncio.run(_worked(stack, store.sum_lives, most))


async def _worked(stack: Stack, step: Callable[[Connection, int], Awaitable[bool]], most: int) -> None:
    database = Database(stack.app_database_url, size=2)
    await database.open()
    try:
        more = True
        while more:
            async with database.transaction() as connection:
                more = await step(connection, most)
    finally:
        await database.close()


def played(stack: Stack, seed: int, steps: int = STEPS) -> Play:
    """A vault in which much happened, with a part of it summed up: one environment went on since, the other may not."""
    play = Play(stage.home(stack, "reference", keep=False), seed)
    for number in range(steps):
        play.step()
        if number == steps // 2:
            roll_up(stack, 7)
        if number in {steps // 4, steps * 7 // 8}:
            sum_lives(stack, 1)
    return play


@pytest.mark.parametrize("seed", [1, 2])
def test_no_difference_to_the_reference(stack: Stack, seed: int) -> None:
    """After random changes and reads, before, between and after roll-ups: the same for every person and secret."""
    play = played(stack, seed)
    assert sum(len(play.reference.report(name)) for name in play.people) > 6
    check(play)
    roll_up(stack, 20_000)
    check(play)


def test_nobody_saw_what_was_away_at_their_revision(stack: Stack) -> None:
    """A secret that was not there for a while is told apart from those that were there all the time."""
    play = Play(stage.home(stack, "away", keep=False), 1)
    for key in ("A", "B", "A"):
        play.push_one(key)
    play.pull("development")
    with psycopg.connect(stack.superuser_database_url) as connection:
        connection.execute(
            """UPDATE secret_values AS v SET to_revision = 2 FROM environments AS e
               WHERE e.id = v.environment_id AND e.vault_id = %s AND v.key = 'A' AND v.to_revision = 3""",
            [play.home.vault_id],
        )
        # The read was at revision 2, when A was not there.
        connection.execute(
            "UPDATE audit_events SET revision = 2 WHERE vault_id = %s AND action = 'secrets_pulled'",
            [play.home.vault_id],
        )
        # No revision told of this, so what a job may have summed up meanwhile does not know.
        connection.execute("DELETE FROM exposure_lives")
    assert totals(play)[0] == {"users": 1, "secrets": 1, "accesses": 1}
    sum_lives(stack, 100)
    assert totals(play)[0] == {"users": 1, "secrets": 1, "accesses": 1}
    play.pull("development")
    assert totals(play)[0]["secrets"] == len({"A", "B"})
    assert totals(play)[0]["accesses"] == len("BAB")


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(3, 33))
def test_no_difference_in_longer_lives(stack: Stack, seed: int) -> None:
    """The same thirty times, with three times as much happening in each."""
    play = played(stack, seed, 3 * STEPS)
    check(play)
    roll_up(stack, 20_000)
    check(play)
