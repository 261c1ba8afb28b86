"""Revisions of an environment: where it stands, who changed what and when, and what is different (no values)."""

from __future__ import annotations

import itertools

import pytest

from tests.backend.revisions.ground import ask, data, fill, head, sql
from tests.oracle import stage
from tests.oracle.stage import Home

DEVELOPMENT = "/environments/development"
NOBODYS = "01999999-9999-7999-8999-999999999999"
ROUTES = ["revision", "revisions", "revisions/1", "revisions/1/diff"]


class TestRefuses:
    """Who may not read an environment learns nothing of its history."""

    @pytest.mark.parametrize("tail", ROUTES)
    def test_a_reader_of_a_protected_environment(self, home: Home, tail: str) -> None:
        """403, since the vault is his to see; nothing of a key."""
        answer = ask(home, "GET", f"/environments/production/{tail}", token=home.with_role("read"))
        assert answer.status == 403
        assert b'"P"' not in answer.body

    @pytest.mark.parametrize("tail", ROUTES)
    def test_a_stranger(self, home: Home, tail: str) -> None:
        """404, as for a vault that is not there."""
        assert ask(home, "GET", f"{DEVELOPMENT}/{tail}", token=stage.stranger(home.stack)).status == 404

    @pytest.mark.parametrize("tail", ROUTES)
    def test_a_missing_environment(self, home: Home, tail: str) -> None:
        """404; for somebody who could not read one of that kind it is 403, as if it were there."""
        assert ask(home, "GET", f"/environments/nothing/{tail}").status == 404
        assert ask(home, "GET", f"/environments/prod/{tail}", token=home.with_role("read")).status == 403

    @pytest.mark.parametrize("named", ["0", "99", "-1", "1.0", "x", "%00", "9" * 30, NOBODYS, "1%2f2", "%D9%A1"])
    def test_a_revision_that_is_none(self, home: Home, named: str) -> None:
        """A number that was not reached, a word, and an id of nothing."""
        for tail in ("", "/diff"):
            assert ask(home, "GET", f"{DEVELOPMENT}/revisions/{named}{tail}").status == 404
        assert ask(home, "POST", f"{DEVELOPMENT}/revisions/{named}/rollback", {}).status == 404

    def test_a_revision_of_another_environment(self, home: Home) -> None:
        """Its id is as good as missing."""
        foreign = head(home, "production")["id"]
        assert ask(home, "GET", f"{DEVELOPMENT}/revisions/{foreign}").status == 404
        assert ask(home, "GET", f"{DEVELOPMENT}/revisions/1/diff?against={foreign}").status == 404

    @pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "offset=-1"])
    def test_a_page_that_cannot_be(self, home: Home, query: str) -> None:
        """400, naming the parameter."""
        answer = ask(home, "GET", f"{DEVELOPMENT}/revisions?{query}")
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, query.partition("=")[0])


class TestHead:
    """GET and HEAD …/revision."""

    def test_says_where_an_environment_stands(self, home: Home) -> None:
        """Its number, its id, and the id as ETag."""
        answer = ask(home, "GET", f"{DEVELOPMENT}/revision")
        revision = data(answer)["revision"]
        assert (revision["number"], answer.header("etag")) == (3, f'"{revision["id"]}"')

    def test_is_304_for_who_knows_it(self, home: Home) -> None:
        """With GET and with HEAD; another tag gets the whole answer."""
        tag = ask(home, "GET", f"{DEVELOPMENT}/revision").header("etag")
        for method in ("GET", "HEAD"):
            for known, status in ((tag, 304), (f'"{NOBODYS}"', 200), (f'"{NOBODYS}", {tag}', 304), ("x", 200)):
                answer = ask(home, method, f"{DEVELOPMENT}/revision", headers=(("If-None-Match", known),))
                assert (answer.status, answer.header("etag")) == (status, tag)
                assert bool(answer.body) == (method == "GET" and status == 200)

    def test_of_an_environment_that_nobody_wrote_to(self, home: Home) -> None:
        """Number 0 has an id as well: a first change can insist on it."""
        assert head(home, "staging")["number"] == 0


