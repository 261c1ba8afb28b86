"""API keys at routes that touch two objects, and what a key without `read:secrets` is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backend.accounts.test_sign_out import workflow_token
from tests.backend.revisions.ground import ask, data, fill, rows_of, sql
from tests.oracle.stage import Home

READ, WRITE = "read:secrets", "write:secrets"
ROLLBACK = "/environments/development/revisions/1/rollback"


def key(home: Home, *scopes: str) -> str:
    """An API key of the administrator's."""
    body = {"name": "revisions", "environment": "test", "scopes": list(scopes)}
    return str(data(home.post("/v1/api-keys", body))["token"])


@pytest.fixture
def filled(own: Home) -> Home:
    """Two revisions of development."""
    fill(own, "development", {"KNOWN": "1"})
    fill(own, "development", {"KNOWN": "2"})
    return own


class TestRefuses:
    """Scopes do not contain one another."""

    def test_a_key_that_writes_copies_nothing(self, filled: Home) -> None:
        """The source is read: that needs its own scope, whatever the target is, and whether it is there."""
        secret = rows_of(filled, "development", "KNOWN")[-1][1]
        for token in (key(filled, WRITE), key(filled, READ)):
            for tail in ("/environments/development/copy", "/environments/nothing/copy", f"/secrets/{secret}/copy"):
                assert ask(filled, "POST", tail, {"target": "staging"}, token=token).status == 403
        assert filled.values("staging") == {}

    @pytest.mark.parametrize(
        ("method", "tail", "body"),
        [
            ("GET", "/environments/development/revision", None),
            ("GET", "/environments/development/revisions", None),
            ("GET", "/environments/development/revisions/1", None),
            ("GET", "/environments/development/revisions/1/diff", None),
            ("GET", "/compare?left=development&right=staging", None),
            ("POST", "/environments/development/digests", {}),
        ],
    )
    def test_a_key_that_writes_reads_no_history(self, filled: Home, method: str, tail: str, body: Any) -> None:
        """Neither names nor numbers."""
        answer = ask(filled, method, tail, body, token=key(filled, WRITE))
        assert answer.status == 403
        assert b"KNOWN" not in answer.body

    def test_a_key_that_reads_changes_nothing(self, filled: Home) -> None:
        """Rollback and preview are for writers."""
        token = key(filled, READ)
        assert ask(filled, "POST", ROLLBACK, {}, token=token).status == 403
        preview = "/environments/development/import/preview"
        assert ask(filled, "POST", preview, {"secrets": {"A": "1"}}, token=token).status == 403

    @pytest.mark.parametrize(
        ("method", "tail", "body"),
        [
            ("DELETE", "", None),
            ("DELETE", "/environments/staging", None),
            ("PATCH", "/environments/staging/type", {"type": "development"}),
        ],
    )
    def test_no_key_that_reads_and_writes_deletes_or_types(self, own: Home, method: str, tail: str, body: Any) -> None:
        """Deleting has a scope of its own; who may do what is changed by people alone."""
        assert ask(own, method, tail, body, token=key(own, READ, WRITE)).status == 403

    def test_no_key_at_all_changes_a_type(self, own: Home) -> None:
        """The route takes sessions only."""
        token = key(own, READ, WRITE, "delete:secrets", "admin:api-keys")
        assert ask(own, "PATCH", "/environments/staging/type", {"type": "development"}, token=token).status == 403


class TestAdmits:
    """Keys with what it takes."""

    def test_a_key_that_reads_and_writes(self, filled: Home) -> None:
        """Copies and rolls back; the revision says that a key did it."""
        token = key(filled, READ, WRITE)
        data(ask(filled, "POST", "/environments/development/copy", {"target": "staging"}, token=token))
        data(ask(filled, "POST", ROLLBACK, {}, token=token))
        assert (filled.values("staging"), filled.values("development")) == ({"KNOWN": "2"}, {"KNOWN": "1"})
        kinds = [one["credentialKind"] for one in data(ask(filled, "GET", "/environments/development/revisions"))]
        assert kinds == ["api_key", "session", "session"]

    def test_a_key_that_only_writes_is_told_nothing(self, filled: Home) -> None:
        """It rolls back and previews, and learns neither what changed nor what was there."""
        token = key(filled, WRITE)
        assert set(data(ask(filled, "POST", ROLLBACK, {}, token=token))) == {"success", "rolledBackTo"}
        preview = "/environments/development/import/preview"
        for guess in ("1", "2"):
            told = data(ask(filled, "POST", preview, {"secrets": {"KNOWN": guess}}, token=token))
            assert told == {"changed": ["KNOWN"], "warnings": []}


class TestWorkflows:
    """Tokens of workflows: where their environment stands, and nothing else of it."""

    def test_poll_their_own_environment(self, filled: Home) -> None:
        """GET and HEAD of the revision, for `run --watch` in CI; not of another environment."""
        token = workflow_token(filled)
        now = ask(filled, "GET", "/environments/development/revision", token=token)
        assert data(now)["revision"]["number"] == 2
        known = (("If-None-Match", now.header("etag")),)
        assert ask(filled, "HEAD", "/environments/development/revision", token=token, headers=known).status == 304
        assert ask(filled, "GET", "/environments/staging/revision", token=token).status == 403

    @pytest.mark.parametrize(
        ("method", "tail"),
        [
            ("GET", ""),
            ("GET", "/environments"),
            ("GET", "/environments/development/revisions"),
            ("GET", "/environments/development/revisions/1"),
            ("GET", "/environments/development/revisions/1/diff"),
            ("POST", "/environments/development/revisions/1/rollback"),
            ("POST", "/environments/development/copy"),
            ("GET", "/compare?left=development&right=staging"),
            ("POST", "/environments/development/digests"),
            ("POST", "/environments/development/import/preview"),
            ("DELETE", "/environments/development"),
            ("DELETE", ""),
        ],
    )
    def test_do_nothing_else(self, own: Home, method: str, tail: str) -> None:
        """403, whatever the environment."""
        assert ask(own, method, tail, token=workflow_token(own)).status == 403


class TestCost:
    """Statements do not grow with secrets."""

    def test_one_key_costs_what_a_hundred_cost(self, own: Home) -> None:
        """Rollback, copy, comparison, digests, difference and preview: as many statements for each."""
        counts = []
        for number, size in enumerate((1, 1, 100, 100)):  # what a first time creates, a second one replaces
            fill(own, "development", {f"K{at}": f"{number}" for at in range(size)})
            sql(own, "SELECT statistics.pg_stat_statements_reset()")
            played(own, size)
            counts.append(sql(own, _STATEMENTS)[0][0])
        assert counts[1] == counts[3]


_STATEMENTS = """
    SELECT coalesce(sum(calls), 0) FROM statistics.pg_stat_statements
    WHERE query ~* 'secret_values|INTO secrets|revisions|environments' AND query !~* 'pg_stat|now\\(\\) AS asked_at'
"""


def played(home: Home, size: int) -> None:
    """One of each."""
    number = data(ask(home, "GET", "/environments/development/revision"))["revision"]["number"]
    data(ask(home, "GET", f"/environments/development/revisions/{number}/diff"))
    data(ask(home, "POST", "/environments/development/copy", {"target": "staging", "overwrite": True}))
    data(ask(home, "GET", "/compare?left=development&right=staging"))
    data(ask(home, "POST", "/environments/development/digests", {}))
    values = {f"K{at}": "other" for at in range(size)}
    data(ask(home, "POST", "/environments/development/import/preview", {"secrets": values}))
    fill(home, "development", values)
    data(ask(home, "POST", f"/environments/development/revisions/{number}/rollback", {}))
