"""Who may do what at every route of policy.yaml, for everybody, on their own, foreign, missing and deleted objects.

The expectation comes from policy.yaml alone (`oracle.policy`); the processes run with production defaults, but take
GitHub's own tokens and know providers. There is a key for each set of scopes. The suite plays a sample in which every
principal meets every route, and every object of every route several sorts of credential; the long run plays every cell
(assurance.md A-01, A-02).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import pytest
from contracts.test_route_census import ROUTES
from keyway_standalone.processes import Stack
from oracle import crowd as crowds
from oracle import keys, stage
from oracle.cast import NEW_VAULT
from oracle.crowd import Crowd
from oracle.every_route import ENDS_SESSIONS, Cell, cells, hidden
from oracle.policy import Policy
from oracle.report import Record
from oracle.sampling import MEETINGS, sample
from oracle.verdict import Played, Verdict, play
from stack import running_stack
from standins.providers import providers

SORTS: Final = 9
LEAST: Final = 7_500
MUST_BE_THERE: Final = {
    "anonymous", "malformed", "expired", "revoked", "tampered", "revoked key", "GitHub token", "stranger",
    "public stranger", "read", "triage", "write", "maintain", "admin", "org owner", "org member", "partner",
    "outsider", "removed", "creator", "own page", "GitHub token of the App", "GitHub token of another App",
    "key of this vault", "key read:secrets", "key write:secrets", "key delete:secrets",
    "key admin:api-keys", "key of all scopes", "key of another vault", "key of another environment",
    "key from elsewhere", "workflow", "workflow elsewhere",
}  # fmt: skip
SETS: Final = {
    "key of " + " ".join(sorted(one.value for one in some)): frozenset(some)
    for size in (2, 3)
    for some in combinations(sorted(keys.ALL), size)
}


@dataclass
class Matrix:
    """Everybody, everything, and cells with their answers."""

    crowd: Crowd
    every: list[Cell]
    played: list[Played]
    verdict: Verdict
    seconds: float

    def figures(self) -> str:
        """What was measured."""
        routes, people = ({part(one) for one in self.played} for part in (_route, _name))
        return (
            f"{len(self.played)} cells ({len(routes)} routes, {len(people)} principals), 0 leaks, 0 unexpected 2xx, "
            f"{self.seconds:.0f} s"
        )


def _route(one: Played) -> object:
    return one.cell.route


def _name(one: Played) -> object:
    return one.cell.caller.name


def _compared(some: Iterable[Cell]) -> set[object]:
    """The routes at which somebody met two things that must be answered alike."""
    seen: dict[tuple[object, ...], set[tuple[object, ...]]] = defaultdict(set)
    for cell in some:
        if (about := hidden(cell)) is not None:
            seen[cell.route, cell.caller.name, about].add((_ground(cell), cell.variant.part))
    return {place[0] for place, things in seen.items() if len(things) > 1}


def _ground(cell: Cell) -> str:
    return cell.ground.label if cell.ground else ""


def _meetings(some: Iterable[Cell]) -> defaultdict[tuple[object, str], set[str]]:
    """The sorts of credential that met an object at a route."""
    met: defaultdict[tuple[object, str], set[str]] = defaultdict(set)
    for cell in some:
        met[cell.route, cell.about].add(cell.caller.credential)
    return met


def _cells(matrix: Matrix) -> list[Cell]:
    return [one.cell for one in matrix.played]


def played(stack: Stack, *, whole: bool) -> Matrix:
    """A matrix, played."""
    policy, crowd = Policy.load(), crowds.gather(stack, SETS, providers=True)
    every = list(cells(crowd, policy, ROUTES))
    chosen = every if whole else sample(every)
    started = time.perf_counter()
    answers = list(play(crowd, chosen))
    return Matrix(crowd, every, answers, Verdict(policy, crowd), time.perf_counter() - started)


def check(matrix: Matrix) -> None:
    """All that a matrix has to show."""
    verdict = matrix.verdict
    print("", *(f"{one.answer.status} {one.cell}" for one in matrix.played), sep="\n")
    assert verdict.grants(matrix.played) == []
    assert verdict.statuses(matrix.played) == []
    assert verdict.leaks(matrix.played) == []
    assert verdict.foreign_unlike_missing(matrix.played) == []
    assert verdict.credentials(matrix.played) == []


@pytest.fixture(scope="module")
def provided() -> Iterator[Stack]:
    """An installation with everything that a route needs, so that it can answer."""
    with providers() as there, running_stack(backend_env=there.environment() | {"GITHUB_PAT_LOGIN": "true"}) as made:
        yield made


@pytest.fixture(scope="module")
def matrix(provided: Stack) -> Matrix:
    """The sample."""
    return played(provided, whole=False)


@pytest.mark.timeout(600)
class TestEveryRoute:
    def test_answers_what_the_policy_says(self, matrix: Matrix, record_property: Record) -> None:
        """Statuses as policy.yaml gives them, nothing of anybody else's, foreign as missing, no credential repeated."""
        check(matrix)
        assert len(matrix.played) >= LEAST
        record_property("every route", matrix.figures())

    def test_everybody_meets_every_route(self, matrix: Matrix) -> None:
        """No principal of the acceptance list is left out, and no route that there is."""
        met = {(one.cell.route, one.cell.caller.name) for one in matrix.played}
        assert set(matrix.crowd.callers) >= MUST_BE_THERE
        # An own object of somebody who has none leaves nobody else's out.
        assert {(route, name) for route in Policy.load().routes for name in matrix.crowd.callers} == met

    def test_every_object_is_met_at_every_route(self, matrix: Matrix) -> None:
        """The sample leaves no object of any route out, and lets several sorts of credential meet each; every sort that
        can meet an object somewhere does so somewhere. Wherever something is hidden, it is compared with what is not
        there."""
        every = matrix.every
        could, did = _meetings(every), _meetings(one.cell for one in matrix.played)
        assert {place: min(MEETINGS, len(sorts)) for place, sorts in could.items() if len(did[place]) < MEETINGS} == {
            place: len(sorts) for place, sorts in did.items() if len(sorts) < MEETINGS
        }
        grounds = [{(cell.caller.credential, _ground(cell)) for cell in some} for some in (every, _cells(matrix))]
        assert grounds[0] == grounds[1]
        assert len({sort for sort, _ in grounds[0]}) >= SORTS
        assert _compared(_cells(matrix)) == _compared(every)

    def test_changed_nothing_that_was_refused(self, matrix: Matrix, provided: Stack) -> None:
        """What lay in the vaults before lies there still."""
        for label, keeper in (("own", "org owner"), ("foreign", "outsider")):
            token = crowds.sign_in(provided, matrix.crowd.logins[keeper])
            ground = matrix.crowd.grounds[label]
            for environment in NEW_VAULT:
                canary, _, later = ground.deposits[environment]
                found = stage.pull(provided, token, ground.full_name, environment)
                assert found[canary.key] in {canary.value, later.value}
                assert found[canary.key] == later.value or label == "own"

    def test_signed_out_at_last(self, matrix: Matrix) -> None:
        """Everybody who signed out did so after everything else."""
        ends = [n for n, one in enumerate(matrix.played) if one.cell.route in ENDS_SESSIONS and one.cell.changes]
        assert ends == list(range(len(matrix.played) - len(ends), len(matrix.played)))


