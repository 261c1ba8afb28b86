"""What was deleted (contract.md 4.4): listed for 30 days, restored, forgotten; and what time alone makes forgotten."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keyway_backend.db.engine import Database
from keyway_backend.features.secrets.single.retention import Retention

from tests.backend.secrets.desk import Desk
from tests.backend.secrets.shelf import Shelf
from tests.backend.secrets.test_single import MOMENT
from tests.invariants.api import Place

STEPS = 4


def aged(shelf: Shelf, days: int, *numbers: int) -> None:
    """Revisions that are that much older than they were."""
    shelf.desk.scene.sql(
        "UPDATE revisions SET created_at = created_at - make_interval(days => %s)"
        " WHERE environment_id = %s AND number = ANY(%s)",
        days,
        shelf.desk.environment_id,
        list(numbers) or list(range(1000)),
    )


def forgotten(shelf: Shelf) -> None:
    """What the job of retention does, in a few steps, however much others left."""
    [(count,)] = shelf.desk.scene.sql("SELECT count(*) FROM secrets")

    async def run() -> None:
        database = Database(shelf.desk.scene.stack.superuser_database_url, size=2)
        await database.open()
        await Retention(database, at_once=count // STEPS + 1).purge_old()
        await database.close()

    asyncio.run(run())


class TestList:
    """GET …/trash."""

    def test_shows_the_fields_of_the_contract(self, shelf: Shelf) -> None:
        """Until when, and for how many days."""
        secret = shelf.trashed("A")
        (item,) = shelf.done("GET", "/trash")
        assert set(item) == {"id", "key", "environment", "deletedAt", "expiresAt", "daysRemaining"}
        assert (item["id"], item["key"], item["environment"], item["daysRemaining"]) == (secret, "A", "development", 30)
        assert MOMENT.fullmatch(item["deletedAt"])
        assert item["deletedAt"] < item["expiresAt"]

    def test_is_newest_first_by_pages_whoever_deleted(self, shelf: Shelf) -> None:
        """A push deletes into it as well; what is named again is still there."""
        shelf.desk.set({"A": "1", "B": "1"})
        shelf.desk.set({}, delete=["A"])
        shelf.desk.set({"A": "2"}, delete=["B"])
        assert shelf.in_trash() == ["B", "A"]
        answer = shelf.ask("GET", "/trash?limit=1&offset=1")
        assert [item["key"] for item in answer.data] == ["A"]
        assert answer.body["meta"]["pagination"] == {"total": 2, "limit": 1, "offset": 1, "hasMore": False}

    def test_neither_a_rename_nor_a_new_value_is_a_deletion(self, shelf: Shelf) -> None:
        """The secret goes on."""
        secret = shelf.rewritten("A", "1", "2")
        shelf.done("PATCH", f"/secrets/{secret}", {"name": "B"})
        assert shelf.in_trash() == []

    def test_ends_after_thirty_days(self, shelf: Shelf) -> None:
        """Then it can be neither seen nor restored nor purged."""
        secret = shelf.trashed("A")
        aged(shelf, 29)
        assert shelf.done("GET", "/trash")[0]["daysRemaining"] == 1
        aged(shelf, 2)
        assert shelf.in_trash() == []
        assert shelf.ask("POST", f"/trash/{secret}/restore").status == 404
        assert shelf.ask("DELETE", f"/trash/{secret}").status == 404


class TestRestore:
    """POST …/trash/{secretId}/restore."""

    def test_brings_back_identity_value_and_versions(self, shelf: Shelf) -> None:
        """Into a new row, with lineage."""
        secret = shelf.rewritten("A", "1", "2")
        shelf.done("DELETE", f"/secrets/{secret}")
        data = shelf.done("POST", f"/trash/{secret}/restore")
        assert set(data) == {"id", "key", "environment", "message"}
        assert (data["id"], data["key"], data["environment"]) == (secret, "A", "development")
        assert shelf.desk.values() == {"A": "2"}
        assert shelf.in_trash() == []
        assert [
            version["versionNumber"] for version in shelf.done("GET", f"/secrets/{secret}/versions")["versions"]
        ] == [
            2,
            1,
        ]
        last, back = shelf.rows(secret)[-2:]
        assert back[5] == last[0]
        assert shelf.details("secret_restored") == {"key": "A", "secretId": secret}

    def test_is_refused_while_the_key_exists_again(self, shelf: Shelf) -> None:
        """409; once that one has another name, it works."""
        old = shelf.trashed("A", "old")
        new = shelf.create("A", "new")
        assert shelf.ask("POST", f"/trash/{old}/restore").status == 409
        assert shelf.desk.values() == {"A": "new"}
        shelf.done("PATCH", f"/secrets/{new}", {"name": "B"})
        shelf.done("POST", f"/trash/{old}/restore")
        assert shelf.desk.values() == {"A": "old", "B": "new"}

    def test_by_two_at_once_happens_once(self, shelf: Shelf, second: Desk) -> None:
        """The other one reads 404 or 409."""
        secret = shelf.trashed("A")
        other = Shelf(shelf.desk.with_other(second))
        with ThreadPoolExecutor(2) as pool:
            found = pool.map(lambda one: one.ask("POST", f"/trash/{secret}/restore").status, (shelf, other))
        assert sorted(found) in ([200, 404], [200, 409])
        assert shelf.desk.values() == {"A": "v"}

    def test_against_a_purge_at_once_has_one_outcome(self, shelf: Shelf, second: Desk) -> None:
        """What was forgotten for good is not live, and what came back is whole."""
        other = Shelf(shelf.desk.with_other(second))
        for number in range(3):
            secret = shelf.trashed(f"K{number}")
            with ThreadPoolExecutor(2) as pool:
                purged = pool.submit(other.ask, "DELETE", f"/trash/{secret}")
                restored = pool.submit(shelf.ask, "POST", f"/trash/{secret}/restore")
            statuses = (purged.result().status, restored.result().status)
            assert statuses in {(204, 404), (404, 200)}
            assert (f"K{number}" in shelf.desk.values()) is (statuses[1] == 200)


class TestPurge:
    """DELETE …/trash/{secretId} and DELETE …/trash."""

    def test_forgets_the_secret_and_its_versions(self, shelf: Shelf) -> None:
        """The rows stay without values."""
        secret = shelf.rewritten("A", "1", "2")
        shelf.done("DELETE", f"/secrets/{secret}")
        assert shelf.ask("DELETE", f"/trash/{secret}").status == 204
        assert [row[4] for row in shelf.rows(secret)] == [False, False]
        assert shelf.ask("DELETE", f"/trash/{secret}").status == 404
        assert shelf.ask("POST", f"/trash/{secret}/restore").status == 404
        assert shelf.details("secret_permanently_deleted") == {"key": "A", "secretId": secret}
        assert shelf.desk.values() == {}

    def test_of_everything_counts_and_leaves_what_is_live(self, shelf: Shelf) -> None:
        """One audit row per environment."""
        elsewhere = Shelf(shelf.desk.at(Place(shelf.desk.place.repository, "production")))
        for name in ("A", "B"):
            shelf.trashed(name)
        elsewhere.trashed("P")
        live = shelf.rewritten("LIVE", "1", "2")
        data = shelf.done("DELETE", "/trash")
        assert (set(data), data["deleted"]) == ({"deleted", "message"}, 3)
        assert shelf.in_trash() == []
        assert shelf.details("secret_permanently_deleted") == {"bulk": True, "count": 2, "keys": ["A", "B"]}
        assert elsewhere.details("secret_permanently_deleted")["keys"] == ["P"]
        assert (shelf.value(live), len(shelf.versions(live))) == ("2", 1)

    def test_of_nothing_is_no_row(self, shelf: Shelf) -> None:
        """There is nothing to tell."""
        assert shelf.done("DELETE", "/trash")["deleted"] == 0
        assert shelf.desk.audit("secret_permanently_deleted") == []


class TestRetention:
    """What a job forgets (policy.yaml `limits.history`)."""

    def test_keeps_the_last_ten_versions_however_old(self, shelf: Shelf) -> None:
        """The eleventh goes once it is 90 days old; the live value never."""
        secret = shelf.rewritten("A", *[str(number) for number in range(13)])
        forgotten(shelf)
        assert len(shelf.versions(secret)) == 12
        aged(shelf, 91)
        forgotten(shelf)
        found = shelf.done("GET", f"/secrets/{secret}/versions")["versions"]
        assert [version["versionNumber"] for version in found] == list(range(12, 2, -1))
        assert self.told(shelf, "secret_version_purged") == [("retention", None, {"values": 2})]
        forgotten(shelf)
        assert len(self.told(shelf, "secret_version_purged")) == 1
        assert shelf.desk.values() == {"A": "12"}

    def test_keeps_ninety_days_however_many(self, shelf: Shelf) -> None:
        """Counted from when a value was replaced."""
        secret = shelf.rewritten("A", *[str(number) for number in range(14)])
        aged(shelf, 89)
        aged(shelf, 2, 2)
        forgotten(shelf)
        assert len(shelf.versions(secret)) == 12

    def test_keeps_the_trash_for_thirty_days(self, shelf: Shelf) -> None:
        """Then the secret goes with its versions, and nothing that is live."""
        secret = shelf.rewritten("A", "1", "2")
        shelf.done("DELETE", f"/secrets/{secret}")
        shelf.create("A", "3")
        aged(shelf, 29)
        forgotten(shelf)
        assert [row[4] for row in shelf.rows(secret)] == [True, True]
        aged(shelf, 2)
        forgotten(shelf)
        assert [row[4] for row in shelf.rows(secret)] == [False, False]
        assert shelf.desk.values() == {"A": "3"}
        assert self.told(shelf, "secret_permanently_deleted") == [("retention", None, {"values": 2})]
        [shown] = shelf.done("GET", "/activity?source=retention")
        assert (shown["action"], shown["actor"]["id"]) == ("secret_permanently_deleted", None)

    def told(self, shelf: Shelf, action: str) -> list[tuple[str, Any, Any]]:
        """What the audit says of it, without anybody who did it."""
        return [(row["source"], row["actor_user_id"], row["details"]) for row in shelf.desk.audit(action)]
