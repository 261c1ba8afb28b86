"""Secrets one by one (contract.md 4.4): create, list, change, reveal, send to the trash. A pull works after each."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from oracle.wire import Call, bearer, send

from tests.backend.secrets.desk import HARD, Desk, calls, forget_statements, statements
from tests.backend.secrets.shelf import Shelf

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class TestCreate:
    """POST …/secrets."""

    def test_makes_a_secret(self, shelf: Shelf) -> None:
        """201, the id, one revision, one audit row; a pull has it."""
        answer = shelf.ask("POST", "/secrets", {"key": "A", "value": "1", "environment": "development"})
        assert answer.status == 201
        assert set(answer.data) == {"id", "status"}
        assert UUID.fullmatch(answer.data["id"])
        assert shelf.desk.values() == {"A": "1"}
        assert shelf.desk.head() == 1
        assert shelf.details("secret_created") == {"key": "A", "secretId": answer.data["id"]}

    def test_of_a_name_that_is_there_changes_the_value(self, shelf: Shelf) -> None:
        """200 and the same id; the value before becomes a version."""
        secret = shelf.create("A", "1")
        answer = shelf.ask("POST", "/secrets", {"key": "A", "value": "2", "environment": "development"})
        assert (answer.status, answer.data) == (200, {"id": secret, "status": "updated"})
        assert shelf.desk.values() == {"A": "2"}
        assert len(shelf.versions(secret)) == 1
        assert shelf.details("secret_updated")["key"] == "A"

    def test_of_the_same_value_is_no_revision(self, shelf: Shelf) -> None:
        """It is on record all the same."""
        secret = shelf.create("A", "1")
        assert shelf.done("POST", "/secrets", {"key": "A", "value": "1", "environment": "development"})["id"] == secret
        assert (shelf.desk.head(), shelf.versions(secret)) == (1, [])
        assert shelf.details("secret_updated")["unchanged"] is True

    def test_takes_hard_values_and_legal_names(self, shelf: Shelf) -> None:
        """Lower case is legal, and what is hard to quote survives."""
        names = {f"lower_{number}": value for number, value in enumerate(HARD.values()) if number % 4 == 0}
        ids = {name: shelf.create(name, value) for name, value in names.items()}
        assert shelf.desk.values() == names
        assert {name: shelf.value(secret) for name, secret in ids.items()} == names

    def test_takes_the_longest_value(self, shelf: Shelf) -> None:
        """64 KiB are reachable, however JSON spells them."""
        longest = "\x01" * 65_536
        secret = shelf.create("A", longest)
        assert shelf.value(secret) == longest


class TestList:
    """GET …/secrets."""

    def test_shows_the_fields_of_the_contract(self, shelf: Shelf) -> None:
        """No value, and who changed it last."""
        secret = shelf.rewritten("A", "1", "2")
        (item,) = shelf.done("GET", "/secrets")
        assert set(item) == {"id", "key", "environment", "createdAt", "updatedAt", "lastModifiedBy"}
        assert (item["id"], item["key"], item["environment"]) == (secret, "A", "development")
        assert item["lastModifiedBy"]["username"] == shelf.desk.scene.owner
        assert set(item["lastModifiedBy"]) == {"username", "avatarUrl"}
        assert MOMENT.fullmatch(item["createdAt"])
        assert item["createdAt"] < item["updatedAt"]

    def test_is_newest_first_over_all_environments_and_pages(self, shelf: Shelf) -> None:
        """Without a limit all of them; with one a page and where it stands."""
        shelf.desk.set({f"K{number}": "v" for number in range(5)})
        shelf.create("LATER", "v", "production")
        secret = shelf.create("LATEST", "v")
        shelf.done("PATCH", f"/secrets/{secret}", {"value": "w"})
        assert shelf.names() == ["LATEST", "LATER", "K0", "K1", "K2", "K3", "K4"]
        answer = shelf.ask("GET", "/secrets?limit=2&offset=1")
        assert [item["key"] for item in answer.data] == ["LATER", "K0"]
        assert answer.body["meta"]["pagination"] == {"total": 7, "limit": 2, "offset": 1, "hasMore": True}
        assert shelf.ask("GET", "/secrets").body["meta"]["pagination"]["limit"] == 1000

    def test_costs_the_same_for_a_hundred(self, shelf: Shelf) -> None:
        """Statements do not grow with rows."""
        counts = []
        for many in (1, 100):
            shelf.desk.set({f"K{number}": "v" for number in range(many)})
            shelf.desk.set({}, delete=[f"K{number}" for number in range(many // 2)])
            shelf.names()
            shelf.in_trash()
            forget_statements(shelf.desk)
            assert len(shelf.names()) == many - many // 2
            assert len(shelf.in_trash()) == many // 2
            counts.append(statements(shelf.desk, "secret_values"))
        assert counts[0] == counts[1]


class TestChange:
    """PATCH …/secrets/{secretId}."""

    def test_of_the_value_answers_the_item(self, shelf: Shelf) -> None:
        """As the list shows it."""
        secret = shelf.create("A", "1")
        answer = shelf.done("PATCH", f"/secrets/{secret}", {"value": "2"})
        assert answer == shelf.done("GET", "/secrets")[0]
        assert shelf.desk.values() == {"A": "2"}
        assert shelf.details("secret_updated") == {"key": "A", "secretId": secret}

    @pytest.mark.parametrize("field", ["name", "key"])
    def test_of_the_name_keeps_identity_value_and_lineage(self, shelf: Shelf, field: str) -> None:
        """A new row under the new name, re-sealed: nothing is opened for it."""
        secret = shelf.create("OLD", "1")
        opened = calls(shelf.desk, "open")
        item = shelf.done("PATCH", f"/secrets/{secret}", {field: "NEW"})
        assert calls(shelf.desk, "open") == opened
        assert (item["id"], item["key"]) == (secret, "NEW")
        assert shelf.desk.values() == {"NEW": "1"}
        old, new = shelf.rows(secret)
        assert (old[1], new[1], new[3], new[5]) == ("OLD", "NEW", None, old[0])
        assert shelf.desk.scene.value("SELECT label FROM secrets WHERE id = %s", secret) == "NEW"
        assert shelf.desk.audit("secret_updated")[-1]["keys"] == ["OLD", "NEW"]

    def test_of_both_is_one_revision(self, shelf: Shelf) -> None:
        """The dashboard sends both."""
        secret = shelf.create("OLD", "1")
        shelf.done("PATCH", f"/secrets/{secret}", {"key": "NEW", "value": "2"})
        assert (shelf.desk.head(), shelf.desk.values()) == (2, {"NEW": "2"})
        assert [row[5] for row in shelf.rows(secret)] == [None, None]

    def test_of_the_name_with_the_value_that_it_has_keeps_the_lineage(self, shelf: Shelf) -> None:
        """Who saw the value before has seen it after: it is not taken for a rotated one."""
        secret = shelf.create("OLD", "1")
        shelf.done("PATCH", f"/secrets/{secret}", {"key": "NEW", "value": "1"})
        old, new = shelf.rows(secret)
        assert new[5] == old[0]
        assert shelf.desk.values() == {"NEW": "1"}

    def test_lineage_goes_to_the_first_row(self, shelf: Shelf) -> None:
        """One step, however often it was renamed."""
        secret = shelf.create("A", "1")
        for name in ("B", "C"):
            shelf.done("PATCH", f"/secrets/{secret}", {"name": name})
        first, second, third = shelf.rows(secret)
        assert {second[5], third[5]} == {first[0]}

    def test_that_changes_nothing_is_no_revision(self, shelf: Shelf) -> None:
        """An empty value is what the dashboard sends for "as it is". Each is on record."""
        secret = shelf.create("A", "1")
        for body in ({"key": "A"}, {"value": "1"}, {"value": ""}, {"key": "A", "value": ""}):
            assert shelf.done("PATCH", f"/secrets/{secret}", body)["key"] == "A"
        assert (shelf.desk.head(), shelf.desk.values()) == (1, {"A": "1"})
        assert [row["details"]["unchanged"] for row in shelf.desk.audit("secret_updated")] == [True] * 4


class TestTwoAtOnce:
    """Two people change the same environment."""

    def test_renames_onto_the_same_name_have_one_winner(self, shelf: Shelf, second: Desk) -> None:
        """The other one reads 409, and nothing is lost."""
        other = Shelf(shelf.desk.with_other(second))
        ids = [shelf.create(name, name) for name in ("A", "B")]

        def rename(one: tuple[Shelf, str]) -> int:
            return one[0].ask("PATCH", f"/secrets/{one[1]}", {"name": "C"}).status

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(rename, zip((shelf, other), ids, strict=True)))
        assert sorted(found) == [200, 409]
        loser = "AB"[found.index(409)]
        assert set(shelf.desk.values()) == {"C", loser}

    def test_values_of_one_secret_are_all_kept(self, shelf: Shelf, second: Desk) -> None:
        """Each is the live value or a version, unless its author read 409."""
        other = Shelf(shelf.desk.with_other(second))
        secret = shelf.create("A", "0")

        def change(one: tuple[Shelf, str]) -> tuple[int, str]:
            return one[0].ask("PATCH", f"/secrets/{secret}", {"value": one[1]}).status, one[1]

        told: list[tuple[int, str]] = []
        for round_ in range(3):
            with ThreadPoolExecutor(2) as pool:
                told += pool.map(change, [(shelf, f"{round_}a"), (other, f"{round_}b")])
        assert {status for status, _ in told} <= {200, 409}
        paths = [f"/secrets/{secret}/versions/{version}/value" for version in shelf.versions(secret)]
        kept = {shelf.done("GET", path)["value"] for path in (f"/secrets/{secret}/value", *paths)}
        assert kept == {"0"} | {value for status, value in told if status == 200}

    def test_a_push_and_a_change_are_both_kept(self, shelf: Shelf, second: Desk) -> None:
        """They touch different keys."""
        other = shelf.desk.with_other(second)
        secret = shelf.create("A", "1")
        with ThreadPoolExecutor(2) as pool:
            changed = pool.submit(shelf.ask, "PATCH", f"/secrets/{secret}", {"value": "2"})
            pushed = pool.submit(other.push, {"B": "1"})
        assert (changed.result().status, pushed.result().status) == (200, 200)
        assert shelf.desk.values() == {"A": "2", "B": "1"}


class TestReveal:
    """GET …/secrets/{secretId}/value."""

    def test_answers_value_and_preview(self, shelf: Shelf) -> None:
        """The preview says no more than the contract."""
        previews = {
            "": "••••••••",
            "12345678": "••••••••",
            "123456789": "12••••89",
            "123456789012": "12••••12",
            "1234567890123": "1234••••0123",
        }
        for number, (value, preview) in enumerate(previews.items()):
            secret = shelf.create(f"K{number}", value)
            assert shelf.done("GET", f"/secrets/{secret}/value") == {"value": value, "preview": preview}

    def test_is_recorded_and_not_to_be_stored(self, shelf: Shelf) -> None:
        """With the key, the revision, and the role of whoever read it."""
        secret = shelf.create("A", "1")
        path = f"/v1/vaults/{shelf.desk.place.repository}/secrets/{secret}/value"
        answer = send(shelf.desk.scene.stack.api_url, Call("GET", path, (bearer(shelf.desk.client.token),)))
        assert answer.header("cache-control") == "no-store"
        (row,) = shelf.desk.audit("secret_value_accessed")
        assert (row["keys"], row["revision"]) == (["A"], 1)
        assert row["details"] == {"key": "A", "secretName": "A", "secretId": secret, "role": "admin"}


class TestToTheTrash:
    """DELETE …/secrets/{secretId}."""

    def test_answers_until_when_it_can_come_back(self, shelf: Shelf) -> None:
        """Thirty days; a pull has it no longer."""
        secret, _ = shelf.create("A", "1"), shelf.create("B", "2")
        data = shelf.done("DELETE", f"/secrets/{secret}")
        assert set(data) == {"id", "key", "environment", "deletedAt", "expiresAt", "message"}
        assert (data["id"], data["key"], data["environment"]) == (secret, "A", "development")
        assert MOMENT.fullmatch(data["deletedAt"])
        assert data["deletedAt"][10:] == data["expiresAt"][10:]
        assert shelf.desk.values() == {"B": "2"}
        assert shelf.names() == ["B"]
        assert set(shelf.details("secret_trashed")) == {"key", "secretId", "expiresAt"}

    def test_the_name_is_free_for_another_identity(self, shelf: Shelf) -> None:
        """What is made again is not what was."""
        assert shelf.create("A", "2") != (old := shelf.trashed("B"))
        assert shelf.create("B", "3") != old
        assert shelf.desk.values() == {"A": "2", "B": "3"}
