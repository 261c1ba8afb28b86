"""Two people write at once: what comes out is what comes out when one of them had waited for the other.

Nothing is left to chance: an environment's row is held, the first request is let run until it waits for the row or has
ended, then the second, then the row is let go. What both were answered and what is stored then is compared with the two
orders, played one after the other elsewhere.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from threading import Barrier, local
from typing import Any, Final

import psycopg
import pytest
from keyway_standalone.processes import Stack
from oracle import keys, stage
from oracle.report import Record
from oracle.wire import Answer, Call, Line, bearer, send

SECONDS: Final = 20.0
ATTEMPTS, QUICKLY = 5, 2.0
# Places take them in turn; so many keep each under its limit of requests, also in the long run.
SESSIONS: Final = 120
WAITING: Final = """
    WITH RECURSIVE behind (pid) AS (
        SELECT %s::int
        UNION SELECT a.pid FROM pg_stat_activity AS a, behind WHERE behind.pid = ANY(pg_blocking_pids(a.pid)))
    SELECT count(*) - 1 FROM behind"""


class Lines(local):
    """A connection for each thread, which each request of the thread goes over."""

    def __init__(self, base: str) -> None:
        self._line = Line(base)

    def send(self, call: Call) -> Answer:
        """Sends one request and reads the whole answer."""
        return self._line.send(call)


@dataclass
class Place:
    """A vault as each case finds it: a live secret with a version, another one, one in the trash, one in staging."""

    lines: Lines
    full_name: str
    token: str
    kept: str = ""
    other: str = ""
    gone: str = ""
    version: str = ""

    def ask(self, method: str, path: str, body: Any = None, *, whole: bool = False) -> Answer:
        """A request below the vault, or anywhere."""
        path = path if whole else f"/v1/vaults/{self.full_name}{path}"
        return self.lines.send(Call(method, path, (bearer(self.token),), body))

    def push(self, values: dict[str, str], environment: str = "development", *, delete: Sequence[str] = ()) -> Answer:
        """A push beside what is there."""
        body = {"repoFullName": self.full_name, "environment": environment, "secrets": values, "mode": "merge"}
        return self.ask("POST", "/v1/secrets/push", body | {"delete": [*delete]}, whole=True)

    def pull(self, environment: str = "development") -> Answer:
        """What an environment holds."""
        path = f"/v1/secrets/pull?repo={self.full_name}&environment={environment}"
        return self.lines.send(Call("GET", path, (bearer(self.token), ("Accept", stage.SECRETS_JSON))))

    def state(self) -> Any:
        """Everything that can be seen in the vault."""
        names = self.ask("GET", "/environments")
        if names.status != 200:
            return names.status
        values = {}
        for one in names.json()["data"]["environments"]:
            answer = self.pull(one["name"])
            assert answer.status in {200, 404}, answer.body
            values[one["name"], one["type"]] = answer.json()["data"]["secrets"] if answer.status == 200 else {}
        trash = sorted(one["key"] for one in self.ask("GET", "/trash").json()["data"])
        versions = self.ask("GET", f"/secrets/{self.kept}/versions")
        held = [one["versionNumber"] for one in versions.json()["data"]["versions"]] if versions.status == 200 else None
        rules = [len(self.ask("GET", path).json()["data"]) for path in ("/oidc-rules", "/permissions/overrides")]
        return values, trash, held, rules


Write = Callable[[Place], Answer]
WRITES: Final[dict[str, Write]] = {
    "push": lambda p: p.push({"KEEP": "pushed"}),
    "push of a new key": lambda p: p.push({"NEW": "pushed"}),
    "push of the key in the trash": lambda p: p.push({"GONE": "pushed"}),
    "create": lambda p: p.ask("POST", "/secrets", {"key": "NEW", "value": "made", "environment": "development"}),
    "change": lambda p: p.ask("PATCH", f"/secrets/{p.kept}", {"value": "changed"}),
    "rename": lambda p: p.ask("PATCH", f"/secrets/{p.kept}", {"name": "NEW"}),
    "rename of another": lambda p: p.ask("PATCH", f"/secrets/{p.other}", {"name": "NEW"}),
    "delete": lambda p: p.ask("DELETE", f"/secrets/{p.kept}"),
    "restore": lambda p: p.ask("POST", f"/trash/{p.gone}/restore"),
    "purge": lambda p: p.ask("DELETE", f"/trash/{p.gone}"),
    "empty": lambda p: p.ask("DELETE", "/trash"),
    "version restore": lambda p: p.ask("POST", f"/secrets/{p.kept}/versions/{p.version}/restore"),
    "version purge": lambda p: p.ask("DELETE", f"/secrets/{p.kept}/versions/{p.version}"),
    "rollback": lambda p: p.ask("POST", "/environments/development/revisions/1/rollback", {"skipPurged": True}),
    "copy in": lambda p: p.ask("POST", "/environments/staging/copy", {"target": "development", "overwrite": True}),
    "copy out": lambda p: p.ask("POST", "/environments/development/copy", {"target": "staging", "overwrite": True}),
    "copy of one": lambda p: p.ask("POST", f"/secrets/{p.kept}/copy", {"target": "staging"}),
    "environment rename": lambda p: p.ask("PATCH", "/environments/development", {"newName": "renamed"}),
    "environment delete": lambda p: p.ask("DELETE", "/environments/development"),
    "environment create": lambda p: p.ask("POST", "/environments", {"name": "renamed"}),
    "type": lambda p: p.ask("PATCH", "/environments/development/type", {"type": "protected"}),
    "override": lambda p: p.ask(
        "POST",
        "/permissions/overrides",
        {"environment": "development", "targetType": "role", "targetRole": "read", "canRead": True, "canWrite": False},
    ),
    "rule": lambda p: p.ask("POST", "/oidc-rules", {"environment": "development"}),
    "vault delete": lambda p: p.ask("DELETE", ""),
    "pull": lambda p: p.pull(),
}
QUICK: Final = [
    ("rename", "push"), ("push", "rename"), ("delete", "restore"), ("environment rename", "pull"), ("rollback", "push"),
    ("purge", "pull"), ("purge", "restore"), ("empty", "restore"), ("version purge", "version restore"),
    ("version purge", "rollback"), ("override", "environment delete"), ("environment delete", "push"),
    ("vault delete", "push"), ("environment rename", "environment delete"), ("type", "vault delete"),
    ("create", "rename of another"), ("copy in", "delete"),
]  # fmt: skip


# Both were told which environment is meant before one of them gave it its new name: the other one still means it.
NOT_IN_ORDER: Final = {("environment rename", name) for name in ("environment rename", "environment delete", "type")}


def _told(found: tuple[int, int, Any]) -> tuple[bool, bool, Any]:
    """Who was refused, and what is stored. Why somebody was may be said from what was there when it began."""
    return found[0] < 400, found[1] < 400, found[2]


class Ground:
    """Where cases are played: an administrator, of whose `SESSIONS` each place takes the next one."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.home = stage.home(stack, "pairs", keep=False)
        self._lines = Lines(stack.api_url)
        self._tokens = itertools.cycle(keys.sessions_like(stack, self.home.token, SESSIONS))

    def place(self) -> Place:
        """A vault as each case finds it. The administrator of its repository is an owner of the organisation."""
        name = f"{self.home.full_name.partition('/')[0]}/pair-{token_hex(5)}"
        stage.GitHub(self.stack).repo(name, {})
        made = Place(self._lines, name, next(self._tokens))
        assert made.ask("POST", "/v1/vaults", {"repoFullName": name}, whole=True).status == 201
        for values, environment in (({"KEEP": "1", "OTHER": "1", "GONE": "1"}, "development"), ({"S": "1"}, "staging")):
            assert made.push(values, environment).status == 200
        ids = {one["key"]: str(one["id"]) for one in made.ask("GET", "/secrets").json()["data"]}
        made.kept, made.other, made.gone = (ids[key] for key in ("KEEP", "OTHER", "GONE"))
        assert made.push({"KEEP": "2"}, delete=["GONE"]).status == 200
        made.version = made.ask("GET", f"/secrets/{made.kept}/versions").json()["data"]["versions"][0]["id"]
        return made

    def in_order(self, first: str, second: str) -> tuple[int, int, Any]:
        """What comes out when one waits for the other."""
        place = self.place()
        statuses = WRITES[first](place).status, WRITES[second](place).status
        return *statuses, place.state()

    def at_once(self, first: str, second: str) -> tuple[int, int, Any]:
        """What comes out when both have begun before one of them has written.

        A statement waits for three seconds (policy.yaml `deadlines_seconds.database`): where this machine was too slow
        for that, it is played again.
        """
        for _ in range(ATTEMPTS):
            began = time.monotonic()
            found = self._at_once(first, second)
            if max(found[:2]) < 500 or time.monotonic() - began < QUICKLY:
                break
        return found

    def _at_once(self, first: str, second: str) -> tuple[int, int, Any]:
        place = self.place()
        with held(self.stack, place) as gate, ThreadPoolExecutor(2) as pool:
            answers: list[Future[Answer]] = []
            for name in (first, second):
                answers.append(pool.submit(WRITES[name], place))
                gate.until_stuck(answers)
            gate.let_go()
            statuses = tuple(answer.result(SECONDS).status for answer in answers)
        return statuses[0], statuses[1], place.state()

    def complaint(self, first: str, second: str) -> str | None:
        """What is wrong with a pair."""
        found = self.at_once(first, second)
        if (first, second) in NOT_IN_ORDER and max(found[:2]) < 500:
            return None
        orders = [self.in_order(first, second)]
        if _told(found) != _told(orders[0]):
            later, earlier, state = self.in_order(second, first)
            orders.append((earlier, later, state))
        if max(found[:2]) < 500 and _told(found) in [_told(order) for order in orders]:
            return None
        return f"{first} + {second}: {found}, in order: {orders}"


