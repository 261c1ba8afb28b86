"""Comparison of environments, digests for a scan, preview of an import: names and kinds, never a value."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from keyway_standalone.processes import Stack
from stack import sign_in

from tests.backend.revisions.ground import (
    STRONG,
    ask,
    audit,
    crypto_calls,
    data,
    environment_id,
    fill,
    head,
    override,
    sql,
)
from tests.oracle import canaries, stage
from tests.oracle.stage import Home
from tests.oracle.wire import Answer

PREVIEW = "/environments/development/import/preview"


@pytest.fixture(scope="module")
def pair(stack: Stack) -> Home:
    """Two environments that have some in common; one value of each is looked for in every answer."""
    made = stage.home(stack, "pair", keep=False)
    fill(made, "development", {"SAME": STRONG, "DIFFERS": canaries.new(), "LEFT": "l", "EMPTY": ""})
    fill(made, "staging", {"SAME": STRONG, "DIFFERS": canaries.new(), "RIGHT": "r", "EMPTY": ""})
    fill(made, "production", {"SAME": STRONG, "SECRET_NAME": canaries.new()})
    return made


def compare(home: Home, left: str, right: str, token: str | None = None) -> Answer:
    """A comparison."""
    return ask(home, "GET", f"/compare?left={left}&right={right}", token=token)


def digests(home: Home, environment: str, body: Any = None, token: str | None = None) -> Answer:
    """Digests of an environment."""
    return ask(home, "POST", f"/environments/{environment}/digests", body, token=token)


def preview(home: Home, body: Any, token: str | None = None) -> Answer:
    """A preview of an import into development."""
    return ask(home, "POST", PREVIEW, body, token=token)


class TestCompareRefuses:
    """Both environments must be readable."""

    @pytest.mark.parametrize(("left", "right"), [("development", "production"), ("production", "development")])
    def test_who_reads_only_one_of_them(self, pair: Home, left: str, right: str) -> None:
        """403 whichever side it is, and no name of the other one."""
        answer = compare(pair, left, right, pair.with_role("read"))
        assert answer.status == 403
        assert b"SECRET_NAME" not in answer.body

    def test_who_was_locked_out_of_one_of_them(self, pair: Home) -> None:
        """An override that takes reading away takes comparing away."""
        login = pair.login_with("admin")
        token = sign_in(pair.stack, login)
        override(pair, login, "staging", read=False, write=True)
        assert compare(pair, "development", "staging", token).status == 403

    def test_a_stranger_and_what_is_missing(self, pair: Home) -> None:
        """404."""
        assert compare(pair, "development", "staging", stage.stranger(pair.stack)).status == 404
        assert compare(pair, "development", "nothing").status == 404
        assert compare(pair, "nothing", "development").status == 404

    @pytest.mark.parametrize("query", ["", "?left=development", "?right=development", "?left=&right="])
    def test_a_side_that_is_not_named(self, pair: Home, query: str) -> None:
        """400 for who may ask."""
        assert ask(pair, "GET", f"/compare{query}").status == 400

    def test_a_tampered_side(self, own: Home) -> None:
        """Nothing is said about rows that somebody else wrote."""
        fill(own, "development", {"A": "1", "B": "1"})
        fill(own, "staging", {"A": "1"})
        sql(
            own,
            "UPDATE secret_values SET to_revision = 1 WHERE environment_id = %s AND key = 'B'",
            environment_id(own, "development"),
        )
        assert compare(own, "development", "staging").status == 503


class TestCompare:
    """GET …/compare."""

    def test_names_what_is_where_and_what_differs(self, pair: Home) -> None:
        """No value in it, in no encoding; crypto compared, and opened nothing for us."""
        opened = crypto_calls(pair, "open")
        answer = compare(pair, "development", "staging")
        assert crypto_calls(pair, "open") == opened
        found = data(answer)
        assert (found["onlyInLeft"], found["onlyInRight"]) == (["LEFT"], ["RIGHT"])
        assert (found["different"], found["same"]) == (["DIFFERS"], ["EMPTY", "SAME"])
        assert found["left"] == {"environment": "development", "revision": head(pair, "development")}
        values = [STRONG, *[pair.values(name)["DIFFERS"] for name in ("development", "staging")]]
        assert list(canaries.hits(answer.raw, values)) == []

    def test_is_recorded(self, own: Home) -> None:
        """Both environments, and where they stood."""
        fill(own, "staging", {"A": "1"})
        data(compare(own, "development", "staging"))
        (row,) = audit(own, "environments_compared")
        assert (row["environment"], row["revision"], row["keys"]) == ("development", 0, None)
        assert (row["details"]["right"], row["details"]["rightRevision"]) == ("staging", 1)

    def test_of_the_largest_environments(self, own: Home) -> None:
        """Two of 4 MiB do not fit into one message of crypto's: they are compared all the same."""
        large = {f"K{number:02}": chr(65 + number % 26) * 65_536 for number in range(64)}
        fill(own, "development", large)
        fill(own, "staging", large | {"K63": "other"})
        found = data(compare(own, "development", "staging"))
        assert (found["different"], len(found["same"])) == (["K63"], 63)


