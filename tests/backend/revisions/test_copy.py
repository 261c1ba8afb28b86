"""Copies of environments and of single secrets: two rights, one revision, no plaintext in the backend."""

from __future__ import annotations

from typing import Any
from uuid import UUID

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

NOBODYS = "01999999-9999-7999-8999-999999999999"


def copy(home: Home, source: str, body: Any, **more: Any) -> Answer:
    """A copy of an environment."""
    return ask(home, "POST", f"/environments/{source}/copy", body, **more)


def copy_secret(home: Home, secret: Any, body: Any, **more: Any) -> Answer:
    """A copy of a secret."""
    return ask(home, "POST", f"/secrets/{secret}/copy", body, **more)


def secret_id(home: Home, environment: str, key: str) -> UUID:
    """The secret behind a key."""
    found: UUID = rows_of(home, environment, key)[-1][1]
    return found


class TestRefuses:
    """Both rights are needed, each on its own environment."""

    def test_without_the_right_to_read_the_source(self, home: Home) -> None:
        """A reader of the vault copies nothing out of production; nor does a person who is locked out there."""
        login = home.login_with("write")
        token = sign_in(home.stack, login)
        override(home, login, "production", read=False, write=True)
        secret = secret_id(home, "production", "P")
        assert copy(home, "production", {"target": "staging"}, token=token).status == 403
        assert copy_secret(home, secret, {"target": "staging"}, token=token).status == 403
        assert home.values("staging") == {}

    def test_without_the_right_to_write_the_target(self, home: Home) -> None:
        """Writers write nothing into production, readers nothing anywhere."""
        secret = secret_id(home, "development", "A")
        for role, target in (("write", "production"), ("read", "staging")):
            token = home.with_role(role)
            assert copy(home, "development", {"target": target}, token=token).status == 403
            assert copy_secret(home, secret, {"target": target}, token=token).status == 403
        assert (home.values("staging"), set(home.values("production"))) == ({}, {"A", "P"})

    def test_a_stranger(self, home: Home) -> None:
        """404, and a secret of this vault is missing in another one."""
        token = stage.stranger(home.stack)
        secret = secret_id(home, "development", "A")
        assert copy(home, "development", {"target": "staging"}, token=token).status == 404
        assert copy_secret(home, secret, {"target": "staging"}, token=token).status == 404

    def test_a_secret_of_another_vault(self, home: Home, own: Home) -> None:
        """Foreign, deleted, malformed and missing ids are one answer."""
        fill(own, "development", {"DELETED": "1"})
        deleted = secret_id(own, "development", "DELETED")
        fill(own, "development", {"X": "1"}, delete=("DELETED",))
        ids = [secret_id(home, "development", "A"), deleted, NOBODYS, "nothing"]
        answers = [copy_secret(own, one, {"target": "staging"}) for one in ids]
        assert {answer.status for answer in answers} == {404}
        names = [str(one) for one in ids]
        assert len({answer.comparable(name) for answer, name in zip(answers, names, strict=True)}) == 1

    def test_a_missing_environment(self, home: Home) -> None:
        """In the path 404, in the body 400."""
        assert copy(home, "nothing", {"target": "staging"}).status == 404
        answer = copy(home, "development", {"target": "nothing"})
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "target")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "target"),
            ({"target": 7}, "target"),
            ({"target": "x" * 51}, "target"),
            ({"target": "development"}, "target"),
            ({"target": "staging", "keys": []}, "keys"),
            ({"target": "staging", "keys": "A"}, "keys"),
            ({"target": "staging", "keys": [1]}, "keys"),
            ({"target": "staging", "keys": ["A", "MISSING"]}, "keys.MISSING"),
            ({"target": "staging", "overwrite": 1}, "overwrite"),
            ({"target": "staging", "message": []}, "message"),
            ({"target": "staging", "force": True}, "force"),
        ],
    )
    def test_a_wrong_body(self, home: Home, body: Any, field: str) -> None:
        """400, naming the field; nothing was written."""
        answer = copy(home, "development", body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)
        assert home.values("staging") == {}

    @pytest.mark.parametrize("key", ["", "1A", "a b", "PATH", "LD_PRELOAD", 7, "A" * 257])
    def test_a_key_that_cannot_be(self, home: Home, key: Any) -> None:
        """The list of refused names holds for copies too."""
        secret = secret_id(home, "development", "A")
        answer = copy_secret(home, secret, {"target": "staging", "key": key})
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "key")

    def test_onto_itself(self, home: Home) -> None:
        """A secret copied to where it is."""
        assert copy_secret(home, secret_id(home, "development", "A"), {"target": "development"}).status == 400

    def test_a_target_that_moved(self, own: Home) -> None:
        """409 with the target's present revision."""
        fill(own, "development", {"A": "1"})
        first = fill(own, "staging", {"X": "1"})
        fill(own, "staging", {"X": "2"})
        stale = (("If-Match", f'"{first}"'),)
        secret = secret_id(own, "development", "A")
        for answer in (
            copy(own, "development", {"target": "staging"}, headers=stale),
            copy_secret(own, secret, {"target": "staging"}, headers=stale),
        ):
            assert (answer.status, answer.json()["currentRevision"]) == (409, head(own, "staging"))

    def test_more_keys_than_an_environment_holds(self, own: Home) -> None:
        """1,000 keys together; one more is refused as a whole."""
        fill(own, "development", {f"A{number}": "x" for number in range(500)})
        fill(own, "staging", {f"B{number}": "x" for number in range(501)})
        assert copy(own, "development", {"target": "staging"}).status == 400
        assert len(own.values("staging")) == 501
        keys = [f"A{number}" for number in range(499)]
        assert copy(own, "development", {"target": "staging", "keys": keys}).status == 200
        assert len(own.values("staging")) == 1_000

    def test_more_plaintext_than_an_environment_holds(self, own: Home) -> None:
        """4 MiB by true sizes, which crypto tells and the backend never sees: to the byte it fits, and not one over."""
        big = {f"BIG{number}": "x" * 65_536 for number in range(63)}
        fill(own, "staging", big)
        fill(own, "development", {"LAST": "y" * 65_536, "OVER": "z"})
        opened = crypto_calls(own, "open")
        assert copy(own, "development", {"target": "staging"}).status == 413
        assert copy(own, "development", {"target": "staging", "keys": ["LAST"]}).status == 200
        assert copy(own, "development", {"target": "staging", "keys": ["OVER"]}).status == 413
        assert crypto_calls(own, "open") == opened
        assert own.values("staging") == big | {"LAST": "y" * 65_536}

    def test_a_tampered_source(self, own: Home) -> None:
        """A row that the manifest of the source does not know is not copied."""
        fill(own, "development", {"A": "1", "B": "1"})
        sql(
            own,
            "UPDATE secret_values SET to_revision = 1 WHERE environment_id = %s AND key = 'B'",
            environment_id(own, "development"),
        )
        assert copy(own, "development", {"target": "staging"}).status == 503
        assert own.values("staging") == {}

    def test_a_tampered_target(self, own: Home) -> None:
        """Nothing is signed on top of it."""
        fill(own, "development", {"A": "1"})
        fill(own, "staging", {"X": "1", "Y": "1"})
        sql(
            own,
            "UPDATE secret_values SET to_revision = 1 WHERE environment_id = %s AND key = 'X'",
            environment_id(own, "staging"),
        )
        assert copy(own, "development", {"target": "staging"}).status == 503


