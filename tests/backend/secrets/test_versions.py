"""The values that a secret had (contract.md 4.4), and the rows behind them when somebody else wrote these."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.backend.secrets.desk import calls, forget_statements, statements, text_of
from tests.backend.secrets.shelf import Shelf
from tests.backend.secrets.test_single import MOMENT
from tests.invariants.api import Answer

CANARY = "canary-of-a-value-that-nobody-may-see"


class TestList:
    """GET …/secrets/{secretId}/versions."""

    def test_is_every_value_before_the_present_one_newest_first(self, shelf: Shelf) -> None:
        """Numbers count from the first value on; the fields are those of the contract."""
        secret = shelf.rewritten("A", "1", "2", "3")
        shelf.done("PATCH", f"/secrets/{secret}", {"name": "B"})
        found = shelf.done("GET", f"/secrets/{secret}/versions")["versions"]
        assert [version["versionNumber"] for version in found] == [3, 2, 1]
        assert all(set(version) == {"id", "versionNumber", "createdAt", "createdBy"} for version in found)
        assert all(MOMENT.fullmatch(version["createdAt"]) for version in found)
        assert {version["createdBy"]["username"] for version in found} == {shelf.desk.scene.owner}

    def test_names_the_author_of_each(self, shelf: Shelf, others: dict[str, Shelf]) -> None:
        """Who set a value made the version."""
        secret = shelf.create("A", "1")
        others["write"].done("PATCH", f"/secrets/{secret}", {"value": "2"})
        shelf.done("PATCH", f"/secrets/{secret}", {"value": "3"})
        found = shelf.done("GET", f"/secrets/{secret}/versions")["versions"]
        authors = [version["createdBy"]["username"] for version in found]
        assert authors == [others["write"].desk.login, shelf.desk.scene.owner]

    def test_a_push_makes_versions_too(self, shelf: Shelf) -> None:
        """However a value changes."""
        secret = shelf.create("A", "1")
        shelf.desk.set({"A": "2"})
        assert len(shelf.versions(secret)) == 1

    def test_costs_the_same_for_many(self, shelf: Shelf) -> None:
        """Statements do not grow with versions."""
        secret = shelf.create("A", "0")
        counts = []
        for many in (2, 30):
            for number in range(many):
                shelf.desk.set({"A": f"{many}/{number}"})
            shelf.versions(secret)
            forget_statements(shelf.desk)
            assert len(shelf.versions(secret)) >= many
            counts.append(statements(shelf.desk, "secret_values"))
        assert counts[0] == counts[1]


class TestReveal:
    """GET …/versions/{versionId}/value."""

    def test_answers_the_value_that_it_was(self, shelf: Shelf) -> None:
        """Under every name that the secret had."""
        secret = shelf.rewritten("A", "1", "2")
        shelf.done("PATCH", f"/secrets/{secret}", {"name": "B"})
        paths = [f"/secrets/{secret}/versions/{version}/value" for version in shelf.versions(secret)]
        found = [shelf.done("GET", path) for path in paths]
        assert found == [{"value": "2", "versionNumber": 2}, {"value": "1", "versionNumber": 1}]

    def test_is_recorded_at_the_revision_at_which_it_stood(self, shelf: Shelf) -> None:
        """So that exposure knows which value was seen."""
        secret = shelf.rewritten("A", "1", "2", "3")
        version = shelf.versions(secret)[0]
        shelf.done("GET", f"/secrets/{secret}/versions/{version}/value")
        (row,) = shelf.desk.audit("secret_version_value_accessed")
        assert (row["keys"], row["revision"]) == (["A"], 2)
        assert row["details"] == {
            "key": "A", "secretId": secret, "versionId": version, "versionNumber": 2, "role": "admin",
        }  # fmt: skip

    def test_the_live_value_is_no_version(self, shelf: Shelf) -> None:
        """404."""
        secret = shelf.create("A", "1")
        live = shelf.rows(secret)[0][0]
        assert shelf.ask("GET", f"/secrets/{secret}/versions/{live}/value").status == 404
        assert shelf.ask("POST", f"/secrets/{secret}/versions/{live}/restore").status == 404


class TestRestore:
    """POST …/versions/{versionId}/restore."""

    def test_makes_it_live_and_the_present_one_a_version(self, shelf: Shelf) -> None:
        """Without plaintext in the backend, with lineage, under the present name."""
        secret = shelf.rewritten("A", "1", "2")
        shelf.done("PATCH", f"/secrets/{secret}", {"name": "B"})
        first = shelf.versions(secret)[-1]
        opened = calls(shelf.desk, "open")
        data = shelf.done("POST", f"/secrets/{secret}/versions/{first}/restore")
        assert calls(shelf.desk, "open") == opened
        assert set(data) == {"message", "key", "versionNumber"}
        assert (data["key"], data["versionNumber"]) == ("B", 1)
        assert shelf.desk.values() == {"B": "1"}
        assert len(shelf.versions(secret)) == 3
        assert str(shelf.rows(secret)[-1][5]) == first
        assert shelf.details("secret_version_restored")["versionId"] == first


class TestPurge:
    """DELETE …/versions/{versionId}: somebody pushed the wrong key."""

    def test_forgets_the_value_and_not_that_it_was(self, shelf: Shelf) -> None:
        """The row stays without its value; numbers of the others stay."""
        secret = shelf.rewritten("A", "1", "2", "3")
        second, first = shelf.versions(secret)
        assert shelf.ask("DELETE", f"/secrets/{secret}/versions/{second}").status == 204
        assert shelf.versions(secret) == [first]
        assert [row[4] for row in shelf.rows(secret)] == [True, False, True]
        assert shelf.done("GET", f"/secrets/{secret}/versions/{first}/value") == {"value": "1", "versionNumber": 1}
        assert shelf.details("secret_version_purged") == {
            "key": "A", "secretId": secret, "versionId": second, "versionNumber": 2,
        }  # fmt: skip
        assert shelf.desk.values() == {"A": "3"}

    def test_a_purged_version_is_gone_for_every_route(self, shelf: Shelf) -> None:
        """404 to read, restore and purge again."""
        secret = shelf.rewritten("A", "1", "2")
        (version,) = shelf.versions(secret)
        path = f"/secrets/{secret}/versions/{version}"
        shelf.done("DELETE", path)
        asked = [("GET", f"{path}/value"), ("POST", f"{path}/restore"), ("DELETE", path)]
        assert [shelf.ask(*call).status for call in asked] == [404, 404, 404]

    def test_of_the_live_value_is_a_conflict(self, shelf: Shelf) -> None:
        """409, and everybody goes on pulling it."""
        secret = shelf.create("A", "1")
        assert shelf.ask("DELETE", f"/secrets/{secret}/versions/{shelf.rows(secret)[0][0]}").status == 409
        assert shelf.desk.values() == {"A": "1"}


def alarms(shelf: Shelf) -> float:
    """How often the backend said that stored data was tampered with."""
    text = httpx.get(f"{shelf.desk.scene.stack.ops_url}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("keyway_integrity_failures_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


Forgery = Callable[[Shelf, str, str], None]


def _exchange_ciphertexts(shelf: Shelf, one: str, other: str) -> None:
    shelf.desk.scene.sql(
        "UPDATE secret_values AS v SET sealed = w.sealed FROM secret_values AS w"
        " WHERE v.id IN (%s, %s) AND w.id IN (%s, %s) AND v.id <> w.id",
        one, other, one, other,
    )  # fmt: skip


def _exchange_secrets(shelf: Shelf, one: str, other: str) -> None:
    shelf.desk.scene.sql(
        "UPDATE secret_values AS v SET secret_id = w.secret_id, from_revision = w.from_revision,"
        " to_revision = w.to_revision FROM secret_values AS w"
        " WHERE v.id IN (%s, %s) AND w.id IN (%s, %s) AND v.id <> w.id",
        one, other, one, other,
    )  # fmt: skip


def _exchange_ids(shelf: Shelf, one: str, other: str) -> None:
    for before, after in ((one, "0" * 8 + one[8:]), (other, one), ("0" * 8 + one[8:], other)):
        shelf.desk.scene.sql("UPDATE secret_values SET id = %s WHERE id = %s", after, before)


def _other_name(shelf: Shelf, one: str, _other: str) -> None:
    shelf.desk.scene.sql("UPDATE secret_values SET key = 'ANOTHER' WHERE id = %s", one)


class TestForgedRows:
    """Somebody who writes the database and has no key: refused and noticed, and told nothing."""

    @pytest.mark.parametrize(
        ("forge", "same_secret"),
        [
            (_exchange_ciphertexts, True),
            (_exchange_ciphertexts, False),
            (_exchange_ids, True),
            (_exchange_ids, False),
            (_exchange_secrets, False),
            (_other_name, True),
        ],
    )
    def test_an_exchanged_version_does_not_open(self, shelf: Shelf, forge: Forgery, *, same_secret: bool) -> None:
        """Neither of another secret nor of the same one: not to be read and not to be restored."""
        secret = shelf.rewritten("A", f"{CANARY}1", f"{CANARY}2", f"{CANARY}3")
        second, first = shelf.versions(secret)
        other = second if same_secret else shelf.versions(shelf.rewritten("B", f"{CANARY}4", "5"))[0]
        forge(shelf, first, other)
        # The row that hangs on this secret afterwards.
        asked = other if not same_secret and forge in {_exchange_secrets, _exchange_ids} else first
        before, head = alarms(shelf), shelf.desk.head()
        path = f"/secrets/{secret}/versions/{asked}"
        for answer in (shelf.ask("GET", f"{path}/value"), shelf.ask("POST", f"{path}/restore")):
            _refused(answer)
        assert alarms(shelf) >= before + 2
        assert shelf.desk.head() == head
        assert shelf.desk.audit("secret_version_value_accessed") == []
        assert shelf.desk.values()["A"] == f"{CANARY}3"

    def test_a_row_of_another_secret_is_not_even_listed(self, shelf: Shelf) -> None:
        """The whole list is refused: nobody can tell any longer what the history was."""
        secret = shelf.rewritten("A", "1", "2")
        version = shelf.versions(shelf.rewritten("B", "1", "2"))[0]
        shelf.desk.scene.sql("UPDATE secret_values SET secret_id = %s WHERE id = %s", secret, version)
        before = alarms(shelf)
        _refused(shelf.ask("GET", f"/secrets/{secret}/versions"))
        assert alarms(shelf) > before

    def test_live_rows_that_were_exchanged_are_refused(self, shelf: Shelf) -> None:
        """A name that leads to another secret's row changes and reveals nothing."""
        ids = [shelf.create(name, f"{CANARY}{name}") for name in "AB"]
        shelf.desk.scene.sql(
            "UPDATE secret_values AS v SET secret_id = w.secret_id FROM secret_values AS w"
            " WHERE v.secret_id = ANY(%s::uuid[]) AND w.secret_id = ANY(%s::uuid[]) AND v.id <> w.id",
            ids, ids,
        )  # fmt: skip
        path = f"/secrets/{ids[0]}"
        for answer in (
            shelf.ask("GET", f"{path}/value"),
            shelf.ask("PATCH", path, {"value": "3"}),
            shelf.ask("PATCH", path, {"name": "C"}),
            shelf.ask("DELETE", path),
        ):
            _refused(answer)
        assert set(shelf.desk.values()) == {"A", "B"}

    def test_a_row_in_the_trash_that_was_exchanged_does_not_come_back(self, shelf: Shelf) -> None:
        """Its ciphertext belongs to another row."""
        ids = [shelf.trashed(name, f"{CANARY}{name}") for name in "AB"]
        rows = [str(shelf.rows(secret)[0][0]) for secret in ids]
        _exchange_ciphertexts(shelf, *rows)
        _refused(shelf.ask("POST", f"/trash/{ids[0]}/restore"))
        assert shelf.desk.values() == {}

    def test_nothing_changes_in_an_environment_whose_rows_were_changed(self, shelf: Shelf) -> None:
        """A change would sign what somebody else did: an old value reopened, a live one taken away."""
        secret = shelf.rewritten("A", f"{CANARY}1", f"{CANARY}2")
        trashed = shelf.trashed("B", CANARY)
        old, new = (str(row[0]) for row in shelf.rows(secret))
        shelf.desk.scene.sql("UPDATE secret_values SET to_revision = 9 WHERE id = %s", new)
        shelf.desk.scene.sql("UPDATE secret_values SET to_revision = NULL WHERE id = %s", old)
        for answer in (
            shelf.ask("GET", f"/secrets/{secret}/value"),
            shelf.ask("PATCH", f"/secrets/{secret}", {"value": "3"}),
            shelf.ask("PATCH", f"/secrets/{secret}", {"name": "C"}),
            shelf.ask("DELETE", f"/secrets/{secret}"),
            shelf.ask("POST", "/secrets", {"key": "D", "value": "1", "environment": "development"}),
            shelf.ask("POST", f"/trash/{trashed}/restore"),
        ):
            _refused(answer)


def _refused(answer: Answer) -> None:
    """503 with the word for it, and not a key or a value."""
    assert answer.status == 503, answer
    assert answer.body["type"].endswith("/integrity-error")
    assert CANARY not in text_of(answer)
    assert '"A"' not in text_of(answer)
