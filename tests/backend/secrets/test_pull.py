"""What leaves, in which form, and what is on record before it does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.backend.secrets.desk import HARD, PUBLIC_CLI, Desk, calls, faults, forget_statements, statements, text_of
from tests.invariants.api import SECRETS_JSON, Client


class TestRefuses:
    """Reads without an answer."""

    @pytest.mark.parametrize("accept", [SECRETS_JSON, "*/*"])
    def test_an_empty_environment_and_a_missing_one_alike(self, desk: Desk, accept: str) -> None:
        """404 means "no secrets there" and nothing else; the public clients take it for an empty environment."""
        for name in ("development", "no-such-environment"):
            answer = desk.get(headers={"Accept": accept}, environment=name)
            assert answer.status == 404
            assert answer.body["detail"] == f"No secrets found for environment: {name}"
        assert desk.audit("secrets_pulled") == []

    @pytest.mark.parametrize(
        "query", [{"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"limit": ""}, {"limit": "1", "offset": "-1"}]
    )
    def test_pages_that_are_none(self, desk: Desk, query: dict[str, Any]) -> None:
        """limit is 1 to 1,000 and offset 0 or more."""
        desk.set({"A": "1"})
        assert set(faults(desk.get(**query))) <= {"limit", "offset"}

    @pytest.mark.parametrize("key", ["", "1A", "A B", "A" * 257])
    def test_a_view_of_no_key(self, desk: Desk, key: str) -> None:
        """A name that no secret can have is a wrong request."""
        assert desk.get("view", key=key).status == 400

    def test_a_view_of_a_key_that_is_not_there(self, desk: Desk) -> None:
        """404, in an empty environment and in a missing one too; nothing is recorded."""
        assert desk.get("view", key="A").status == 404
        desk.set({"B": "1"})
        assert desk.get("view", key="A").status == 404
        assert desk.get("view", key="A", environment="no-such-environment").status == 404
        assert desk.audit("secret_value_accessed") == []


class TestForms:
    """Two representations of one revision."""

    def test_json_is_the_values_themselves(self, desk: Desk) -> None:
        """Our clients get every value byte for byte, in the order of the names, with the revision."""
        revision = desk.set(HARD)
        data = desk.get().data
        assert data["secrets"] == HARD
        assert list(data["secrets"]) == sorted(HARD)
        assert data["revision"] == {"id": revision, "number": 1}
        assert (data["environment"], data["repository"]) == ("development", desk.place.repository)

    def test_text_follows_the_rendering_rule(self, desk: Desk) -> None:
        """contract.md 11.6: bare, single or double quotes, nothing escaped inside, a line feed as \\n."""
        desk.set({"A": "", "B": "b", "C": "a b", "D": "it's", "E": "a\nb"})
        content = desk.get(headers={"Accept": "*/*"}).data["content"]
        assert content == 'A=\nB=b\nC=\'a b\'\nD="it\'s"\nE="a\\nb"'

    def test_a_view_is_one_value(self, desk: Desk) -> None:
        """The value itself, whatever is in it."""
        desk.set(HARD)
        for key in ("PEM", "EMPTY", "LONG"):
            assert desk.get("view", key=key).data == {"key": key, "value": HARD[key], "environment": "development"}

    def test_pages_follow_the_order_of_names(self, desk: Desk) -> None:
        """Together the pages are the whole; one behind the end is empty."""
        desk.set({f"K{i}": str(i) for i in range(7)})
        pages = [desk.get(limit=3, offset=offset).data["secrets"] for offset in (0, 3, 6, 9)]
        assert [list(page) for page in pages] == [["K0", "K1", "K2"], ["K3", "K4", "K5"], ["K6"], []]


class TestRecord:
    """The row that is committed before a value leaves."""

    def test_a_pull_is_one_row_of_the_revision(self, desk: Desk) -> None:
        """`keys` is NULL: the whole environment at that revision, however many secrets it holds."""
        desk.set(HARD)
        desk.get(headers={"User-Agent": PUBLIC_CLI})
        (row,) = desk.audit("secrets_pulled")
        assert (row["revision"], row["keys"], row["details"]) == (1, None, {"role": "admin", "secretCount": len(HARD)})
        assert (row["actor_login"], row["platform"], row["source"]) == (desk.scene.owner, "cli", "cli")

    def test_a_partial_read_names_its_keys(self, desk: Desk) -> None:
        """Exposure must know what was not seen."""
        desk.set({"A": "1", "B": "2", "C": "3"})
        desk.get(limit=2, offset=1)
        desk.get("view", key="A")
        assert [row["keys"] for row in desk.audit("secrets_pulled")] == [["B", "C"]]
        (viewed,) = desk.audit("secret_value_accessed")
        assert (viewed["keys"], viewed["details"]) == (["A"], {"key": "A", "role": "admin", "secretName": "A"})

    def test_a_hundred_at_once_are_a_hundred_rows(self, desk: Desk) -> None:
        """Committing in groups loses none and doubles none: every answer's request has exactly one row."""
        desk.set({"A": "1"})

        def pulls(number: int) -> list[str]:
            own = Desk(desk.scene, Client(desk.client.base, desk.client.token), desk.place)
            ids = [f"group-{number}-{turn}" for turn in range(10)]
            assert all(own.client.pull(desk.place, request_id).status == 200 for request_id in ids)
            own.client.close()
            return ids

        with ThreadPoolExecutor(10) as pool:
            asked = [request_id for ids in pool.map(pulls, range(10)) for request_id in ids]
        recorded = [row["request_id"] for row in desk.audit("secrets_pulled")]
        assert sorted(recorded) == sorted(asked)


