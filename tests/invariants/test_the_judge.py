"""The judge of the ledger is itself on trial: every history that it must not let pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.invariants.ledger import Ledger, Operation, Revision, Truth, judge

KEYS = 3
History = tuple[list[Operation], Truth]


def values(push: str) -> tuple[str, ...]:
    """What a push stores."""
    return tuple(f"{push}:K{number}" for number in range(KEYS))


def push(name: str, at: float, base: str, made: str) -> Operation:
    """An acknowledged push that took one second."""
    return Operation(name, "push", "here", at, base, at + 1, "ack", made)


def read(name: str, at: float, revision: str, saw: str) -> Operation:
    """A served read that took one second."""
    return Operation(name, "read", "here", at, None, at + 1, "ack", revision, [saw], KEYS, served=True)


def history() -> History:
    """A seed, two acknowledged pushes, one that got no answer and happened, one that was refused, two reads."""
    operations = [
        push("p1", 1, "r0", "r1"),
        push("p2", 3, "r1", "r2"),
        Operation("p3", "push", "here", 5, "r2"),
        Operation("p4", "push", "here", 6, "r0", 7, "refused"),
        read("q1", 3, "r1", "p1"),
        read("q2", 8, "r3", "p3"),
    ]
    authors = ("seed", "p1", "p2", "p3")
    revisions = [Revision(f"r{number}", number + 1, values(author)) for number, author in enumerate(authors)]
    return operations, Truth({"here": revisions}, {"q1": 1, "q2": 1}, {"here": list(values("p3"))})


def with_values(truth: Truth, index: int, new: tuple[str | None, ...]) -> Truth:
    """The same truth with the rows of one revision exchanged."""
    revisions = list(truth.revisions["here"])
    revisions[index] = replace(revisions[index], values=new)
    return replace(truth, revisions={"here": revisions})


def torn(told: History) -> History:
    """Half of a push is stored."""
    operations, truth = told
    return operations, with_values(truth, 2, (*values("p2")[:2], values("p1")[2]))


def half(told: History) -> History:
    """A push stored fewer keys than it had."""
    operations, truth = told
    return operations, with_values(truth, 2, values("p2")[:2])


def lost(told: History) -> History:
    """An acknowledged push is not in the history."""
    operations, truth = told
    return [*operations, push("p9", 9, "r3", "r4")], truth


def doubled(told: History) -> History:
    """A push is in the history twice."""
    operations, truth = told
    again = [*truth.revisions["here"], Revision("r4", 5, values("p3"))]
    return operations, replace(truth, revisions={"here": again})


def refused(told: History) -> History:
    """A refused push happened."""
    operations, truth = told
    more = [*truth.revisions["here"], Revision("r4", 5, values("p4"))]
    return operations, Truth({"here": more}, truth.audited, {"here": list(values("p4"))})


def stranger(told: History) -> History:
    """A revision that no client asked for."""
    operations, truth = told
    more = [*truth.revisions["here"], Revision("r4", 5, values("x"))]
    return operations, Truth({"here": more}, truth.audited, {"here": list(values("x"))})


def wrong_base(told: History) -> History:
    """A push landed on another revision than the one it insisted on."""
    operations, truth = told
    return [replace(operations[0], base="r9"), *operations[1:]], truth


def unaudited(told: History) -> History:
    """Values left without a record."""
    operations, truth = told
    return operations, replace(truth, audited={"q1": 1})


def audited_twice(told: History) -> History:
    """Values left once and were recorded twice."""
    operations, truth = told
    return operations, replace(truth, audited={"q1": 1, "q2": 2})


def broken_off(told: History) -> History:
    """An answer with values began, broke off, and was not recorded."""
    operations, truth = told
    return [*operations, Operation("q3", "read", "here", 9, served=True)], truth


def stale(told: History) -> History:
    """A read does not show what was acknowledged before it began."""
    operations, truth = told
    return [*operations, read("q1", 5, "r1", "p1")], truth


def torn_read(told: History) -> History:
    """A read shows values of two pushes."""
    operations, truth = told
    return [*operations[:-1], replace(operations[-1], seen=["p2", "p3"])], truth


def foreign_read(told: History) -> History:
    """A read shows other values than its revision holds."""
    operations, truth = told
    return [*operations[:-1], replace(operations[-1], seen=["p2"])], truth


def shut(told: History) -> History:
    """A row does not open."""
    operations, truth = told
    return operations, with_values(truth, 1, (None, *values("p1")[1:]))


def gap(told: History) -> History:
    """A number is missing in the row of revisions."""
    operations, truth = told
    revisions = [*truth.revisions["here"][:3], replace(truth.revisions["here"][3], number=9)]
    return operations, replace(truth, revisions={"here": revisions})


def old_state(told: History) -> History:
    """After the recovery an older state is shown."""
    operations, truth = told
    return operations, replace(truth, shown={"here": list(values("p2"))})


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (torn, "torn push"),
        (half, "torn push"),
        (lost, "lost"),
        (doubled, "doubled"),
        (refused, "was refused and is in the history"),
        (stranger, "nobody pushed"),
        (wrong_base, "did not land on its base"),
        (unaudited, "has 0 audit rows"),
        (audited_twice, "has 2 audit rows"),
        (broken_off, "has 0 audit rows"),
        (stale, "stale"),
        (torn_read, "torn read"),
        (foreign_read, "other values than its revision"),
        (shut, "undecryptable"),
        (gap, "not consecutive"),
        (old_state, "does not show its newest revision"),
    ],
)
def test_the_judge_complains_about(fault: Callable[[History], History], complaint: str) -> None:
    """A history with a planted fault is not let pass, and the complaint names the fault."""
    operations, truth = fault(history())
    assert any(complaint in sentence for sentence in judge(operations, truth, keys=KEYS))


def test_the_judge_lets_an_honest_history_pass() -> None:
    """A history in which an unanswered push happened and a refused one did not is in order."""
    operations, truth = history()
    assert judge(operations, truth, keys=KEYS) == []


def test_the_ledger_gives_back_what_was_written(tmp_path: Path) -> None:
    """The file alone tells every operation, those without an answer as unknown."""
    ledger = Ledger(tmp_path / "ledger")
    operations, _ = history()
    for operation in operations:
        ledger.sent(operation)
        if operation.id != "p3":
            ledger.answered(operation)
    assert ledger.in_flight() == {"p3"}
    ledger.close()
    assert ledger.operations() == operations
