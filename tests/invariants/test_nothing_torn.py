"""No acknowledged push is lost, none is half applied, no value leaves without its record, whoever is killed when."""

from __future__ import annotations

import os
import random
import secrets
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
import pytest
from keyway_crypto.keyring import KeyRing
from keyway_standalone.process import Process
from keyway_standalone.processes import Stack

from tests.invariants.api import Answer, Client, Place
from tests.invariants.ledger import Ledger, Operation, judge, now
from tests.invariants.scene import Scene, opened, until
from tests.invariants.storm import KEYS, Looker, Storm, values_of

WRITERS: Final = 8
READERS: Final = 8
VAULTS: Final = 6
TARGETS: Final = ("backend", "crypto", "postgres")
HIT_SHARE: Final = 0.8
SETTLED_SECONDS: Final = 10.0
OPEN_TRANSACTIONS: Final = """
    SELECT state, query FROM pg_stat_activity
    WHERE usename = 'keyway_app' AND xact_start IS NOT NULL AND state <> 'idle' AND application_name <> 'keyway-jobs'
"""


def blow(stack: Stack, storm: Storm, looker: Looker, rounds: int, seed: int) -> str:
    """Kills one process per round while everybody works, and judges after each recovery. Returns the summary."""
    choose = random.Random(seed)  # noqa: S311 - when to strike
    blows: list[tuple[float, float]] = []
    with storm.blowing():
        for number in range(rounds):
            process: Process = getattr(stack, TARGETS[number % len(TARGETS)])
            storm.resume()
            time.sleep(choose.uniform(0.4, 0.9))
            blows.append(strike(stack, process, storm.ledger))
            time.sleep(choose.uniform(0.1, 0.3))
            storm.pause()
            assert judgement(storm, looker) == [], f"round {number + 1}, {process.name} killed"
    assert storm.errors == []
    return summary(storm.ledger.operations(), blows)


def strike(stack: Stack, process: Process, ledger: Ledger) -> tuple[float, float]:
    """kill -9 while something is in flight, start again, wait until the backend says that it is ready.

    The moment of the kill, and the seconds from then until it was ready.
    """
    with suppress(AssertionError):
        until(lambda: len(ledger.in_flight()) > 1, seconds=0.5)
    struck = now()
    os.kill(process.pid, signal.SIGKILL)
    process.kill()  # what it leaves behind
    process.start()
    stack.backend.wait_ready(SETTLED_SECONDS)
    return struck, now() - struck


def judgement(storm: Storm, looker: Looker) -> list[str]:
    """What is wrong after a recovery."""
    shown = {str(place): list(settled(storm.readers[0], place).data["secrets"].values()) for place in storm.places}
    complaints = judge(storm.ledger.operations(), looker.truth(shown), keys=KEYS)
    recorded = looker.pushes_recorded().items()
    return complaints + [
        f"{place}: {made} revisions, {told} recorded" for place, (made, told) in recorded if made != told
    ]


def settled(client: Client, place: Place) -> Answer:
    """A pull that may meet the last connections of a dead process, but not for long."""
    deadline = now() + SETTLED_SECONDS
    while (answer := client.pull(place)).status != 200:
        assert now() < deadline, answer
        time.sleep(0.05)
    return answer


def summary(operations: Sequence[Operation], blows: Sequence[tuple[float, float]]) -> str:
    """One line for whoever runs it. Fails when too few kills hit an operation in flight, by the clock of the ledger."""
    hits = sum(any(one.sent_at < struck < one.answered_at for one in operations) for struck, _ in blows)
    assert hits >= HIT_SHARE * len(blows)
    counted = Counter(f"{one.kind} {one.outcome}" for one in operations)
    told = ", ".join(f"{number} {name}" for name, number in sorted(counted.items()))
    recoveries = [seconds for _, seconds in blows]
    return (
        f"{len(blows)} kills, {hits} with an operation in flight; {told};"
        f" recovery median {statistics.median(recoveries):.1f} s, worst {max(recoveries):.1f} s;"
        " 0 lost, 0 torn, 0 doubled, 0 unrecorded, 0 that do not open"
    )


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """An installation of its own, because its processes are killed: six vaults and somebody who may write to all."""
    with opened(vaults=VAULTS) as made:
        yield made


@pytest.fixture(scope="module")
def pair(scene: Scene) -> tuple[Client, Client]:
    """Two credentials that may write everywhere."""
    one, two = scene.sessions(2)
    return one, two


