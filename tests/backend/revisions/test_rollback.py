"""POST …/revisions/{revision}/rollback: an earlier state again, as a new revision."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from stack import sign_in

from tests.backend.revisions.ground import (
    ask,
    audit,
    crypto_calls,
    data,
    environment_id,
    fill,
    head,
    override,
    rows_of,
    sql,
)
from tests.oracle import canaries, stage
from tests.oracle.stage import Home
from tests.oracle.wire import Answer

DEVELOPMENT = "/environments/development"


def roll_back(home: Home, to: int | str, body: Any = None, **more: Any) -> Answer:
    """A rollback of development."""
    return ask(home, "POST", f"{DEVELOPMENT}/revisions/{to}/rollback", {} if body is None else body, **more)


def purge(home: Home, key: str) -> None:
    """Forgets the ciphertext of a key's rows that have ended, as retention does."""
    sql(
        home,
        "UPDATE secret_values SET sealed = NULL, purged_at = now()"
        " WHERE environment_id = %s AND key = %s AND to_revision IS NOT NULL",
        environment_id(home, "development"),
        key,
    )


class TestRefuses:
    """Nothing is changed."""

    def test_who_may_not_write(self, home: Home) -> None:
        """A reader 403, a stranger 404; a writer is no writer of a protected environment."""
        before = home.state()
        assert roll_back(home, 1, token=home.with_role("read")).status == 403
        assert roll_back(home, 1, token=stage.stranger(home.stack)).status == 404
        protected = "/environments/production/revisions/1/rollback"
        assert ask(home, "POST", protected, {}, token=home.with_role("write")).status == 403
        assert home.state() == before

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"skipPurged": "yes"}, "skipPurged"),
            ({"skipPurged": None}, "skipPurged"),
            ({"message": 7}, "message"),
            ({"message": "x" * 501}, "message"),
            ({"message": "a\x00b"}, "message"),
            ({"skip": True}, "skip"),
        ],
    )
    def test_a_wrong_body(self, home: Home, body: Any, field: str) -> None:
        """400, naming the field, unknown ones too."""
        answer = roll_back(home, 1, body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)

    def test_a_head_that_moved(self, own: Home) -> None:
        """409 with the present revision for who insists on another one; a malformed precondition is 400."""
        first = fill(own, "development", {"A": "1"})
        fill(own, "development", {"A": "2"})
        answer = roll_back(own, 1, headers=(("If-Match", f'"{first}"'),))
        assert (answer.status, answer.json()["currentRevision"]) == (409, head(own, "development"))
        assert roll_back(own, 1, headers=(("If-Match", "2"),)).status == 400
        assert own.values("development") == {"A": "2"}

    def test_values_that_were_purged(self, own: Home) -> None:
        """409 names them; told to skip them, everything else comes back and they stay as they are."""
        fill(own, "development", {"A": "1", "B": "1", "GONE": "1"})
        fill(own, "development", {"A": "2", "B": "2"}, delete=("GONE",))
        purge(own, "A")
        purge(own, "GONE")
        answer = roll_back(own, 1)
        assert (answer.status, answer.json()["purgedKeys"]) == (409, ["A", "GONE"])
        assert own.values("development") == {"A": "2", "B": "2"}
        skipped = data(roll_back(own, 1, {"skipPurged": True}))
        assert skipped["skipped"] == ["A", "GONE"]
        assert own.values("development") == {"A": "2", "B": "1"}

    def test_a_past_row_that_was_exchanged(self, own: Home) -> None:
        """Ciphertext of another row does not open there: an alarm, and nothing is written."""
        fill(own, "development", {"A": "1", "B": "other"})
        fill(own, "development", {"A": "2", "B": "2"})
        sql(
            own,
            "UPDATE secret_values v SET sealed = o.sealed FROM secret_values o WHERE v.environment_id = %s"
            " AND o.environment_id = v.environment_id AND v.key = 'A' AND o.key = 'B'"
            " AND v.from_revision = 1 AND o.from_revision = 1",
            environment_id(own, "development"),
        )
        answer = roll_back(own, 1)
        assert (answer.status, answer.json()["type"].rpartition("/")[2]) == (503, "integrity-error")
        assert (own.values("development"), head(own, "development")["number"]) == ({"A": "2", "B": "2"}, 2)

    def test_a_tampered_head(self, own: Home) -> None:
        """What somebody did to the rows of now is not covered up by a rollback."""
        fill(own, "development", {"A": "1", "B": "1"})
        fill(own, "development", {"A": "2"})
        sql(
            own,
            "UPDATE secret_values SET to_revision = 2 WHERE environment_id = %s AND key = 'B'",
            environment_id(own, "development"),
        )
        assert roll_back(own, 1).status == 503
        assert sql(own, "SELECT count(*) FROM revisions WHERE environment_id = %s",
                   environment_id(own, "development")) == [(2,)]  # fmt: skip