class TestList:
    """GET …/revisions."""

    def test_is_newest_first_and_tells_who_and_how_much(self, home: Home) -> None:
        """Author, credential, source and counts; no key and no value."""
        found = data(ask(home, "GET", f"{DEVELOPMENT}/revisions"))
        assert [one["number"] for one in found] == [3, 2, 1]
        assert found[1]["counts"] == {"created": 1, "updated": 1, "deleted": 1}
        assert {one["author"]["username"] for one in found} == {home.admin}
        assert {(one["credentialKind"], one["source"], one["message"]) for one in found} == {("session", "cli", None)}

    def test_has_pages(self, home: Home) -> None:
        """Two pages hold what the whole holds."""
        pages = [ask(home, "GET", f"{DEVELOPMENT}/revisions?limit=2&offset={at}").json() for at in (0, 2)]
        assert [[one["number"] for one in page["data"]] for page in pages] == [[3, 2], [1]]
        assert [page["meta"]["pagination"]["hasMore"] for page in pages] == [True, False]
        assert pages[0]["meta"]["pagination"]["total"] == 3


class TestShow:
    """GET …/revisions/{revision}."""

    def test_names_what_changed(self, home: Home) -> None:
        """By number and by id; without a value."""
        shown = data(ask(home, "GET", f"{DEVELOPMENT}/revisions/2"))
        assert shown["keys"] == {"created": ["D"], "updated": ["A"], "deleted": ["B"]}
        assert data(ask(home, "GET", f"{DEVELOPMENT}/revisions/{shown['id']}")) == shown

    def test_shows_the_names_of_its_time(self, home: Home) -> None:
        """What came later changes nothing."""
        shown = data(ask(home, "GET", f"{DEVELOPMENT}/revisions/1"))
        assert shown["keys"] == {"created": ["A", "B", "C"], "updated": [], "deleted": []}


class TestDiff:
    """GET …/diff."""

    @pytest.mark.parametrize(
        ("revision", "against", "expected"),
        [
            ("2", "", (["D"], ["A"], ["B"], 1)),
            ("3", "?against=1", (["D", "E"], ["A"], ["B"], 1)),
            ("1", "?against=3", (["B"], ["A"], ["D", "E"], 1)),
            ("1", "?against=0", (["A", "B", "C"], [], [], 0)),
            ("1", "", (["A", "B", "C"], [], [], 0)),
            ("2", "?against=2", ([], [], [], 3)),
        ],
    )
    def test_names_kinds_of_change(self, home: Home, revision: str, against: str, expected: tuple[object, ...]) -> None:
        """What it takes from one to the other, in either direction."""
        found = data(ask(home, "GET", f"{DEVELOPMENT}/revisions/{revision}/diff{against}"))
        assert (found["added"], found["changed"], found["removed"], found["unchanged"]) == expected

    def test_by_ids(self, home: Home) -> None:
        """Numbers and ids name the same."""
        ids = {one["number"]: one["id"] for one in data(ask(home, "GET", f"{DEVELOPMENT}/revisions"))}
        by_id = data(ask(home, "GET", f"{DEVELOPMENT}/revisions/{ids[3]}/diff?against={ids[1]}"))
        assert by_id == data(ask(home, "GET", f"{DEVELOPMENT}/revisions/3/diff?against=1"))


class TestExact:
    """History is what happened."""

    def test_every_state_is_the_sum_of_its_changes(self, own: Home) -> None:
        """Twenty changes at random: keys of each state, and each difference between neighbours, are as they were."""
        states: list[dict[str, str]] = [{}]
        for number in range(1, 21):
            present = dict(states[-1])
            gone = tuple(sorted(present)[: number % 3])
            fresh = {f"K{number % 7}": str(number), f"L{number % 5}": str(number)}
            delete = tuple(key for key in gone if key not in fresh)
            fill(own, "development", fresh, delete=delete)
            states.append({key: value for key, value in present.items() if key not in delete} | fresh)
        for number, (before, after) in enumerate(itertools.pairwise(states), start=1):
            found = data(ask(own, "GET", f"{DEVELOPMENT}/revisions/{number}/diff"))
            assert found["added"] == sorted(after.keys() - before.keys())
            assert found["removed"] == sorted(before.keys() - after.keys())
            assert found["changed"] == sorted(k for k in before.keys() & after.keys() if before[k] != after[k])
        numbers = sql(
            own,
            "SELECT array_agg(number ORDER BY number) FROM revisions r JOIN environments e ON e.id = r.environment_id"
            " WHERE e.vault_id = %s",
            own.vault_id,
        )
        assert numbers == [(list(range(1, 21)),)]