def storm_on(scene: Scene, folder: Path) -> tuple[Storm, Looker]:
    """Everybody signed in, every place seeded, nothing going yet."""
    clients = scene.sessions(WRITERS + READERS)
    heads = {place: scene.begin(clients[0], place, values_of(secrets.token_hex(4))) for place in scene.places}
    ring = KeyRing({1: bytes.fromhex(scene.stack.folder.encryption_key.read_text())}, active=1)
    looker = Looker(scene.stack.superuser_database_url, ring, heads)
    ledger = Ledger(folder / "ledger.jsonl")
    return Storm(ledger, scene.places, heads, clients[:WRITERS], clients[WRITERS:]), looker


def test_nothing_is_torn_or_lost_while_processes_are_killed(
    scene: Scene, tmp_path: Path, report: Callable[[str], None]
) -> None:
    """In six rounds of kill -9 on backend, crypto and database, 8 writers and 8 readers lose nothing, see nothing half,
    and get no value without its record."""
    report(blow(scene.stack, *storm_on(scene, tmp_path), rounds=6, seed=1))


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_nothing_is_torn_or_lost_in_thirty_kills(scene: Scene, tmp_path: Path, report: Callable[[str], None]) -> None:
    """The same, thirty times."""
    report(blow(scene.stack, *storm_on(scene, tmp_path), rounds=30, seed=2))


def at_once(first: Callable[[], Answer], second: Callable[[], Answer]) -> tuple[Answer, Answer]:
    """Two requests let go at the same moment."""
    gate = threading.Barrier(2)

    def go(act: Callable[[], Answer]) -> Answer:
        gate.wait(5)
        return act()

    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(go, (first, second))
        return next(answers), next(answers)


def test_two_people_who_replace_at_once_are_told_who_came_second(scene: Scene, pair: tuple[Client, Client]) -> None:
    """Of two replacements based on the same revision exactly one is taken, and the other is a conflict that names the
    present revision; nobody's keys vanish without being told."""
    one, two = pair
    place = Place(scene.repositories[0], "staging")
    for number in range(10):
        base = scene.begin(one, place, {"SHARED": "0"})
        answers = at_once(
            partial(one.push, place, {"SHARED": "0", "ONE": str(number)}, mode="replace", base=base),
            partial(two.push, place, {"SHARED": "0", "TWO": str(number)}, mode="replace", base=base),
        )
        assert sorted(answer.status for answer in answers) == [200, 409]
        taken = "ONE" if answers[0].status == 200 else "TWO"
        pulled = one.pull(place)
        assert pulled.data["secrets"] == {"SHARED": "0", taken: str(number)}
        assert all(answer.revision == pulled.revision for answer in answers)


def test_two_people_who_merge_at_once_both_find_their_keys(scene: Scene, pair: tuple[Client, Client]) -> None:
    """Two merges at the same moment are both taken, and every key of both is there."""
    one, two = pair
    place = Place(scene.repositories[1], "staging")
    for number in range(10):
        scene.begin(one, place, {"SHARED": "0"})
        answers = at_once(
            partial(one.push, place, {f"ONE_{n}": str(number) for n in range(9)}, mode="merge"),
            partial(two.push, place, {f"TWO_{n}": str(number) for n in range(9)}, mode="merge"),
        )
        assert [answer.status for answer in answers] == [200, 200]
        assert len(one.pull(place).data["secrets"]) == 19


@pytest.mark.parametrize("credentials", ["two", "one"])
def test_two_sets_of_public_clients_both_survive(scene: Scene, pair: tuple[Client, Client], credentials: str) -> None:
    """Two programs that each pull, change one key and push everything, without any precondition as the public client
    does it, both find their change twenty times out of twenty, with a credential each and with the same one."""
    one, two = pair
    two = two if credentials == "two" else Client(one.base, one.token)
    place = Place(scene.repositories[2], "staging")
    scene.begin(one, place, {"KEPT": "as it was", "ONE": "-", "TWO": "-"})
    for number in range(20):
        bases = [pull_as_text(client, place) for client in (one, two)]
        answers = at_once(
            partial(one.push, place, bases[0] | {"ONE": str(number)}),
            partial(two.push, place, bases[1] | {"TWO": str(number)}),
        )
        assert [answer.status for answer in answers] == [200, 200]
        assert one.pull(place).data["secrets"] == {"KEPT": "as it was", "ONE": str(number), "TWO": str(number)}


