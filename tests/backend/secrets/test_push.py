"""What a push does: one revision, identities and values of design.md 6, one audit row."""

from __future__ import annotations

import secrets

from tests.backend.secrets.desk import HARD, Desk, calls, forget_statements, statements, stats

WRITES = "secret_values|INTO secrets|INTO revisions|FOR NO KEY UPDATE|UPDATE environments SET"


class TestRevision:
    """Changes of an environment."""

    def test_each_change_is_one(self, desk: Desk) -> None:
        """Numbers count up by one, and the counts say what happened."""
        assert stats(desk.push({"A": "1", "B": "2"})) == (2, 0, 0, 0)
        assert stats(desk.push({"A": "1", "B": "3", "C": "4"}, delete=["NOT_THERE"])) == (1, 1, 0, 1)
        assert stats(desk.push({}, delete=["A"])) == (0, 0, 1, 0)
        assert desk.values() == {"B": "3", "C": "4"}
        assert desk.head() == 3

    def test_nothing_changed_is_none_and_one_audit_row(self, desk: Desk) -> None:
        """The same values again make no revision; the push is still on record."""
        before = desk.set(HARD)
        answer = desk.push(HARD)
        assert (stats(answer), answer.revision) == ((0, 0, 0, len(HARD)), before)
        assert desk.head() == 1
        assert [row["details"]["unchanged"] for row in desk.audit("secrets_pushed")] == [0, len(HARD)]

    def test_tells_author_credential_source_and_message(self, desk: Desk) -> None:
        """A revision is like a commit."""
        desk.set({"A": "1"}, message="rotated after the leak")
        row = desk.scene.sql(
            "SELECT r.message, r.source, r.created, u.login, r.credential_id = (SELECT credential_id FROM audit_events"
            " WHERE environment_id = r.environment_id AND action = 'secrets_pushed')"
            " FROM revisions r JOIN users u ON u.id = r.author_user_id WHERE r.environment_id = %s",
            desk.environment_id,
        )
        assert row == [("rotated after the leak", "cli", 1, desk.scene.owner, True)]

    def test_records_the_keys_and_no_value(self, desk: Desk) -> None:
        """The audit row names what changed."""
        desk.set({"A": "1", "B": "2"})
        desk.set({"A": "9", "C": "3"}, delete=["B"])
        row = desk.audit("secrets_pushed")[-1]
        assert (sorted(row["keys"]), row["revision"]) == (["A", "B", "C"], 2)
        assert row["details"] == {"created": 1, "updated": 1, "deleted": 1, "unchanged": 0}


class TestReplace:
    """Mode replace."""

    def test_makes_the_environment_hold_exactly_this(self, desk: Desk) -> None:
        """What is not sent leaves."""
        base = desk.set({"A": "1", "B": "2"})
        answer = desk.push({"B": "2", "C": "3"}, {"If-Match": f'"{base}"'}, mode="replace")
        assert stats(answer) == (1, 0, 1, 1)
        assert desk.values() == {"B": "2", "C": "3"}

    def test_takes_the_etag_of_a_pull(self, desk: Desk) -> None:
        """A client may send back the tag that it got."""
        base = desk.set({"A": "1"})
        assert stats(desk.push({}, {"If-Match": f'"{base}.json"'}, mode="replace")) == (0, 0, 1, 0)
        assert desk.get().status == 404


class TestIdentity:
    """Which rows belong to one secret."""

    def test_a_new_value_keeps_it_and_closes_the_old_row(self, desk: Desk) -> None:
        """State at r is the rows with from <= r < to."""
        desk.set({"A": "1"})
        desk.set({"A": "2"})
        old, new = desk.value_rows("A")
        assert (old["from"], old["to"], new["from"], new["to"]) == (1, 2, 2, None)
        assert old["secret"] == new["secret"]
        assert old["id"] != new["id"]

    def test_a_key_made_again_after_deletion_is_another_one(self, desk: Desk) -> None:
        """Who saw the first has not seen the second."""
        desk.set({"A": "1"})
        desk.set({}, delete=["A"])
        desk.set({"A": "1"})
        old, new = desk.value_rows("A")
        assert (old["to"], new["from"]) == (2, 3)
        assert old["secret"] != new["secret"]


class TestIdempotencyKey:
    """The same push twice."""

    def test_happens_once_and_answers_the_same(self, desk: Desk) -> None:
        """A client that did not hear the answer may ask again."""
        once = {"Idempotency-Key": secrets.token_hex(16)}
        answer = desk.push({"A": "1"}, once)
        desk.set({"A": "2"})
        again = desk.push({"A": "1"}, once)
        assert again.data == answer.data
        assert desk.values() == {"A": "2"}
        assert desk.head() == 2

    def test_is_refused_for_another_body(self, desk: Desk) -> None:
        """A key stands for one push; a second one is not silently dropped."""
        once = {"Idempotency-Key": secrets.token_hex(16)}
        desk.push({"A": "1"}, once)
        assert desk.push({"A": "2"}, once).status == 409
        assert desk.push({"A": "1"}, once, environment="staging").status == 409
        assert desk.values() == {"A": "1"}

    def test_belongs_to_its_credential(self, desk: Desk, second: Desk) -> None:
        """Another credential with the same key makes its own push."""
        once = {"Idempotency-Key": secrets.token_hex(16)}
        desk.push({"A": "1"}, once)
        assert stats(desk.with_other(second).push({"A": "2"}, once)) == (0, 1, 0, 0)

    def test_is_forgotten_after_a_day(self, desk: Desk) -> None:
        """24 hours later the key is free again."""
        once = {"Idempotency-Key": secrets.token_hex(16)}
        desk.push({"A": "1"}, once)
        key = once["Idempotency-Key"]
        desk.scene.sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = %s", key)
        assert stats(desk.push({"A": "2"}, once)) == (0, 1, 0, 0)

    def test_tells_the_database_nothing(self, desk: Desk) -> None:
        """The fingerprint is keyed: whoever reads the table cannot try values against it."""
        once = {"Idempotency-Key": secrets.token_hex(16)}
        desk.push({"A": "1"}, once)
        desk.push({"A": "1"}, {"Idempotency-Key": once["Idempotency-Key"] + "b"})
        rows = desk.scene.sql(
            "SELECT length(fingerprint), result::text FROM idempotency_keys WHERE key LIKE %s",
            once["Idempotency-Key"] + "%",
        )
        assert [row[0] for row in rows] == [32, 32]
        assert all('"A"' not in row[1] for row in rows)


class TestCost:
    """Statements and calls, as Postgres and crypto count them."""

    def test_statements_and_calls_are_the_same_for_one_secret_and_a_thousand(self, desk: Desk) -> None:
        """A push is a constant number of statements and one RPC."""
        desk.push({"WARM": "1"}, environment="staging")
        desk.push({"WARM": "2"}, environment="staging")
        counts = []
        for count in (1, 1000):
            base = desk.get().revision
            headers = {"If-Match": f'"{base}"'} if base else {}
            mode = "replace" if base else "merge"
            forget_statements(desk)
            sealed = calls(desk, "seal")
            assert desk.push({f"N{count}_{i}": "v" for i in range(count)}, headers, mode=mode).status == 200
            counts.append((statements(desk, WRITES), calls(desk, "seal") - sealed))
        assert counts[1][1] == counts[0][1] == 1
        # The second push closes what the first one made: one statement more, for any number of rows.
        assert counts[1][0] - counts[0][0] == 1