class TestEnvironment:
    """POST …/environments/{name}/copy."""

    def test_leaves_alone_what_is_there(self, own: Home) -> None:
        """Without `overwrite` keys of the target win, and are named."""
        value = canaries.new()
        fill(own, "development", {"A": value, "B": "from here"})
        fill(own, "staging", {"B": "from there", "C": "3"})
        answer = copy(own, "development", {"target": "staging", "message": "for the release"})
        made = data(answer)
        assert value.encode() not in answer.body
        assert (made["keys"]["created"], made["skipped"]) == (["A"], ["B"])
        assert own.values("staging") == {"A": value, "B": "from there", "C": "3"}
        assert data(ask(own, "GET", "/environments/staging/revisions/2"))["message"] == "for the release"

    def test_replaces_what_differs(self, own: Home) -> None:
        """With `overwrite`; equal values are no change, keys of the target alone stay."""
        fill(own, "development", {"A": "1", "SAME": "same", "PEM": "a\nb"})
        fill(own, "staging", {"A": "2", "SAME": "same", "MINE": "3"})
        made = data(copy(own, "development", {"target": "staging", "overwrite": True}))
        assert made["stats"] == {"created": 1, "updated": 1, "deleted": 0, "unchanged": 1}
        assert own.values("staging") == {"A": "1", "SAME": "same", "PEM": "a\nb", "MINE": "3"}
        again = data(copy(own, "development", {"target": "staging", "overwrite": True}))
        assert (again["revision"], again["stats"]["unchanged"]) == (made["revision"], 3)

    def test_copies_a_part(self, own: Home) -> None:
        """The named keys and no others; the source stays as it is."""
        fill(own, "development", {"A": "1", "B": "2", "C": "3"})
        before = head(own, "development")
        data(copy(own, "development", {"target": "staging", "keys": ["A", "C", "A"]}))
        assert own.values("staging") == {"A": "1", "C": "3"}
        assert head(own, "development") == before

    def test_records_itself_and_its_lineage(self, own: Home) -> None:
        """One row in the target, naming keys and source; every value knows where it came from, through copies too."""
        fill(own, "production", {"A": "1"})
        data(copy(own, "production", {"target": "staging"}))
        data(copy(own, "staging", {"target": "development"}))
        first, second = audit(own, "environment_copied")
        assert (first["environment"], first["keys"], first["revision"]) == ("staging", ["A"], 1)
        assert (first["details"]["source"], first["details"]["sourceRevision"]) == ("production", 1)
        assert (second["environment"], second["details"]["source"]) == ("development", "staging")
        (origin,) = rows_of(own, "production", "A")
        copies = [rows_of(own, name, "A")[0] for name in ("staging", "development")]
        assert [row[2] for row in copies] == [origin[0], origin[0]]
        assert len({origin[1], *[row[1] for row in copies]}) == 3, "a copy is a secret of its own"

    def test_sees_no_plaintext(self, own: Home) -> None:
        """Compared by digests, re-sealed, never opened."""
        fill(own, "development", {"A": "1", "B": "1"})
        fill(own, "staging", {"A": "2"})
        before = {name: crypto_calls(own, name) for name in ("open", "seal", "reseal", "digest")}
        data(copy(own, "development", {"target": "staging", "overwrite": True}))
        after = {name: crypto_calls(own, name) - count for name, count in before.items()}
        assert after == {"open": 0, "seal": 0, "reseal": 1, "digest": 1}

    def test_of_an_empty_environment_is_nothing(self, own: Home) -> None:
        """No revision, one record."""
        made = data(copy(own, "development", {"target": "staging"}))
        assert made["revision"]["number"] == 0
        assert len(audit(own, "environment_copied")) == 1

    def test_tells_a_writer_who_may_not_read_nothing(self, own: Home) -> None:
        """Neither what was there nor what is new; every key counts as changed."""
        fill(own, "development", {"A": "1"})
        fill(own, "staging", {"A": "1"})
        login = own.login_with("write")
        token = sign_in(own.stack, login)
        override(own, login, "staging", read=False, write=True)
        told = data(copy(own, "development", {"target": "staging", "overwrite": True}, token=token))
        assert told == {"success": True, "source": "development", "target": "staging"}
        assert head(own, "staging")["number"] == 2


