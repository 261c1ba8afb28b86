"""Every route against the machine-readable contract: statuses, headers, bodies with exactly these fields."""

from __future__ import annotations

from typing import Any

import pytest
from keyway_standalone.processes import Stack
from oracle.policy import Policy
from oracle.report import Record

import tests.contracts.reach_all  # noqa: F401 - registers every reach
from tests.contracts.playing import Played, play
from tests.contracts.reaches import MADE, is_known
from tests.contracts.scene import Scene
from tests.contracts.shapes import Judge, places, spoilt
from tests.contracts.written import Entry, entries
from tests.oracle.wire import Call, send

BY_ROUTE = {entry.route: entry for entry in entries()}


@pytest.fixture(scope="module")
def played() -> dict[str, Played]:
    """What was played so far, by route."""
    return {}


def of(entry: Entry, scene: Scene, played: dict[str, Played]) -> Played:
    """What came of a route; it is played once."""
    if entry.route not in played:
        played[entry.route] = play(scene, entry)
    return played[entry.route]


@pytest.fixture(params=sorted(BY_ROUTE))
def entry(request: pytest.FixtureRequest) -> Entry:
    """Each route."""
    return BY_ROUTE[request.param]


class TestEveryRoute:
    def test_answers_as_written(self, scene: Scene, entry: Entry, played: dict[str, Played]) -> None:
        """Each success and each refusal, whole; and each field that may be missing was there once."""
        found = of(entry, scene, played)
        assert found.faults == []
        assert found.never_seen == []

    def test_a_field_that_is_dropped_or_renamed_fails(
        self, scene: Scene, entry: Entry, played: dict[str, Played]
    ) -> None:
        """The server's own answers, each spoilt in each of its fields, are told from good ones."""
        assert of(entry, scene, played).not_told_apart == []


def described(stack: Stack) -> dict[tuple[str, str], dict[str, Any]]:
    """The application's own list of its routes. Nothing else of it is believed."""
    paths = send(stack.ops_url, Call("GET", "/openapi.json")).json()["paths"]
    return {
        (method.upper(), path): operation
        for path, item in paths.items()
        for method, operation in item.items()
        if method != "parameters"
    }


def test_in_figures(scene: Scene, played: dict[str, Played], record_property: Record) -> None:
    """How much that was."""
    every = [of(entry, scene, played) for entry in entries()]
    assert min(one.cases for one in every) > 0
    told = f"{len(every)} routes, {sum(one.cases for one in every)} answers, {sum(one.spoilt for one in every)} spoilt"
    record_property("contract of the API: routes, answers, answers spoilt and told apart", told)


class TestCensus:
    def test_every_route_is_written_down(self) -> None:
        """What policy.yaml lists is in the contract, once, and nothing else is; `test_route_census` holds the policy
        and the application together."""
        written = [(entry.method, entry.path) for entry in entries()]
        assert len(written) == len(set(written))
        assert set(written) == set(Policy.load().routes)

    def test_it_is_what_the_application_has(self, stack: Stack) -> None:
        """Route by route, both ways."""
        assert {(entry.method, entry.path) for entry in entries()} == described(stack).keys()

    def test_each_body_has_a_refusal(self, stack: Stack) -> None:
        """Whatever takes JSON refuses, in the contract too, what is none; webhooks take what is signed."""
        for (method, path), operation in described(stack).items():
            if "application/json" in operation.get("requestBody", {}).get("content", {}) and "webhook" not in path:
                names = {case.name for case in BY_ROUTE[f"{method} {path}"].refused}
                assert "bad body" in names, (method, path)

    def test_every_case_is_reached(self) -> None:
        """No case is skipped for want of a request, and no request is left over."""
        cases = {(entry.route, case.name) for entry in entries() for case in (*entry.ok, *entry.refused)}
        assert sorted(case for case in cases if not is_known(*case)) == []
        assert sorted(MADE.keys() - cases) == []

    def test_each_refusal_that_policy_demands_is_there(self) -> None:
        """Wherever the policy refuses somebody without a credential, with one of no use, or for whom the object is
        missing, the contract says how."""
        policy = Policy.load()
        for entry in entries():
            route = policy.routes[entry.method, entry.path]
            written = {case.name: case.status for case in entry.refused}
            if {"session", "api_key"} & set(route["auth"]):
                wanted = {"signed out": "anonymous", "wrong key": "insufficient_scope", "stranger": "no_access"}
                statuses = {name: route["outcomes"][outcome] for name, outcome in wanted.items()}
                refusing = {name: status for name, status in statuses.items() if status and status >= 400}
                assert refusing == {name: written[name] for name in statuses if name in written}, entry.route


SHAPE = {"a": "text", "b?": "nullable count", "c": ["id"], "d": {"...": "flag"}, "e": "one of x|y", "f": "=true"}
GOOD = {"a": "x", "b": 1, "c": ["f4d2a3f0-5f0e-4b3a-9d53-1f6f1c1e2d3a"], "d": {"z": False}, "e": "y", "f": True}


class TestTheJudge:
    """Positive controls."""

    def test_takes_what_fits(self) -> None:
        """And has seen what may be missing."""
        judge = Judge({})
        assert list(judge.faults(GOOD, SHAPE)) == []
        assert judge.never_seen == []

    @pytest.mark.parametrize(
        "changed",
        [
            {"a": 1}, {"a": ""}, {"b": -1}, {"b": True}, {"c": ["x"]}, {"c": {}}, {"d": {"z": 1}}, {"e": "z"},
            {"f": 1}, {"g": 1}, {"a": None},
        ],
        ids=str,
    )  # fmt: skip
    def test_refuses_what_does_not(self, changed: dict[str, object]) -> None:
        """A wrong type, a wrong word, a field that nobody wrote down."""
        assert len(list(Judge({}).faults(GOOD | changed, SHAPE))) == 1

    def test_knows_what_was_never_there(self) -> None:
        """An optional field, a null that is always null, a list that is always empty."""
        judge = Judge({})
        without = {name: value for name, value in GOOD.items() if name != "b"} | {"c": []}
        assert list(judge.faults(without, SHAPE)) == []
        assert judge.never_seen == ["body.b", "body.c with something in it"]

    def test_spoils_every_field(self) -> None:
        """At every depth, in every item."""
        found = {"a": {"b": 1}, "c": [{"d": 2}, {"d": 3, "e": 4}]}
        told = [".".join(place) for place in places(found)]
        assert told == ["a", "c", "a.b", "c.[].d", "c.[].e"]
        assert spoilt(found, ("c", "[]", "d"), "dropped") == {"a": {"b": 1}, "c": [{}, {"e": 4}]}
        assert spoilt(found, ("a", "b"), "renamed") == {"a": {"bX": 1}, "c": found["c"]}