class TestDigestsRefuse:
    """Digests are a read."""

    def test_who_may_not_read(self, pair: Home) -> None:
        """A reader of a protected environment 403, a stranger 404; nothing is recorded as a read."""
        assert digests(pair, "production", token=pair.with_role("read")).status == 403
        assert digests(pair, "development", token=stage.stranger(pair.stack)).status == 404
        assert digests(pair, "nothing").status == 404
        assert audit(pair, "secret_digests_issued") == []

    def test_unknown_fields(self, pair: Home) -> None:
        """400."""
        assert digests(pair, "staging", {"keys": ["SAME"]}).status == 400

    def test_an_audit_that_cannot_be_written(self, own: Home) -> None:
        """No digest leaves unrecorded."""
        fill(own, "development", {"A": STRONG})
        with psycopg.connect(own.stack.superuser_database_url) as connection:
            connection.execute("LOCK TABLE audit_events IN SHARE ROW EXCLUSIVE MODE")
            answer = digests(own, "development")
            connection.rollback()
        assert answer.status == 503
        assert b"algorithm" not in answer.body


class TestDigests:
    """POST …/digests."""

    def test_find_the_values_in_a_file(self, own: Home) -> None:
        """With the key of the answer; what could be guessed is left out, named."""
        fill(own, "development", {"TOKEN": STRONG, "SHORT": "hunter2", "FLAG": "true", "SAME": "a" * 50})
        answer = digests(own, "development")
        told = data(answer)
        made = hmac.digest(b64decode(told["key"]), STRONG.encode(), "sha256").hex()
        assert told["digests"] == {"TOKEN": made}
        assert told["omitted"] == ["FLAG", "SAME", "SHORT"]
        assert STRONG.encode() not in answer.raw

    def test_have_a_key_of_their_own_each_time(self, pair: Home) -> None:
        """Two answers have nothing in common."""
        first, second = data(digests(pair, "development")), data(digests(pair, "development"))
        assert first["key"] != second["key"]
        assert not set(first["digests"].values()) & set(second["digests"].values())

    def test_count_as_a_read_of_what_was_told(self, own: Home) -> None:
        """The keys, the revision and the role, as exposure reads them."""
        fill(own, "development", {"TOKEN": STRONG, "SHORT": "x"})
        data(digests(own, "development"))
        (row,) = audit(own, "secret_digests_issued")
        assert (row["keys"], row["revision"], row["details"]["role"]) == (["TOKEN"], 1, "admin")
        seen = sql(own, "SELECT keys FROM reads WHERE vault_id = %s AND action = 'secret_digests_issued'", own.vault_id)
        assert seen == [(["TOKEN"],)]

    def test_are_stored_nowhere(self, own: Home) -> None:
        """Neither the key nor a digest is in the record."""
        fill(own, "development", {"TOKEN": STRONG})
        told = data(digests(own, "development"))
        record = json.dumps(audit(own, "secret_digests_issued"))
        assert told["key"] not in record
        assert told["digests"]["TOKEN"] not in record