class TestSecret:
    """POST …/secrets/{secretId}/copy."""

    def test_is_201_when_the_key_is_new_and_200_when_it_was_there(self, own: Home) -> None:
        """What was there is replaced; under another key, it is another secret."""
        value = canaries.new()
        fill(own, "production", {"A": value, "B": "2"})
        fill(own, "staging", {"B": "old"})
        first = copy_secret(own, secret_id(own, "production", "A"), {"target": "staging"})
        assert data(first, 201)["keys"]["created"] == ["A"]
        assert value.encode() not in first.body
        second = copy_secret(own, secret_id(own, "production", "B"), {"target": "staging", "message": "as there"})
        assert data(second)["keys"]["updated"] == ["B"]
        assert own.values("staging") == {"A": value, "B": "2"}
        assert [row["keys"] for row in audit(own, "secret_copied")] == [["A"], ["B"]]

    def test_under_another_key(self, own: Home) -> None:
        """Also within one environment."""
        fill(own, "development", {"A": "1"})
        secret = secret_id(own, "development", "A")
        assert data(copy_secret(own, secret, {"target": "development", "key": "B"}), 201)["key"] == "B"
        assert own.values("development") == {"A": "1", "B": "1"}
        assert secret_id(own, "development", "B") != secret

    def test_does_not_tell_a_writer_whether_the_key_was_there(self, own: Home) -> None:
        """One status and one body for new and for replaced."""
        fill(own, "development", {"A": "1", "B": "1"})
        fill(own, "staging", {"A": "2"})
        login = own.login_with("write")
        token = sign_in(own.stack, login)
        override(own, login, "staging", read=False, write=True)
        secrets = [secret_id(own, "development", key) for key in ("A", "B")]
        answers = [copy_secret(own, secret, {"target": "staging"}, token=token) for secret in secrets]
        bodies = [data(answer) for answer in answers]
        assert [set(body) for body in bodies] == [{"success", "key", "source", "target"}] * 2
        assert own.values("staging") == {"A": "1", "B": "1"}