def pull_as_text(client: Client, place: Place) -> dict[str, str]:
    """What the public client reads: .env text, of values that need no escapes."""
    answer = client.request("GET", f"/v1/secrets/pull?repo={place.repository}&environment={place.environment}")
    assert answer.status == 200
    lines = (line.partition("=") for line in answer.data["content"].splitlines())
    return {key: value.strip("\"'") for key, _, value in lines}


def test_a_lost_answer_and_a_retry_make_one_revision(scene: Scene, pair: tuple[Client, Client]) -> None:
    """A client that never sees the answer to its push and asks again with the same idempotency key is told of the
    revision that the first request made, and there is one; the key with another body is a conflict."""
    client, place = pair[0], Place(scene.repositories[3], "staging")
    for number in range(10):
        base = scene.begin(client, place, {"A": "0"})
        before, values, once = scene.revisions(place), {"A": f"changed {number}"}, secrets.token_hex(16)
        push_and_hang_up(scene, client, place, values, base, once)
        again = client.push(place, values, mode="replace", base=base, once=once)
        assert again.status == 200
        assert scene.revisions(place) == [*before, again.revision]
        assert client.push(place, {"A": "other"}, mode="replace", base=base, once=once).status == 409


def push_and_hang_up(scene: Scene, client: Client, place: Place, values: dict[str, str], base: str, once: str) -> None:
    """Sends a push, waits until the database has it, and leaves without having read a byte of the answer."""
    unheard = client.push_unheard(place, values, mode="replace", base=base, once=once)
    until(lambda: base != scene.revisions(place)[-1])
    unheard.close()


def test_a_stopped_crypto_service_pins_no_lock_and_no_environment(scene: Scene, pair: tuple[Client, Client]) -> None:
    """While crypto stands still under a push and a pull, no transaction is open and the environment's row can be locked
    by anybody; both end with 503 within their deadline, and when crypto goes on so does everything."""
    one, two = pair
    place = Place(scene.repositories[4], "staging")
    scene.begin(one, place, {"A": "1"})
    scene.stack.crypto.suspend()
    try:
        with ThreadPoolExecutor(2) as pool:
            started = now()
            asked = [pool.submit(one.push, place, {"A": "2"}, mode="merge"), pool.submit(two.pull, place)]
            time.sleep(0.5)
            assert not any(answer.done() for answer in asked)
            assert scene.sql(OPEN_TRANSACTIONS) == []
            scene.sql("SELECT 1 FROM environments WHERE id = %s FOR UPDATE NOWAIT", scene.environment_id(place))
            assert [answer.result().status for answer in asked] == [503, 503]
            assert now() - started < SETTLED_SECONDS
    finally:
        scene.stack.crypto.resume()
    assert settled(one, place).data["secrets"] == {"A": "1"}
    assert one.push(place, {"A": "3"}, mode="merge").status == 200


@pytest.mark.parametrize(
    ("stop", "go_on"),
    [
        ("BEGIN; LOCK TABLE audit_events IN EXCLUSIVE MODE", "ROLLBACK"),
        ("REVOKE INSERT ON audit_events FROM keyway_app", "GRANT INSERT ON audit_events TO keyway_app"),
    ],
)
def test_no_value_leaves_while_nothing_can_be_recorded(
    scene: Scene, pair: tuple[Client, Client], stop: str, go_on: str
) -> None:
    """While the record cannot be written, because its table is locked or closed to the application, pulls and views end
    with 503 and without a value; afterwards they are served again, and each has its one record."""
    one, two = pair
    place = Place(scene.repositories[5], "staging")
    scene.begin(one, place, {"A": "not without a record"})
    query = f"/v1/secrets/view?repo={place.repository}&environment={place.environment}&key=A"
    with psycopg.connect(scene.stack.superuser_database_url, autocommit=True) as database:
        database.execute(stop.encode())
        try:
            answers = at_once(partial(one.pull, place), partial(two.request, "GET", query))
        finally:
            database.execute(go_on.encode())
    assert [answer.status for answer in answers] == [503, 503]
    assert not any("not without a record" in str(answer.body) for answer in answers)
    served = [one.pull(place), two.request("GET", query)]
    assert [answer.status for answer in served] == [200, 200]
    counts = scene.sql("SELECT count(*) FROM audit_events WHERE request_id = ANY(%s)", [a.request_id for a in served])
    assert counts == [(2,)]
