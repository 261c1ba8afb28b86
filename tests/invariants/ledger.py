"""What the clients saw, written down before and after each request, and the judge who compares it with the database.

The ledger is an append-only file of JSON lines, synced to disk before a request leaves and after its answer came, so
that what it says of an outcome was known at that moment and not remembered kindly afterwards. Outcomes: `ack` (2xx),
`refused` (4xx: it must have had no effect), `unknown` (5xx, timeout, reset: it may or may not have happened).

The judge needs no faith in the server: every push replaces a whole environment by K keys whose values carry the id of
the push, on a stated base revision. So a history is a chain, and every link of it has exactly one author.
"""

from __future__ import annotations

import json
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Literal

Outcome = Literal["ack", "refused", "unknown"]


@dataclass
class Operation:
    """One request. Times are seconds of the monotonic clock.

    A push has the revision it was based on and, once acknowledged, the one that it made; a read has the revision that
    it was shown, the push ids that it saw in values, and how many `keys`. `served`: a 200 line arrived, even if the
    body broke off.
    """

    id: str
    kind: Literal["push", "read"]
    place: str
    sent_at: float
    base: str | None = None
    answered_at: float = float("inf")
    outcome: Outcome = "unknown"
    revision: str | None = None
    seen: list[str] = field(default_factory=list)
    keys: int = 0
    served: bool = False


