"""Who may do what: every route of the wire, for every kind of person, on their own, a foreign and a missing object.

The expectation comes from policy.yaml alone (tests/oracle). The processes run with production defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from keyway_standalone.processes import Stack
from oracle import stage
from oracle.cast import NEW_VAULT, World
from oracle.matrix import PUSH, ROUTES, Judge, Played, cells, flipped, own_key, planted, table
from oracle.policy import Policy
from oracle.report import Record
from oracle.wire import Call, send

READERS = 4
MUST_BE_THERE = {
    "anonymous", "malformed", "expired session", "revoked session", "tampered signature", "stranger", "reader",
    "triager", "teammate", "maintainer", "founder", "removed", "outsider",
}  # fmt: skip


@pytest.fixture(scope="module")
def policy() -> Policy:
    """policy.yaml."""
    return Policy.load()


@pytest.fixture(scope="module")
def everything(stack: Stack) -> stage.Stage:
    """Everybody signed in, and something in every vault."""
    return stage.full(stack)


@pytest.fixture(scope="module")
def world(everything: stage.Stage) -> World:
    """The two axes of the matrix."""
    return everything.world


@pytest.fixture(scope="module")
def played(stack: Stack, world: World) -> list[Played]:
    """Every cell, played once: what reads by several at a time, what writes one after the other."""
    return play(stack.api_url, world)


@pytest.fixture(scope="module")
def judge(policy: Policy, world: World) -> Judge:
    """The judge of all answers."""
    return Judge(policy, world)


def play(base: str, world: World) -> list[Played]:
    """Sends the request of every cell."""
    every = list(cells(world))
    first_write = next(index for index, cell in enumerate(every) if (cell.ask.method, cell.ask.path) == PUSH)
    with ThreadPoolExecutor(READERS) as pool:
        answers = list(pool.map(lambda cell: send(base, cell.call), every[:first_write]))
    answers += [send(base, cell.call) for cell in every[first_write:]]
    return [Played(cell, answer) for cell, answer in zip(every, answers, strict=True)]


class TestTheMatrix:
    def test_names_everybody_and_every_route_of_this_server(self, world: World, policy: Policy) -> None:
        """Nobody is left out whom the acceptance list names, and every route that is played is one of the policy's."""
        assert {one.name for one in world.principals} >= MUST_BE_THERE
        assert set(ROUTES) <= set(policy.routes)

    def test_answers_what_the_policy_says(
        self, played: list[Played], judge: Judge, world: World, record_property: Record
    ) -> None:
        """Every cell answers the status that policy.yaml gives, in each of its steps."""
        print("\n".join(["", *(f"{one.answer.status} {one.cell}" for one in played), *table(played)]))
        assert judge.statuses(played) == []
        axes = f"{len(ROUTES)} routes, {len(world.principals)} principals, {len(world.places)} objects"
        record_property(
            "access matrix", f"{len(played)} cells ({axes}), each as policy.yaml says; pytest -s lists them"
        )

    def test_leaks_nothing(self, played: list[Played], judge: Judge, record_property: Record) -> None:
        """No answer holds a key, a value or an id of anything that the caller may not see."""
        assert judge.leaks(played) == []
        record_property("access matrix leaks", f"0 in {len(played)} answers")

    def test_tells_strangers_nothing_where_everybody_gets_200(self, played: list[Played], judge: Judge) -> None:
        """Whether the App is installed, and the ids of a repository, are told to people with a role on it alone."""
        assert judge.veils(played) == []

    def test_foreign_and_missing_are_the_same_bytes(self, played: list[Played], judge: Judge) -> None:
        """Nobody can tell a vault that is not theirs from one that does not exist, by status, header or body."""
        assert judge.foreign_unlike_missing(played) == []

    def test_repeats_no_credential(self, played: list[Played]) -> None:
        """No answer holds the credential that came with the request."""
        assert not [
            one.cell for one in played if (token := one.cell.principal.secret) and token.encode() in one.answer.raw
        ]

    def test_refused_writes_left_nothing(
        self, everything: stage.Stage, world: World, played: list[Played], policy: Policy
    ) -> None:
        """After all pushes each environment holds what was there, and the keys of those whom the policy lets write."""
        assert played
        for label, keeper in stage.KEEPERS.items():
            place = world.place(label)
            session = everything.sign_in(keeper)
            for environment in NEW_VAULT:
                writers = [
                    own_key(one)
                    for one in world.principals
                    if one.good and policy.may(one.roles.get(label), environment, "env:write")
                ]
                found = stage.pull(everything.stack, session, place.full_name, environment)
                assert set(found) == {place.deposits[environment].key, *writers}
                assert found[place.deposits[environment].key] == place.deposits[environment].value


class TestTheJudge:
    """Positive controls: each property is seen to fail."""

    @pytest.mark.parametrize("wanted", [200, 404, 403, 401])
    def test_sees_one_turned_cell(self, played: list[Played], judge: Judge, wanted: int) -> None:
        """A single grant that should be a refusal, or the other way round, is found, wherever it stands."""
        index = next(n for n, one in enumerate(played) if one.answer.status == wanted and one.cell.place)
        assert judge.statuses(flipped(played, index)) != judge.statuses(played)

    @pytest.mark.parametrize("kind", ["value", "key", "id"])
    def test_sees_one_canary_in_a_body(self, played: list[Played], world: World, judge: Judge, kind: str) -> None:
        """A value, a key or an id of another tenant's vault in one body is found."""
        foreign = world.place("other")
        deposit = foreign.deposits["development"]
        text = {"value": deposit.value, "key": deposit.key, "id": foreign.marks[0]}[kind]
        index = _index_of(played, "founder", "private")
        assert judge.leaks(planted(played, index, text)) != judge.leaks(played)

    def test_sees_one_byte_of_difference(self, played: list[Played], judge: Judge) -> None:
        """A foreign object that answers one byte more than a missing one is found."""
        index = _index_of(played, "stranger", "private")
        assert judge.foreign_unlike_missing(planted(played, index, " ")) != judge.foreign_unlike_missing(played)


def _index_of(played: Sequence[Played], principal: str, place: str) -> int:
    return next(
        index
        for index, one in enumerate(played)
        if one.cell.principal.name == principal and one.cell.place and one.cell.place.label == place
    )


def test_signing_out_ends_every_session(stack: Stack, world: World, played: list[Played]) -> None:
    """The matrix signs everybody out at its end, and from then on their sessions are worth nothing."""
    assert played
    good = [one for one in world.principals if one.good]
    assert {send(stack.api_url, Call("GET", "/v1/users/me", one.headers)).status for one in good} == {401}
