"""The machine-readable contract is spelt rightly, whole, whatever the answers hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.shapes import Shape
from tests.contracts.spelling import misspelt, names_in, read
from tests.contracts.written import Case, entries, named

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
SUCCESS = range(200, 400)
REFUSAL = {400, 401, 403, 404, 409, 413, 415, 429, 503}


def kinds_of(case: Case) -> int:
    """How many kinds of contents a case says that it has."""
    return sum(map(bool, (case.body is not None, case.csv, case.html)))


class TestTheContract:
    def test_shapes_are_shapes(self) -> None:
        """Every word of every shape is of the notation, also where no answer has anything yet."""
        known = named()
        wrong = [fault for name, shape in known.items() for fault in misspelt(shape, known, name)]
        for entry in entries():
            for case in (*entry.ok, *entry.refused):
                at = f"{entry.route}, {case.name or 'ok'}"
                wrong += misspelt(case.body, known, at)
                wrong += misspelt(dict(case.more), known, at)
        assert wrong == []

    def test_named_shapes_are_spoken_of(self) -> None:
        """None is left over from a route that has another shape now."""
        spoken = set().union(*(names_in(shape) for shape in named().values()))
        for entry in entries():
            spoken |= set().union(*(names_in(case.body) for case in entry.ok))
        assert sorted(named().keys() - spoken) == []

    def test_entries_are_whole(self) -> None:
        """Each names its source and a success; its cases have names of their own and statuses of their kind."""
        for entry in entries():
            assert entry.method in METHODS, entry.route
            assert entry.path.startswith("/"), entry.route
            assert entry.source, entry.route
            assert entry.ok, entry.route
            names = [case.name for case in (*entry.ok, *entry.refused)]
            assert len(set(names)) == len(names), entry.route
            assert all(case.status in SUCCESS for case in entry.ok), entry.route
            assert all(case.status in REFUSAL and case.name for case in entry.refused), entry.route

    def test_cases_say_what_there_is(self) -> None:
        """A success has one kind of contents at most, and none where HTTP has none; refusals have the problem."""
        for entry in entries():
            for case in entry.ok:
                bare = entry.method == "HEAD" or case.status in {204, 302, 304}
                assert kinds_of(case) == (0 if bare else 1), (entry.route, case.name)
            assert all(case.body is None and not case.csv for case in entry.refused), entry.route


KNOWN = {"known": "text"}


class TestTheSpelling:
    """Positive controls."""

    @pytest.mark.parametrize(
        "shape",
        [
            "text", "=true", "one of a|b", "nullable one of a|b", "[id]*", "nullable [text]", ["<known>"],
            "[<known>]", None, {"a?": "maybe url", "...": "flag"},
        ],
        ids=str,
    )  # fmt: skip
    def test_takes_shapes(self, shape: Shape) -> None:
        """Everything that the notation has."""
        assert list(misspelt(shape, KNOWN)) == []

    @pytest.mark.parametrize(
        "shape",
        [
            "txet", "nullable txet", "[txet]*", "[text", "<unknown>", "<known", "one of a", "one of a|a", "=", 1,
            ["text", "text"], {"a": {"b": "txet"}}, {"a": "text", "a?": "text"}, {1: "text"}, {"...?": "text"},
        ],
        ids=str,
    )  # fmt: skip
    def test_refuses_the_rest(self, shape: Shape) -> None:
        """Wherever it stands."""
        assert len(list(misspelt(shape, KNOWN))) == 1

    def test_refuses_a_field_written_twice(self, tmp_path: Path) -> None:
        """At any depth."""
        path = tmp_path / "twice.yaml"
        path.write_text("- route: GET /x\n  ok:\n    - {status: 200, body: {data: {a: text, b: flag, a: id}}}\n")
        with pytest.raises(ValueError, match=r"line 3: written twice: \['a'\]"):
            read(path)
