"""What a change tells, and that none is made and no value leaves without its record."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from keyway_backend.access.actor import Scope
from keyway_standalone.processes import Stack
from oracle import keys, stage
from oracle.stage import Home
from oracle.wire import Answer, Call, bearer, send

from tests.backend.secrets.desk import text_of
from tests.backend.secrets.shelf import Shelf

COUNTED = {"created", "updated", "deleted"}
CANARY = "canary-of-a-value-that-nobody-may-see"


@contextmanager
def unrecordable(shelf: Shelf, key: str) -> Iterator[None]:
    """Nothing about this key gets into the audit log."""
    name = f"refuse_{secrets.token_hex(4)}"
    shelf.desk.scene.sql(
        f"ALTER TABLE audit_events ADD CONSTRAINT {name} CHECK (NOT ('{key}' = ANY(coalesce(keys, '{{}}')))) NOT VALID"
    )
    try:
        yield
    finally:
        shelf.desk.scene.sql(f"ALTER TABLE audit_events DROP CONSTRAINT {name}")


class TestRecord:
    """The row comes first."""

    def test_no_value_leaves_and_nothing_changes_that_cannot_be_recorded(self, shelf: Shelf) -> None:
        """503, and everything is as it was."""
        key = f"K{secrets.token_hex(6)}"
        secret = shelf.rewritten(key, f"{CANARY}1", f"{CANARY}2")
        version = shelf.versions(secret)[0]
        before = shelf.desk.values(), shelf.rows(secret), shelf.desk.head()
        with unrecordable(shelf, key):
            for method, path, body in (
                ("GET", f"/secrets/{secret}/value", None),
                ("GET", f"/secrets/{secret}/versions/{version}/value", None),
                ("POST", "/secrets", {"key": key, "value": "3", "environment": "development"}),
                ("PATCH", f"/secrets/{secret}", {"value": "3"}),
                ("PATCH", f"/secrets/{secret}", {"name": "RENAMED"}),
                ("POST", f"/secrets/{secret}/versions/{version}/restore", None),
                ("DELETE", f"/secrets/{secret}/versions/{version}", None),
                ("DELETE", f"/secrets/{secret}", None),
            ):
                answer = shelf.ask(method, path, body)
                assert answer.status == 503, (method, path, answer)
                assert CANARY not in text_of(answer)
            assert (shelf.desk.values(), shelf.rows(secret), shelf.desk.head()) == before

    def test_the_trash_stays_as_it_is_too(self, shelf: Shelf) -> None:
        """Neither restored nor forgotten."""
        key = f"K{secrets.token_hex(6)}"
        secret = shelf.trashed(key)
        before = shelf.rows(secret)
        with unrecordable(shelf, key):
            asked = (("POST", f"/trash/{secret}/restore"), ("DELETE", f"/trash/{secret}"), ("DELETE", "/trash"))
            assert [shelf.ask(*call).status for call in asked] == [503, 503, 503]
        assert shelf.rows(secret) == before
        assert shelf.in_trash() == [key]


class WriteOnly:
    """Somebody who may write to the environments of a vault and not read them."""

    def __init__(self, stack: Stack) -> None:
        self.home: Home = stage.home(stack, "blind", keep=False)
        org = self.home.full_name.partition("/")[0]
        assert self.home.post("/v1/orgs/connect", {"orgLogin": org}).status == 200
        blind = {"standard": {"read": False, "write": True}}
        answer = self._send("PUT", f"/v1/orgs/{org}", self.home.token, {"defaultPermissions": {"write": blind}})
        assert answer.status == 200, answer.body
        self.token = self.home.with_role("write")

    def ask(self, method: str, path: str, body: object = None, token: str = "") -> Answer:
        """Below the vault's path."""
        return self._send(method, f"/v1/vaults/{self.home.full_name}{path}", token or self.token, body)

    def create(self, key: str, value: str) -> Answer:
        """A secret in staging."""
        return self.ask("POST", "/secrets", {"key": key, "value": value, "environment": "staging"})

    def _send(self, method: str, path: str, token: str, body: object) -> Answer:
        return send(self.home.base, Call(method, path, (bearer(token),), body))


@pytest.fixture(scope="module")
def blind(stack: Stack) -> WriteOnly:
    """An organisation whose defaults let its writers write blindly."""
    return WriteOnly(stack)


class TestWhoMayNotRead:
    """Learns nothing from a write (policy.yaml `comparison_needs_read`, `secret_names`)."""

    def test_not_whether_a_name_was_taken_nor_whether_a_value_was_the_same(self, blind: WriteOnly) -> None:
        """Each create answers alike, and each counts as a change."""
        answers = [blind.create("A", value) for value in ("1", "1", "2")]
        assert [(answer.status, answer.json()["data"]["status"]) for answer in answers] == [(200, "updated")] * 3
        assert len({answer.json()["data"]["id"] for answer in answers}) == 1
        secret = answers[0].json()["data"]["id"]
        versions = blind.home.get(f"/v1/vaults/{blind.home.full_name}/secrets/{secret}/versions")
        assert len(versions.json()["data"]["versions"]) == 2

    def test_no_name_that_was_not_in_the_request(self, blind: WriteOnly) -> None:
        """Its id is known to it; its name is not told."""
        secret = blind.create("HIDDEN", CANARY).json()["data"]["id"]
        changed = blind.ask("PATCH", f"/secrets/{secret}", {"value": "2"})
        renamed = blind.ask("PATCH", f"/secrets/{secret}", {"name": "GIVEN"})
        removed = blind.ask("DELETE", f"/secrets/{secret}")
        restored = blind.ask("POST", f"/trash/{secret}/restore")
        found = [answer.json()["data"]["key"] for answer in (changed, renamed, removed, restored)]
        assert found == [None, "GIVEN", None, None]
        assert blind.home.values("staging")["GIVEN"] == "2"

    def test_neither_with_a_key_that_may_write_and_not_read(self, stack: Stack, blind: WriteOnly) -> None:
        """The right of its owner is no scope of the key: a push and a create answer alike, whatever was there."""
        token = keys.give(stack, blind.home.token, {Scope.WRITE}).token
        told = []
        for value in ("1", "1", "2"):
            body = {"key": "GUESSED", "value": value, "environment": "staging"}
            told.append(blind.ask("POST", "/secrets", body, token).json()["data"]["status"])
            pushed = stage.push(stack, token, blind.home.full_name, "staging", {"PUSHED": value}).json()["data"]
            assert (pushed.keys(), pushed["stats"].keys()) == ({"success", "message", "stats"}, COUNTED)
            told.append(pushed["stats"])
        assert told == ["updated", {"created": 0, "updated": 1, "deleted": 0}] * 3

    def test_no_value_and_no_list(self, blind: WriteOnly) -> None:
        """What it wrote itself neither."""
        secret = blind.create("WRITTEN", CANARY).json()["data"]["id"]
        for path in (f"/secrets/{secret}/value", f"/secrets/{secret}/versions"):
            assert blind.ask("GET", path).status == 403
        assert blind.ask("GET", "/secrets").json()["data"] == []
        assert blind.ask("DELETE", f"/secrets/{secret}").status == 200
        assert blind.ask("GET", "/trash").json()["data"] == []
