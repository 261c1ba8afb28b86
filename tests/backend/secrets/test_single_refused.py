"""Whom the routes of single secrets refuse, and what: each time nothing was changed, and nothing told."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.backend.secrets.desk import faults, text_of
from tests.backend.secrets.shelf import Shelf
from tests.invariants.api import Answer, Place

CANARY = "canary-of-a-value-that-nobody-may-see"


def routes(secret: str, version: str, trashed: str, environment: str) -> dict[str, tuple[str, str, Any]]:
    """A request for every route, whole but for the caller."""
    return {
        "list": ("GET", "/secrets", None),
        "trash": ("GET", "/trash", None),
        "value": ("GET", f"/secrets/{secret}/value", None),
        "versions": ("GET", f"/secrets/{secret}/versions", None),
        "version": ("GET", f"/secrets/{secret}/versions/{version}/value", None),
        "create": ("POST", "/secrets", {"key": "MADE", "value": "v", "environment": environment}),
        "change": ("PATCH", f"/secrets/{secret}", {"key": "RENAMED"}),
        "restore version": ("POST", f"/secrets/{secret}/versions/{version}/restore", None),
        "restore": ("POST", f"/trash/{trashed}/restore", None),
        "purge version": ("DELETE", f"/secrets/{secret}/versions/{version}", None),
        "remove": ("DELETE", f"/secrets/{secret}", None),
        "purge": ("DELETE", f"/trash/{trashed}", None),
        "empty": ("DELETE", "/trash", None),
    }


READS = {"list", "trash", "value", "versions", "version"}


@pytest.fixture
def stocked(shelf: Shelf) -> dict[str, tuple[str, str, Any]]:
    """Production with a secret, a version of it, and something in the trash; the requests for these."""
    at_production = Shelf(shelf.desk.at(Place(shelf.desk.place.repository, "production")))
    secret = at_production.rewritten("GUARDED", CANARY, f"{CANARY} now")
    trashed = at_production.trashed("GONE", CANARY)
    return routes(secret, at_production.versions(secret)[0], trashed, "production")


def all_of(shelf: Shelf, asked: dict[str, tuple[str, str, Any]]) -> dict[str, Answer]:
    """Every request as this caller."""
    return {name: shelf.ask(*call) for name, call in asked.items()}


class TestRoles:
    """The matrix, on every route."""

    def test_a_stranger_sees_no_difference_to_a_vault_that_is_not_there(
        self, others: dict[str, Shelf], stocked: dict[str, tuple[str, str, Any]]
    ) -> None:
        """404 everywhere, in the same words."""
        stranger = others["nobody"]
        nowhere = Shelf(stranger.desk.at(Place(f"{stranger.desk.scene.owner}/not-there")))
        for name, answer in all_of(stranger, stocked).items():
            missing = nowhere.ask(*stocked[name])
            assert (answer.status, answer.body["detail"]) == (404, missing.body["detail"]), name
            assert missing.status == 404, name

    def test_a_reader_learns_no_name_of_a_protected_environment(
        self, others: dict[str, Shelf], stocked: dict[str, tuple[str, str, Any]]
    ) -> None:
        """Lists leave it out; everything else is 403 and names no key."""
        answers = all_of(others["read"], stocked)
        for name in ("list", "trash"):
            assert (answers[name].status, answers[name].data) == (200, [])
            assert answers[name].body["meta"]["pagination"]["total"] == 0
        for name, answer in answers.items():
            assert "GUARDED" not in text_of(answer)
            assert "GONE" not in text_of(answer)
            assert CANARY not in text_of(answer)
            assert name in {"list", "trash"} or answer.status == 403, name

    def test_the_write_role_reads_a_protected_environment_and_changes_nothing_there(
        self, shelf: Shelf, others: dict[str, Shelf], stocked: dict[str, tuple[str, str, Any]]
    ) -> None:
        """Every change is 403."""
        before = shelf.done("GET", "/secrets"), shelf.done("GET", "/trash")
        for name, answer in all_of(others["write"], stocked).items():
            assert answer.status == (200 if name in READS else 403), name
        assert (shelf.done("GET", "/secrets"), shelf.done("GET", "/trash")) == before

    def test_the_write_role_may_change_what_is_not_protected_and_not_empty_the_trash(
        self, shelf: Shelf, others: dict[str, Shelf]
    ) -> None:
        """Emptying is for administrators."""
        secret = shelf.rewritten("A", "1", "2")
        asked = routes(secret, shelf.versions(secret)[0], shelf.trashed("B"), "development")
        asked["purge"] = ("DELETE", f"/trash/{shelf.trashed('C')}", None)
        answers = all_of(others["write"], asked)
        assert {name for name, answer in answers.items() if answer.status >= 300} == {"empty"}
        assert answers["empty"].status == 403

    def test_a_missing_environment_is_refused_by_the_type_that_it_implies(self, others: dict[str, Shelf]) -> None:
        """Who could not write there is told 403, and who could 400."""
        body = {"key": "A", "value": "1", "environment": "prod"}
        assert others["write"].ask("POST", "/secrets", body).status == 403
        assert others["write"].ask("POST", "/secrets", body | {"environment": "qa"}).status == 400


class TestObjects:
    """What is not there, or not here."""

    def test_what_is_missing_or_malformed_is_404(self, shelf: Shelf) -> None:
        """Malformed ids are missing ones."""
        secret = shelf.rewritten("A", "1", "2")
        version = shelf.versions(secret)[0]
        trashed = shelf.trashed("B")
        for wrong in (str(uuid4()), "not-an-id", "1"):
            asked = routes(wrong, version, wrong, "development")
            here = routes(secret, wrong, trashed, "development")
            calls = [call for name, call in asked.items() if name not in {"list", "trash", "create", "empty"}]
            calls += [call for name, call in here.items() if "version" in name and name != "versions"]
            assert {Shelf(shelf.desk.anew()).ask(*call).status for call in calls} == {404}

    def test_what_is_in_another_vault_is_404(self, shelf: Shelf) -> None:
        """Also for somebody who may do everything in both."""
        elsewhere = Shelf(shelf.desk.at_new_place())
        secret = elsewhere.rewritten("A", "1", "2")
        asked = routes(secret, elsewhere.versions(secret)[0], elsewhere.trashed("B"), "development")
        for name, call in asked.items():
            if name not in {"list", "trash", "create", "empty"}:
                assert shelf.ask(*call).status == 404, name
        assert (elsewhere.desk.values(), elsewhere.in_trash()) == ({"A": "2"}, ["B"])

    def test_emptying_ones_trash_leaves_that_of_others(self, shelf: Shelf) -> None:
        """The vault of the path, and no other."""
        elsewhere = Shelf(shelf.desk.at_new_place())
        elsewhere.trashed("B")
        assert shelf.done("DELETE", "/trash")["deleted"] == 0
        assert elsewhere.in_trash() == ["B"]

    def test_a_version_of_another_secret_is_404(self, shelf: Shelf) -> None:
        """Within the same environment."""
        secret = shelf.create("A", "1")
        version = shelf.versions(shelf.rewritten("B", "1", "2"))[0]
        for name, call in routes(secret, version, secret, "development").items():
            if "version" in name and name != "versions":
                assert shelf.ask(*call).status == 404, name

    def test_what_is_in_the_trash_is_not_live_and_the_other_way_round(self, shelf: Shelf) -> None:
        """404 on the routes of the other kind."""
        live, trashed = shelf.create("A", "1"), shelf.trashed("B")
        asked = routes(trashed, str(uuid4()), live, "development")
        for name in ("value", "versions", "change", "remove", "restore", "purge"):
            assert shelf.ask(*asked[name]).status == 404, name


class TestValues:
    """What cannot be stored."""

    def test_names_that_are_refused(self, shelf: Shelf) -> None:
        """The same rules on create and rename."""
        secret = shelf.create("FINE", "1")
        for key in ("PATH", "LD_PRELOAD", "GITHUB_ENV", "1A", "A-B", "A B", "", "A" * 257, "É", "A\n"):
            made = shelf.ask("POST", "/secrets", {"key": key, "value": CANARY, "environment": "development"})
            assert "key" in faults(made)
            assert CANARY not in text_of(made)
            assert "name" in faults(shelf.ask("PATCH", f"/secrets/{secret}", {"name": key}))
        assert shelf.desk.values() == {"FINE": "1"}

    def test_values_that_are_refused(self, shelf: Shelf) -> None:
        """One byte over 64 KiB of UTF-8, NUL, and what is no text."""
        secret = shelf.create("A", "1")
        wrong: list[Any] = ["x" * 65_537, "é" * 32_769, f"{CANARY}\0", 7, None, ["a"]]
        for value in wrong:
            made = shelf.ask("POST", "/secrets", {"key": "B", "value": value, "environment": "development"})
            changed = shelf.ask("PATCH", f"/secrets/{secret}", {"value": value})
            for answer in (made, changed):
                assert "value" in faults(answer)
                assert CANARY not in text_of(answer)
        assert shelf.desk.values() == {"A": "1"}

    def test_a_lone_surrogate_is_refused(self, shelf: Shelf) -> None:
        """It is no text."""
        body = {"key": "A", "value": f"{CANARY}\ud800", "environment": "development"}
        answer = shelf.ask("POST", "/secrets", body)
        assert answer.status == 400
        assert CANARY not in text_of(answer)

    def test_a_create_needs_both(self, shelf: Shelf) -> None:
        """400 and the field."""
        bodies: list[dict[str, Any]] = [{}, {"key": "A"}, {"value": "1"}, {"key": 7, "value": "1"}]
        found = [set(faults(shelf.ask("POST", "/secrets", body | {"environment": "development"}))) for body in bodies]
        assert found == [{"key", "value"}, {"value"}, {"key"}, {"key"}]

    def test_a_change_needs_something_and_no_contradiction(self, shelf: Shelf) -> None:
        """`name` and `key` mean the same."""
        secret = shelf.create("A", "1")
        assert faults(shelf.ask("PATCH", f"/secrets/{secret}", {}))
        assert "key" in faults(shelf.ask("PATCH", f"/secrets/{secret}", {"name": "B", "key": "C"}))
        assert shelf.done("PATCH", f"/secrets/{secret}", {"name": "B", "key": "B"})["key"] == "B"

    def test_an_environment_that_nobody_made_is_refused(self, shelf: Shelf) -> None:
        """Also the one that the wire names by default."""
        named: list[dict[str, Any]] = [{}, {"environment": "qa"}, {"environment": ""}, {"environment": 7}]
        answers = [shelf.ask("POST", "/secrets", {"key": "A", "value": "1"} | one) for one in named]
        assert [answer.status for answer in answers] == [400] * 4
        assert all("development, staging, production" in answer.body["detail"] for answer in answers[:2])

    def test_pages_have_limits(self, shelf: Shelf) -> None:
        """On both lists."""
        for query in ("limit=0", "limit=501", "limit=x", "offset=-1"):
            assert shelf.ask("GET", f"/secrets?{query}").status == 400
            assert shelf.ask("GET", f"/trash?{query}").status == 400


class TestLimits:
    """Those of the environment, wherever a value comes from."""

    def test_the_1001st_key(self, shelf: Shelf) -> None:
        """Neither by a create nor out of the trash; a rename needs no room."""
        trashed = shelf.trashed("GONE")
        shelf.desk.set({f"K{number}": "v" for number in range(1000)})
        body = {"key": "ONE_MORE", "value": "1", "environment": "development"}
        assert "1001" in text_of(shelf.ask("POST", "/secrets", body))
        restored = shelf.ask("POST", f"/trash/{trashed}/restore")
        assert (restored.status, "1001" in text_of(restored)) == (400, True)
        secret = shelf.done("GET", "/secrets?limit=1")[0]["id"]
        shelf.done("PATCH", f"/secrets/{secret}", {"key": "RENAMED"})
        assert len(shelf.desk.values()) == 1000

    def test_four_mebibytes(self, shelf: Shelf) -> None:
        """413, exact to the byte, for a create, a change, and a value out of the history."""
        secret = shelf.rewritten("A", "x" * 101, "x" * 100)
        (version,) = shelf.versions(secret)
        trashed = shelf.trashed("B", "x")
        shelf.desk.set({f"BIG{number}": "x" * 65_536 for number in range(63)} | {"REST": "x" * 65_436})
        body = {"key": "C", "value": "x", "environment": "development"}
        assert shelf.ask("POST", "/secrets", body).status == 413
        assert shelf.ask("PATCH", f"/secrets/{secret}", {"value": "x" * 101}).status == 413
        assert shelf.ask("POST", f"/secrets/{secret}/versions/{version}/restore").status == 413
        assert shelf.ask("POST", f"/trash/{trashed}/restore").status == 413
        shelf.done("PATCH", f"/secrets/{secret}", {"value": "x" * 99})
        shelf.done("POST", f"/trash/{trashed}/restore")
        assert len(shelf.desk.values()) == 66

    def test_a_name_that_is_taken(self, shelf: Shelf) -> None:
        """409, with or without a value; the winner keeps its own."""
        secret = shelf.create("A", "1")
        shelf.create("B", "2")
        for body in ({"name": "B"}, {"key": "B", "value": "3"}):
            answer = shelf.ask("PATCH", f"/secrets/{secret}", body)
            assert answer.status == 409
        assert shelf.desk.values() == {"A": "1", "B": "2"}