class Ledger:
    """The file and, beside it, what is in flight. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        self._in_flight: set[str] = set()

    def sent(self, operation: Operation) -> None:
        """To be called before the first byte leaves."""
        facts = {"id": operation.id, "kind": operation.kind, "place": operation.place, "base": operation.base}
        self._write({"event": "sent", "sent_at": operation.sent_at, **facts})
        with self._lock:
            self._in_flight.add(operation.id)

    def answered(self, operation: Operation) -> None:
        """To be called when the answer came, or will not come."""
        with self._lock:
            self._in_flight.discard(operation.id)
        facts = {name: getattr(operation, name) for name in ("outcome", "revision", "seen", "keys", "served")}
        self._write({"event": "answered", "id": operation.id, "answered_at": operation.answered_at, **facts})

    def in_flight(self) -> set[str]:
        """Ids of requests that left and were not answered yet."""
        with self._lock:
            return set(self._in_flight)

    def operations(self) -> list[Operation]:
        """Everything, read back from the file. A request without an answer is `unknown`."""
        known: dict[str, Operation] = {}
        for line in self.path.read_text().splitlines():
            entry = json.loads(line)
            if entry.pop("event") == "sent":
                known[entry["id"]] = Operation(**entry)
                continue
            operation = known[entry.pop("id")]
            for name, value in entry.items():
                setattr(operation, name, value)
        return list(known.values())

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _write(self, entry: dict[str, object]) -> None:
        line = (json.dumps(entry) + "\n").encode()
        with self._lock:
            os.write(self._file, line)
            os.fsync(self._file)


def now() -> float:
    """The clock of the ledger."""
    return time.monotonic()


@dataclass(frozen=True)
class Revision:
    """One revision as the database holds it: the opened values of all rows alive at it, None where one is shut."""

    id: str
    number: int
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Truth:
    """What is stored: `revisions` per place, oldest first; how many audit rows each request id has; the values that a
    pull after the recovery showed, per place."""

    revisions: Mapping[str, list[Revision]]
    audited: Mapping[str, int]
    shown: Mapping[str, list[str]]


def judge(operations: Iterable[Operation], truth: Truth, *, keys: int) -> list[str]:
    """Everything that is wrong, one sentence each; empty means that nothing was torn, lost, doubled or unrecorded.

    `keys`: how many keys every push writes. Revisions that no operation claims are wrong too, except a place's first
    ones, made before the ledger began.
    """
    operations = list(operations)
    complaints = [*_torn_reads(operations, keys), *_unaudited(operations, truth)]
    for place, revisions in truth.revisions.items():
        pushes = [operation for operation in operations if operation.kind == "push" and operation.place == place]
        reads = [operation for operation in operations if operation.kind == "read" and operation.place == place]
        complaints += _rows(place, revisions, keys)
        complaints += _pushes(place, revisions, pushes)
        complaints += _stale_reads(place, revisions, pushes, reads)
        complaints += _shown(place, revisions, truth.shown.get(place, []))
    return complaints


def author(value: str | None) -> str | None:
    """The push that wrote a value `{push id}:{key}`."""
    return None if value is None else value.partition(":")[0]


def _torn_reads(operations: list[Operation], keys: int) -> list[str]:
    reads = [operation for operation in operations if operation.kind == "read" and operation.outcome == "ack"]
    torn = [read for read in reads if len(set(read.seen)) != 1 or read.keys != keys]
    return [f"torn read {read.id} in {read.place}: {read.keys} keys of {len(set(read.seen))} pushes" for read in torn]


def _unaudited(operations: list[Operation], truth: Truth) -> list[str]:
    served = [operation for operation in operations if operation.kind == "read" and operation.served]
    wrong = [(read.id, truth.audited.get(read.id, 0)) for read in served]
    return [f"read {name} got values and has {count} audit rows" for name, count in wrong if count != 1]


def _rows(place: str, revisions: list[Revision], keys: int) -> list[str]:
    complaints = []
    for revision in revisions:
        where, authors = f"{place} at revision {revision.number}", {author(value) for value in revision.values}
        if closed := sum(value is None for value in revision.values):
            complaints.append(f"{closed} undecryptable rows in {where}")
        if len(authors) != 1 or len(revision.values) != keys:
            complaints.append(f"torn push in {where}: {len(revision.values)} keys of {len(authors)} pushes")
    numbers = [revision.number for revision in revisions]
    if any(after != before + 1 for before, after in pairwise(numbers)):
        complaints.append(f"the revisions of {place} are not consecutive")
    return complaints


def _pushes(place: str, revisions: list[Revision], pushes: list[Operation]) -> list[str]:
    """Acknowledged: exactly once, where it was told. Refused: never. Unknown: at most once. All: on their own base."""
    made: dict[str | None, list[int]] = {}
    for index, revision in enumerate(revisions):
        made.setdefault(author(revision.values[0]) if revision.values else None, []).append(index)
    complaints = []
    for push in pushes:
        links, what = made.pop(push.id, []), f"push {push.id} to {place}"
        if push.outcome == "ack" and not links:
            complaints.append(f"lost: {what} was acknowledged and is not in the history")
        if push.outcome == "refused" and links:
            complaints.append(f"{what} was refused and is in the history")
        if len(links) > 1:
            complaints.append(f"doubled: {what} made {len(links)} revisions")
        complaints += [f"{what} {wrong}" for index in links for wrong in _link(push, index, revisions)]
    strangers = [index for links in made.values() for index in links if index > 0]
    return complaints + [f"nobody pushed revision {revisions[index].number} of {place}" for index in strangers]


def _link(push: Operation, index: int, revisions: list[Revision]) -> list[str]:
    complaints = []
    if push.outcome == "ack" and revisions[index].id != push.revision:
        complaints.append("was told another revision than the one that it made")
    if index and revisions[index - 1].id != push.base:
        complaints.append("did not land on its base")
    return complaints


def _stale_reads(place: str, revisions: list[Revision], pushes: list[Operation], reads: list[Operation]) -> list[str]:
    """A read that began after an acknowledgement shows that revision or a later one, with that revision's values."""
    position = {revision.id: index for index, revision in enumerate(revisions)}
    acks = sorted((push.answered_at, position[push.revision]) for push in pushes if push.revision in position)
    newest = list(accumulate((made for _, made in acks), max, initial=-1))
    complaints = []
    for read in (read for read in reads if read.outcome == "ack"):
        what, index = f"read {read.id} of {place}", position.get(read.revision or "")
        if index is None:
            complaints.append(f"{what} was shown a revision that does not exist")
            continue
        if index < newest[bisect_left(acks, (read.sent_at, -1))]:
            complaints.append(f"stale: {what} does not show what was acknowledged before it")
        if not set(read.seen) <= {author(value) for value in revisions[index].values}:
            complaints.append(f"{what} was shown other values than its revision holds")
    return complaints


def _shown(place: str, revisions: list[Revision], values: list[str]) -> list[str]:
    """After the recovery the API shows the newest revision, whole."""
    newest = sorted(value or "" for value in revisions[-1].values) if revisions else []
    return [] if sorted(values) == newest else [f"{place} does not show its newest revision after the recovery"]