@dataclass
class Gate:
    """The row of an environment, held."""

    stack: Stack
    connection: psycopg.Connection[Any]

    def until_stuck(self, answers: list[Future[Answer]]) -> None:
        """Until each of these requests waits for the row, or for one that does, or has ended."""
        deadline = time.monotonic() + SECONDS
        while sum(not one.done() for one in answers) > self._waiting():
            assert time.monotonic() < deadline, "a request neither waits nor ends"
            time.sleep(0.005)

    def _waiting(self) -> int:
        return int(keys.sql(self.stack, WAITING, self.connection.info.backend_pid)[0][0])

    def let_go(self) -> None:
        """Ends the transaction that holds it."""
        self.connection.rollback()


@contextmanager
def held(stack: Stack, place: Place) -> Iterator[Gate]:
    """Holds the row of development."""
    statement = """SELECT e.id FROM environments AS e JOIN vaults AS v ON v.id = e.vault_id
        WHERE v.owner_login || '/' || v.repo_name = %s AND e.name = 'development' FOR UPDATE OF e"""
    with psycopg.connect(stack.superuser_database_url) as connection:
        assert connection.execute(statement, (place.full_name,)).fetchone()
        yield Gate(stack, connection)


@pytest.fixture(scope="module")
def ground(stack: Stack) -> Ground:
    """The shared installation."""
    return Ground(stack)