class TestUnrecorded:
    """When the row cannot be written."""

    @pytest.fixture
    def unrecordable(self, desk: Desk) -> Iterator[Desk]:
        """An environment with a value, in a database that takes no audit row any more."""
        desk.set({"A": "canary"})
        desk.scene.sql("REVOKE INSERT ON audit_events FROM keyway_app")
        yield desk
        desk.scene.sql("GRANT INSERT ON audit_events TO keyway_app")

    def test_no_value_leaves(self, unrecordable: Desk) -> None:
        """Every way to read answers 503, and the value is in no answer."""
        answers = [
            unrecordable.get(),
            unrecordable.get(headers={"Accept": "*/*"}),
            unrecordable.get(limit=1),
            unrecordable.get("view", key="A"),
        ]
        assert [answer.status for answer in answers] == [503] * 4
        assert "canary" not in "".join(text_of(answer) for answer in answers)

    def test_no_one_of_many_at_once(self, unrecordable: Desk) -> None:
        """A group whose commit fails fails for each of those who wait for it."""
        twins = [Desk(d.scene, Client(d.client.base, d.client.token), d.place) for d in [unrecordable] * 8]
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda twin: twin.get().status, twins)) == {503}

    def test_nothing_changes(self, unrecordable: Desk) -> None:
        """A push without its row is no push."""
        assert unrecordable.push({"A": "new"}).status == 503
        assert unrecordable.push({"A": "canary"}).status == 503
        assert unrecordable.head() == 1

    def test_everything_goes_on_afterwards(self, desk: Desk) -> None:
        """The control: it was the right to insert that was missing, and one failed group stops no later one."""
        desk.set({"A": "canary"})
        desk.scene.sql("REVOKE INSERT ON audit_events FROM keyway_app")
        refused = desk.get().status
        desk.scene.sql("GRANT INSERT ON audit_events TO keyway_app")
        assert (refused, desk.values()) == (503, {"A": "canary"})


class TestUnchanged:
    """If-None-Match."""

    def test_is_answered_without_a_value(self, desk: Desk) -> None:
        """304 for the revision that the caller has, in the form that the caller has."""
        revision = desk.set({"A": "1"})
        assert desk.get(headers={"If-None-Match": f'"{revision}.json"'}).status == 304
        assert desk.get(headers={"If-None-Match": f'W/"x", "{revision}.json"'}).status == 304
        other_form = desk.get(headers={"If-None-Match": f'"{revision}.env"'})
        assert other_form.data["secrets"] == {"A": "1"}

    def test_ends_with_the_next_revision(self, desk: Desk) -> None:
        """A new revision is a new tag."""
        old = desk.set({"A": "1"})
        desk.set({"A": "2"})
        assert desk.get(headers={"If-None-Match": f'"{old}.json"'}).data["secrets"] == {"A": "2"}

    def test_is_recorded_once_in_a_quarter_of_an_hour(self, desk: Desk) -> None:
        """policy.yaml `repeated_unchanged_pull`: a watching client does not flood the audit."""
        revision = desk.set({"A": "1"})
        for _ in range(5):
            desk.get(headers={"If-None-Match": f'"{revision}.json"'})
        assert [row["details"] for row in desk.audit("secrets_pulled")] == [{"notModified": True}]

    def test_opens_nothing(self, desk: Desk) -> None:
        """No value is decrypted for a 304."""
        revision = desk.set({"A": "1"})
        desk.get()
        before = calls(desk, "open")
        desk.get(headers={"If-None-Match": f'"{revision}.json"'})
        assert calls(desk, "open") == before


def test_one_rpc_and_the_same_statements_for_one_secret_and_a_thousand(desk: Desk) -> None:
    """A pull costs a constant number of statements and one call, whatever it carries."""
    costs = []
    for count in (1, 100, 1000):
        desk.set({f"K{i}": "v" for i in range(count)})
        desk.get()
        forget_statements(desk)
        opened = calls(desk, "open")
        assert len(desk.get().data["secrets"]) == count
        touched = statements(desk, "secret_values|audit_events|sessions|vaults")
        costs.append((touched, calls(desk, "open") - opened))
    assert len(set(costs)) == 1
    assert costs[0][1] == 1