class TestDoes:
    """What comes back."""

    def test_exactly_what_was_held(self, own: Home) -> None:
        """Every state of a history, in any order: values byte for byte, keys that came later leave."""
        canary = canaries.new()
        states = [
            {"A": "1", "PEM": "-----BEGIN-----\nx\n-----END-----\n", "EMPTY": ""},
            {"A": canary, "NEW": "é🔑"},
            {"A": "3", "PEM": "back", "OTHER": "z" * 5_000},
        ]
        present: dict[str, str] = {}
        for state in states:
            fill(own, "development", state, delete=tuple(present.keys() - state.keys()))
            present = state
        for number in (1, 2, 3, 1):
            answer = roll_back(own, number)
            assert data(answer)["rolledBackTo"]["number"] == number
            assert canary.encode() not in answer.body
            assert own.values("development") == states[number - 1]

    def test_is_one_revision_with_one_record(self, own: Home) -> None:
        """Counts, names, author and message; the manifest holds, as the next pull and push show."""
        fill(own, "development", {"A": "1", "B": "1"})
        fill(own, "development", {"A": "2", "C": "1"}, delete=("B",))
        made = data(roll_back(own, 1, {"message": "the release was bad"}))
        assert made["stats"] == {"created": 1, "updated": 1, "deleted": 1, "unchanged": 0}
        assert made["keys"] == {"created": ["B"], "updated": ["A"], "deleted": ["C"]}
        shown = data(ask(own, "GET", f"{DEVELOPMENT}/revisions/3"))
        assert (shown["id"], shown["message"]) == (made["revision"]["id"], "the release was bad")
        assert shown["author"]["username"] == own.admin
        (row,) = audit(own, "environment_rolled_back")
        assert (row["revision"], row["keys"], row["details"]["to"]) == (3, ["B", "A", "C"], 1)
        assert own.push({"D": "1"}, "development").status == 200

    def test_makes_new_rows_with_their_lineage(self, own: Home) -> None:
        """No row is reopened; the secret comes back as what it was; the value's origin is the row of then."""
        fill(own, "development", {"A": "1", "B": "1"})
        fill(own, "development", {"A": "2"}, delete=("B",))
        data(roll_back(own, 1))
        for key in ("A", "B"):
            rows = rows_of(own, "development", key)
            assert [row[4] is None for row in rows] == [False] * (len(rows) - 1) + [True]
            assert rows[-1][2] == rows[0][0]
            assert len({row[1] for row in rows}) == 1

    def test_takes_a_rename_back(self, own: Home) -> None:
        """The secret is again what it was called then, and is there once."""
        fill(own, "development", {"OLD": "1"})
        secret = rows_of(own, "development", "OLD")[0][1]
        data(ask(own, "PATCH", f"/secrets/{secret}", {"name": "NEW"}))
        shown = data(ask(own, "GET", f"{DEVELOPMENT}/revisions/2"))["keys"]
        assert (shown["created"], shown["deleted"]) == (["NEW"], ["OLD"])
        data(roll_back(own, 1))
        assert own.values("development") == {"OLD": "1"}
        assert rows_of(own, "development", "OLD")[-1][1] == secret

    def test_takes_a_secret_out_of_the_trash(self, own: Home) -> None:
        """What is live again is in no trash; what left with the rollback is."""
        fill(own, "development", {"A": "1"})
        fill(own, "development", {"B": "1"}, delete=("A",))
        assert [one["key"] for one in data(ask(own, "GET", "/trash"))] == ["A"]
        data(roll_back(own, 1))
        assert [one["key"] for one in data(ask(own, "GET", "/trash"))] == ["B"]

    def test_gives_two_keys_two_secrets(self, own: Home) -> None:
        """A secret that was renamed, and a new one under its old name: back and forth, each secret is live once."""
        fill(own, "development", {"A": "1"})
        secret = rows_of(own, "development", "A")[0][1]
        data(ask(own, "PATCH", f"/secrets/{secret}", {"name": "B"}))
        fill(own, "development", {"A": "2"})
        for number in (1, 2, 3):
            data(roll_back(own, number))
            live = sql(
                own,
                "SELECT key, secret_id FROM secret_values WHERE environment_id = %s AND to_revision IS NULL",
                environment_id(own, "development"),
            )
            assert len({one for _, one in live}) == len(live)
        assert own.values("development") == {"A": "2", "B": "1"}

    def test_sees_no_plaintext(self, own: Home) -> None:
        """The backend asks crypto to re-seal, and to open nothing."""
        fill(own, "development", {"A": "1"})
        fill(own, "development", {"A": "2"})
        before = {name: crypto_calls(own, name) for name in ("open", "reseal", "seal")}
        data(roll_back(own, 1))
        after = {name: crypto_calls(own, name) - count for name, count in before.items()}
        assert after == {"open": 0, "reseal": 1, "seal": 0}

    def test_nothing_to_do_is_no_revision(self, own: Home) -> None:
        """Back to where it is: one record and nothing else."""
        fill(own, "development", {"A": "1"})
        made = data(roll_back(own, 1))
        assert (made["revision"]["number"], made["stats"]["unchanged"]) == (1, 1)
        assert [row["revision"] for row in audit(own, "environment_rolled_back")] == [1]

    def test_with_the_right_precondition(self, own: Home) -> None:
        """The present revision in If-Match."""
        fill(own, "development", {"A": "1"})
        now = fill(own, "development", {"A": "2"})
        assert data(roll_back(own, 1, headers=(("If-Match", f'"{now}"'),)))["revision"]["number"] == 3

    def test_loses_nobodys_push(self, own: Home) -> None:
        """Rollbacks and pushes at once: each is a revision, and each state is one that somebody made."""
        fill(own, "development", {"A": "1"})
        fill(own, "development", {"A": "2"})

        def act(number: int) -> int:
            if number % 2:
                return roll_back(own, 1).status
            return own.push({f"K{number}": "1"}, "development").status

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(act, range(8)))
        assert set(answers) <= {200, 409}
        assert set(own.values("development")) <= {"A", "K0", "K2", "K4", "K6"}
        assert head(own, "development")["number"] <= 2 + answers.count(200)


class TestWithoutReading:
    """Somebody who may write to an environment and not read it."""

    def test_is_told_nothing(self, own: Home) -> None:
        """Neither counts, nor names, nor the revision, nor which values were purged."""
        fill(own, "development", {"KNOWN": "1"})
        fill(own, "development", {"KNOWN": "2"})
        login = own.login_with("write")
        token = sign_in(own.stack, login)
        override(own, login, "development", read=False, write=True)
        told = data(roll_back(own, 1, token=token))
        assert set(told) == {"success", "rolledBackTo"}
        purge(own, "KNOWN")
        refused = roll_back(own, 2, token=token)
        assert refused.status == 409
        assert "purgedKeys" not in refused.json()
        assert b"KNOWN" not in refused.body + json.dumps(told).encode()