class TestTheVerdict:
    """Positive controls: each property is seen to fail."""

    @pytest.mark.parametrize("wanted", [200, 404, 403, 401])
    def test_sees_one_turned_cell(self, matrix: Matrix, wanted: int) -> None:
        """A single grant that should be a refusal, or the other way round."""
        index = next(n for n, one in enumerate(matrix.played) if one.answer.status == wanted)
        assert matrix.verdict.statuses(turned(matrix.played, index, 204 if wanted >= 400 else 403))

    @pytest.mark.parametrize("part", ["key", "value", "id"])
    def test_sees_one_canary(self, matrix: Matrix, part: str) -> None:
        """A key, a value or an id of another tenant in one body."""
        foreign = matrix.crowd.grounds["foreign"]
        deposit = foreign.deposits["development"][0]
        text = {"key": deposit.key, "value": deposit.value, "id": foreign.vault_id}[part]
        index = next(n for n, one in enumerate(matrix.played) if one.cell.caller.name == "admin")
        assert matrix.verdict.leaks(extended(matrix.played[index : index + 1], 0, text))

    def test_sees_one_byte_of_difference(self, matrix: Matrix) -> None:
        """A foreign object that answers one byte more than a missing one."""
        index = next(
            n
            for n, one in enumerate(matrix.played)
            if one.cell.caller.name == "stranger" and one.cell.ground and one.cell.ground.label == "foreign"
        )
        assert matrix.verdict.foreign_unlike_missing(extended(matrix.played, index, " "))


def turned(every: Sequence[Played], index: int, status: int) -> list[Played]:
    """The same answers, one of them with another status."""
    one = every[index]
    return [*every[:index], replace(one, answer=replace(one.answer, status=status)), *every[index + 1 :]]


def extended(every: Sequence[Played], index: int, text: str) -> list[Played]:
    """The same answers, one of them with more in its body."""
    one = every[index]
    longer = replace(one.answer, body=one.answer.body + text.encode())
    return [*every[:index], replace(one, answer=longer), *every[index + 1 :]]


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_every_cell(provided: Stack, record_property: Record) -> None:
    """All of them."""
    matrix = played(provided, whole=True)
    check(matrix)
    record_property("every route, every cell", matrix.figures())
