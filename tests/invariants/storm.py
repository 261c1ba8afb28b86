"""Writers and readers who go on while processes are killed, and the look at the database after each recovery."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any, Final
from uuid import UUID

import psycopg
from keyway_crypto import envelope
from keyway_crypto.errors import RefusedError
from keyway_crypto.keyring import KeyRing
from psycopg.rows import dict_row

from tests.invariants.api import Client, NoAnswerError, Place
from tests.invariants.ledger import Ledger, Operation, Revision, Truth, author, now

KEYS: Final = 25
# Just under the 600 requests a minute of one credential (policy.yaml limits.rate.per_credential).
PACE_SECONDS: Final = 0.11
RETRIES: Final = 40
# What a patient client does when nobody answers: else sixteen of them take the machine from those who recover.
RETRY_PAUSE_SECONDS: Final = 0.4
_DECIDED: Final = {400, 403, 404, 409, 413}


def values_of(push: str) -> dict[str, str]:
    """What a push writes: K keys, each value naming the push."""
    return {f"KEY_{number:02}": f"{push}:KEY_{number:02}" for number in range(KEYS)}


@dataclass
class Storm:
    """`writers` and `readers`, one credential each, on `places`. Every operation goes through the ledger."""

    ledger: Ledger
    places: Sequence[Place]
    heads: dict[Place, str]
    writers: Sequence[Client]
    readers: Sequence[Client]
    errors: list[BaseException] = field(default_factory=list)
    _going: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def blowing(self) -> Iterator[None]:
        """Starts everybody; at the end all have stopped."""
        threads = [threading.Thread(target=self._work, args=(self._write, client)) for client in self.writers]
        threads += [threading.Thread(target=self._work, args=(self._read, client)) for client in self.readers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._going.set()
            for thread in threads:
                thread.join(60)

    def resume(self) -> None:
        """Lets everybody go on."""
        self._going.set()

    def pause(self, seconds: float = 30) -> None:
        """Waits until nothing is in flight. Raises TimeoutError after `seconds`."""
        self._going.clear()
        deadline = now() + seconds
        while self.ledger.in_flight():
            if now() > deadline:
                raise TimeoutError(f"{len(self.ledger.in_flight())} operations did not end")
            time.sleep(0.01)

    def _work(self, act: Any, client: Client) -> None:
        choose = random.Random(client.token)  # noqa: S311 - which place comes next
        try:
            while not self._over.is_set():
                self._going.wait()
                started = now()
                act(client, choose.choice(self.places), choose)
                time.sleep(max(0.0, PACE_SECONDS - (now() - started)))
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            client.close()

    def _read(self, client: Client, place: Place, _: random.Random) -> None:
        read = Operation(secrets.token_hex(12), "read", str(place), now())
        self.ledger.sent(read)
        try:
            answer = client.pull(place, read.id)
        except NoAnswerError as error:
            read.served = error.served
        else:
            read.served = answer.status == 200
            read.outcome = "ack" if read.served else "refused" if answer.status in _DECIDED else "unknown"
            if read.served:
                found = answer.data["secrets"]
                read.seen, read.keys = sorted({author(value) or "" for value in found.values()}), len(found)
                read.revision = self.heads[place] = answer.revision or ""
        read.answered_at = now()
        self.ledger.answered(read)
        if read.outcome == "unknown":
            time.sleep(RETRY_PAUSE_SECONDS)

    def _write(self, client: Client, place: Place, choose: random.Random) -> None:
        """One push, on the newest revision that anybody heard of. Without an answer, half of them are asked again."""
        push = Operation(secrets.token_hex(12), "push", str(place), now(), self.heads[place])
        self.ledger.sent(push)
        insists = choose.random() < 0.5
        for _ in range(RETRIES):
            self._try(client, place, push)
            if push.outcome != "unknown" or not insists or self._over.is_set():
                break
            time.sleep(RETRY_PAUSE_SECONDS)
        push.answered_at = now()
        self.ledger.answered(push)

    def _try(self, client: Client, place: Place, push: Operation) -> None:
        try:
            answer = client.push(place, values_of(push.id), mode="replace", base=push.base or "", once=push.id)
        except NoAnswerError:
            return
        if answer.status == 200:
            push.outcome, push.revision = "ack", answer.revision
        elif answer.status in _DECIDED:
            push.outcome = "refused"
        if answer.revision:
            self.heads[place] = answer.revision


class Looker:
    """Reads what is stored, without the backend: rows by SQL, values with the master key itself.

    `first` is the revision of each place at which the ledger begins; what came before is left out.
    """

    def __init__(self, url: str, ring: KeyRing, first: Mapping[Place, str]) -> None:
        self._url = url
        self._ring = ring
        self._first = dict(first)
        self._opened: dict[UUID, str | None] = {}

    def truth(self, shown: Mapping[str, list[str]]) -> Truth:
        """Everything that the judge asks for."""
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            environments = self._environments(connection)
            revisions = {
                str(place): self._revisions(connection, row, self._first[place]) for place, row in environments.items()
            }
            counted = connection.execute(
                "SELECT request_id, count(*) AS n FROM audit_events WHERE action = 'secrets_pulled' GROUP BY request_id"
            )
            return Truth(revisions, {row["request_id"]: row["n"] for row in counted}, shown)

    def pushes_recorded(self) -> dict[str, tuple[int, int]]:
        """Per place: how many revisions there are, and how many pushes the audit knows."""
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            return {
                str(place): (
                    _count(connection, "SELECT count(*) AS n FROM revisions WHERE environment_id = %s", row["id"]),
                    _count(
                        connection,
                        "SELECT count(DISTINCT revision) AS n FROM audit_events"
                        " WHERE environment_id = %s AND action = 'secrets_pushed'",
                        row["id"],
                    ),
                )
                for place, row in self._environments(connection).items()
            }

    def _environments(self, connection: psycopg.Connection[Any]) -> dict[Place, dict[str, Any]]:
        found = connection.execute(
            "SELECT e.id, e.name, v.id AS vault_id, v.github_repo_id, (SELECT id FROM instance) AS instance_id,"
            " v.owner_login || '/' || v.repo_name AS repository FROM environments e JOIN vaults v ON v.id = e.vault_id"
        ).fetchall()
        known = {Place(row["repository"], row["name"]): row for row in found}
        return {place: known[place] for place in self._first}

    def _revisions(
        self, connection: psycopg.Connection[Any], environment: dict[str, Any], first: str
    ) -> list[Revision]:
        born, dead = defaultdict(list), defaultdict(list)
        for row in connection.execute("SELECT * FROM secret_values WHERE environment_id = %s", [environment["id"]]):
            born[row["from_revision"]].append(row)
            dead[row["to_revision"]].append(row["id"])
        alive: dict[UUID, str | None] = {}
        revisions = []
        for row in connection.execute(
            "SELECT id, number FROM revisions WHERE environment_id = %s ORDER BY number", [environment["id"]]
        ):
            for gone in dead[row["number"]]:
                alive.pop(gone, None)
            alive |= {value["id"]: self._value(environment, value) for value in born[row["number"]]}
            revisions.append(Revision(str(row["id"]), row["number"], tuple(alive.values())))
        return list(dropwhile(lambda revision: revision.id != first, revisions))

    def _value(self, environment: dict[str, Any], row: dict[str, Any]) -> str | None:
        if row["id"] not in self._opened:
            self._opened[row["id"]] = self._open(environment, row)
        return self._opened[row["id"]]

    def _open(self, environment: dict[str, Any], row: dict[str, Any]) -> str | None:
        scope = envelope.Scope(
            "secret",
            environment["instance_id"].bytes,
            environment["vault_id"].bytes,
            environment["github_repo_id"],
            environment["id"].bytes,
        )
        items = envelope.entries([row["key"]], [row["id"].bytes])
        try:
            return envelope.open_(self._ring, scope, items, [bytes(row["sealed"])])[0].decode()
        except RefusedError:
            return None


def _count(connection: psycopg.Connection[Any], statement: str, *values: Any) -> int:
    row = connection.execute(statement.encode(), values).fetchone()
    return int(row["n"]) if row else 0