class TestPreviewRefuses:
    """A preview is for who could import."""

    def test_who_may_not_write(self, pair: Home) -> None:
        """A reader 403, a stranger 404, a missing environment 404."""
        body = {"secrets": {"A": "1"}}
        assert preview(pair, body, pair.with_role("read")).status == 403
        assert preview(pair, body, stage.stranger(pair.stack)).status == 404
        assert ask(pair, "POST", "/environments/nothing/import/preview", body).status == 404

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "text"),
            ({"text": "A=1", "secrets": {"A": "1"}}, "text"),
            ({"text": 7}, "text"),
            ({"text": "A='open"}, "text"),
            ({"text": "canary-without-equals"}, "text"),
            ({"text": "A=1\nA=2"}, "text"),
            ({"secrets": []}, "secrets"),
            ({"secrets": {"A": 1}}, "secrets.A"),
            ({"secrets": {"PATH": "canary"}}, "secrets.PATH"),
            ({"text": "LD_PRELOAD=canary"}, "secrets.LD_PRELOAD"),
            ({"secrets": {"1A": "canary"}}, "secrets.1A"),
            ({"secrets": {"A": "canary" * 11_000}}, "secrets.A"),
            ({"secrets": {"A": "canary\x00"}}, "secrets.A"),
            ({"secrets": {"A": "1"}, "mode": "merge"}, "mode"),
        ],
    )
    def test_a_body_that_could_not_be_imported(self, pair: Home, body: Any, field: str) -> None:
        """400, naming the field and never a value."""
        answer = preview(pair, body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)
        assert b"canary" not in answer.body

    def test_more_than_an_environment_holds(self, own: Home) -> None:
        """Keys 400, bytes 413, as the push itself would."""
        fill(own, "development", {"A": "1"})
        assert preview(own, {"secrets": {f"K{number}": "x" for number in range(1_000)}}).status == 400
        assert preview(own, {"secrets": {f"K{number}": "x" * 65_536 for number in range(64)}}).status == 413
        assert preview(own, {"secrets": {f"K{number}": "x" * 65_536 for number in range(63)}}).status == 200


class TestPreview:
    """POST …/import/preview."""

    def test_says_what_would_happen_and_does_nothing(self, pair: Home) -> None:
        """From text and from a map alike; no value is repeated."""
        before = pair.state()
        values = {"SAME": STRONG, "LEFT": "changed-" + STRONG, "NEW": "new-" + STRONG, "NODE_OPTIONS": "--x"}
        text = "# exported\n" + "".join(f'export {key}="{value}"\n' for key, value in values.items())
        for body in ({"secrets": values}, {"text": text}):
            answer = preview(pair, body)
            told = data(answer)
            assert (told["created"], told["updated"]) == (["NEW", "NODE_OPTIONS"], ["LEFT"])
            assert (told["unchanged"], told["warnings"]) == (["SAME"], ["NODE_OPTIONS"])
            assert told["revision"] == head(pair, "development")
            assert STRONG.encode() not in answer.raw
        assert pair.state() == before

    def test_agrees_with_the_push(self, own: Home) -> None:
        """What is previewed is what a push then does."""
        fill(own, "development", {"A": "1", "B": "2"})
        values = {"A": "1", "B": "other", "C": "3"}
        told = data(preview(own, {"secrets": values}))
        stats = own.push(values, "development").json()["data"]["stats"]
        counts = {name: len(told[name]) for name in ("created", "updated", "unchanged")}
        assert counts == {name: stats[name] for name in counts}

    def test_tells_a_writer_who_may_not_read_nothing(self, own: Home) -> None:
        """Every key counts as changed: a preview is no way to guess values."""
        fill(own, "development", {"A": "right"})
        login = own.login_with("write")
        token = sign_in(own.stack, login)
        override(own, login, "development", read=False, write=True)
        for guess in ("right", "wrong"):
            answer = preview(own, {"secrets": {"A": guess, "B": "x"}}, token)
            assert data(answer) == {"changed": ["A", "B"], "warnings": []}

    def test_while_others_push(self, own: Home) -> None:
        """It is right about some state, and never fails for it."""
        fill(own, "development", {"A": "0"})
        with ThreadPoolExecutor(4) as pool:
            pushed = pool.map(lambda number: own.push({"A": str(number)}, "development").status, range(6))
            told = [preview(own, {"secrets": {"A": "x"}}) for _ in range(6)]
            assert set(pushed) <= {200, 409}, "a push that others outran says so"
        assert {tuple(data(answer)["updated"]) for answer in told} == {("A",)}