class TestPairs:
    def test_come_out_as_one_after_the_other(self, ground: Ground, record_property: Record) -> None:
        """The pairs that are worth most, each in a fixed order."""
        complaints = [told for first, second in QUICK if (told := ground.complaint(first, second)) is not None]
        assert complaints == []
        record_property("writes at once", f"{len(QUICK)} pairs, each as one after the other")

    @pytest.mark.prove
    @pytest.mark.timeout(1800)
    def test_every_one_with_every_one(self, ground: Ground, record_property: Record) -> None:
        """The whole product."""
        pairs = list(itertools.product(WRITES, repeat=2))
        complaints = [told for first, second in pairs if (told := ground.complaint(first, second)) is not None]
        assert complaints == [], "\n".join(complaints)
        record_property("writes at once, every pair", f"{len(pairs)} pairs, each as one after the other")


def together(asks: list[Callable[[], Answer]]) -> list[Answer]:
    """Requests that begin in the same moment."""
    barrier = Barrier(len(asks))

    def one(ask: Callable[[], Answer]) -> Answer:
        barrier.wait()
        return ask()

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(one, asks))


class TestTheSameTwice:
    """What is made by eight at once is made once; the others are told so."""

    @pytest.mark.parametrize("what", ["vault", "environment", "override", "rule", "key"])
    def test_is_made_once(self, ground: Ground, what: str) -> None:
        """One 201 (an override: 200), seven 409; a key of the same name is made by one and changed by the others."""
        place = ground.place()
        override = {"targetType": "role", "targetRole": "read", "canRead": True, "canWrite": False}
        if what == "vault":
            place.full_name = f"{place.full_name}-2"
            stage.GitHub(ground.stack).repo(place.full_name, {ground.home.admin: "admin"})
        made: dict[str, Callable[[], Answer]] = {
            "vault": lambda: place.ask("POST", "/v1/vaults", {"repoFullName": place.full_name}, whole=True),
            "environment": lambda: place.ask("POST", "/environments", {"name": "further"}),
            "override": lambda: place.ask("POST", "/permissions/overrides", {"environment": "staging"} | override),
            "rule": lambda: place.ask("POST", "/oidc-rules", {"environment": "staging"}),
            "key": lambda: place.ask("POST", "/secrets", {"key": "ONE", "value": "1", "environment": "staging"}),
        }
        statuses = sorted(answer.status for answer in together([made[what]] * 8))
        once = {"override": [200] + [409] * 7, "key": [200] * 7 + [201]}.get(what, [201] + [409] * 7)
        assert statuses == once

    def test_is_ended_once(self, ground: Ground) -> None:
        """Of eight who revoke an API key one is told that it did; whoever uses it afterwards is refused."""
        given = keys.give(ground.stack, ground.home.token)
        call = Call("DELETE", f"/v1/api-keys/{given.id}", (bearer(ground.home.token),))
        use = Call("GET", "/v1/users/me", (bearer(given.token),))
        asks = [lambda: send(ground.stack.api_url, call), lambda: send(ground.stack.api_url, use)] * 4
        answers = together(asks)
        assert sorted(answer.status for answer in answers[::2]) == [204, 400, 400, 400]
        assert {answer.status for answer in answers[1::2]} <= {200, 401}
        assert send(ground.stack.api_url, use).status == 401


class TestTheJudge:
    def test_sees_a_value_that_comes_back(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        """Positive control: a purge that is answered though the value stays is no order of the two."""
        monkeypatch.setitem(WRITES, "a purge that is none", lambda p: p.ask("GET", "/trash"))
        found = ground.at_once("a purge that is none", "restore")
        assert found != ground.in_order("purge", "restore")
