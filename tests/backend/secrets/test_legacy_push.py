"""The push of public clients: pull, change a copy, send all of it (contract.md 17 W1, W5, W6; design.md 6)."""

from __future__ import annotations

import pytest

from tests.backend.secrets.desk import HARD, MCP, PUBLIC_CLI, Desk, stats
from tests.invariants.api import Client


@pytest.fixture
def colleague(desk: Desk, second: Desk) -> Desk:
    """Another credential at the same environment."""
    return desk.with_other(second)


class TestRefuses:
    """Pushes that would lose what nobody meant to lose."""

    def test_nothing_by_somebody_who_saw_nothing(self, desk: Desk) -> None:
        """An empty push without a pull before it deletes nothing and says so."""
        desk.set({"A": "1"})
        answer = desk.legacy_push({})
        assert answer.status == 400
        assert "pull first" in answer.body["detail"]
        assert desk.values() == {"A": "1"}


class TestDeletes:
    """Keys that are not sent."""

    def test_nothing_without_a_base(self, desk: Desk, colleague: Desk) -> None:
        """Who has not pulled lately merges: what he does not send he may never have seen."""
        desk.set({"A": "1", "B": "2"})
        assert stats(colleague.legacy_push({"A": "3"})) == (0, 1, 0, 0)
        assert desk.values() == {"A": "3", "B": "2"}

    def test_what_was_seen_and_is_unchanged(self, desk: Desk) -> None:
        """`keyway push --prune` relies on it."""
        desk.set({"A": "1", "B": "2"})
        desk.legacy_pull()
        assert stats(desk.legacy_push({"A": "1"})) == (0, 0, 1, 1)
        assert desk.values() == {"A": "1"}

    def test_everything_that_was_seen(self, desk: Desk) -> None:
        """An empty push after a pull empties the environment."""
        desk.set({"A": "1"})
        desk.legacy_pull()
        assert stats(desk.legacy_push({})) == (0, 0, 1, 0)

    def test_nothing_that_came_after_the_pull(self, desk: Desk, colleague: Desk) -> None:
        """A key that a colleague made meanwhile survives."""
        desk.set({"A": "1"})
        colleague.legacy_pull()
        desk.set({"NEW": "1"})
        colleague.legacy_push({"A": "2"})
        assert desk.values() == {"A": "2", "NEW": "1"}

    def test_nothing_that_changed_after_the_pull(self, desk: Desk, colleague: Desk) -> None:
        """Deleting an old value does not delete the new one."""
        desk.set({"A": "1", "B": "1"})
        colleague.legacy_pull()
        desk.set({"B": "2"})
        colleague.legacy_push({"A": "1"})
        assert desk.values() == {"A": "1", "B": "2"}

    def test_nothing_that_one_of_two_bases_did_not_hold(self, desk: Desk, colleague: Desk) -> None:
        """Two pulls leave two bases; only what was in both can have been deleted on purpose."""
        desk.set({"A": "1"})
        colleague.legacy_pull()
        desk.set({"B": "1"})
        colleague.legacy_pull()
        colleague.legacy_push({"A": "1"})
        assert desk.values() == {"A": "1", "B": "1"}

    def test_nothing_beyond_what_a_page_showed(self, desk: Desk) -> None:
        """A partial read is a partial base."""
        desk.set({"A": "1", "B": "2", "C": "3"})
        desk.get(headers={"Accept": "*/*"}, limit=2)
        desk.legacy_push({"A": "1"})
        assert desk.values() == {"A": "1", "C": "3"}

    def test_nothing_after_a_quarter_of_an_hour(self, desk: Desk) -> None:
        """An old pull is no base."""
        desk.set({"A": "1", "B": "2"})
        desk.legacy_pull()
        desk.scene.sql(
            "UPDATE audit_events SET at = at - interval '16 minutes' WHERE environment_id = %s", desk.environment_id
        )
        desk.legacy_push({"A": "1"})
        assert desk.values() == {"A": "1", "B": "2"}

    def test_nothing_on_behalf_of_an_assistant(self, desk: Desk) -> None:
        """keyway-mcp sends one key and means one key."""
        desk.set({"A": "1", "B": "2"})
        desk.legacy_pull(agent=MCP)
        assert stats(desk.legacy_push({"C": "3"}, agent=MCP)) == (1, 0, 0, 0)
        assert desk.values() == {"A": "1", "B": "2", "C": "3"}

    def test_nothing_by_a_pull_of_another_credential(self, desk: Desk, colleague: Desk) -> None:
        """What somebody else saw is no base of mine."""
        desk.set({"A": "1", "B": "2"})
        desk.legacy_pull()
        colleague.legacy_push({"A": "1"})
        assert desk.values() == {"A": "1", "B": "2"}


class TestKeeps:
    """Values that come back as they were pulled."""

    def test_what_a_colleague_changed_meanwhile(self, desk: Desk, colleague: Desk) -> None:
        """A value equal to its base was not changed by this client."""
        desk.set({"A": "old", "B": "1"})
        held = colleague.legacy_pull()
        desk.set({"A": "new"})
        colleague.legacy_push(held | {"B": "2"})
        assert desk.values() == {"A": "new", "B": "2"}

    def test_what_a_colleague_deleted_meanwhile(self, desk: Desk, colleague: Desk) -> None:
        """An unchanged copy does not bring a deleted key back."""
        desk.set({"A": "1", "B": "1"})
        held = colleague.legacy_pull()
        desk.set({}, delete=["A"])
        colleague.legacy_push(held | {"B": "2"})
        assert desk.values() == {"B": "2"}

    def test_lossy_renderings_of_stored_values(self, desk: Desk) -> None:
        """Ten rounds of pull and push leave every value as it is, PEM keys included, and make no revision."""
        desk.set(HARD)
        for _ in range(10):
            assert stats(desk.legacy_push(desk.legacy_pull())) == (0, 0, 0, len(HARD))
        assert desk.values() == HARD
        assert desk.head() == 1

    def test_a_lossy_rendering_even_without_a_base(self, desk: Desk, colleague: Desk) -> None:
        """The echo of the current value is recognised however the client came by it."""
        desk.set({"PEM": HARD["PEM"]})
        held = desk.legacy_pull()
        assert stats(colleague.legacy_push(held)) == (0, 0, 0, 1)
        assert desk.values() == {"PEM": HARD["PEM"]}

    def test_no_rendering_for_our_own_clients(self, desk: Desk) -> None:
        """With a mode a value is what it is: the two characters \\n are a change."""
        desk.set({"PEM": "a\nb"})
        desk.set({"PEM": "a\\nb"})
        assert desk.values() == {"PEM": "a\\nb"}


class TestChanges:
    """What the client meant to change."""

    def test_a_value_that_differs_from_its_base_wins(self, desk: Desk, colleague: Desk) -> None:
        """Both changed the same key: the later push is the later word, and history keeps the other."""
        desk.set({"A": "0"})
        held = colleague.legacy_pull()
        desk.set({"A": "1"})
        colleague.legacy_push(held | {"A": "2"})
        assert desk.values() == {"A": "2"}
        assert len(desk.value_rows("A")) == 3

    def test_a_set_can_be_taken_back_by_a_set(self, desk: Desk) -> None:
        """The value of an older base is no stale copy when the client itself changed it since and pulled again."""
        desk.legacy_push({"A": "1", "B": "1"})
        desk.legacy_set("A", "2")
        assert stats(desk.legacy_set("A", "1")) == (0, 1, 0, 1)
        assert desk.values() == {"A": "1", "B": "1"}

    def test_a_deletion_can_be_taken_back_by_a_set(self, desk: Desk) -> None:
        """The same for a key that the client itself removed."""
        desk.legacy_push({"A": "1", "B": "1"})
        desk.legacy_pull()
        desk.legacy_push({"B": "1"})
        assert desk.values() == {"B": "1"}
        assert stats(desk.legacy_set("A", "1")) == (1, 0, 0, 1)

    def test_its_own_new_key_can_be_pruned(self, desk: Desk) -> None:
        """What the client made and pulled since, it may leave out."""
        desk.legacy_push({"A": "1"})
        desk.legacy_pull()
        desk.legacy_set("B", "1")
        desk.legacy_pull()
        desk.legacy_push({"A": "1"})
        assert desk.values() == {"A": "1"}

    @pytest.mark.parametrize("same_credential", [True, False])
    def test_two_sets_at_once_both_survive(self, desk: Desk, colleague: Desk, *, same_credential: bool) -> None:
        """Pull, pull, push, push: neither takes the other's change away."""
        other = desk if same_credential else colleague
        desk.set({"KEPT": "1", "A": "0", "B": "0"})
        one, two = desk.legacy_pull(), other.legacy_pull()
        desk.legacy_push(one | {"A": "1"})
        other.legacy_push(two | {"B": "1"})
        assert desk.values() == {"KEPT": "1", "A": "1", "B": "1"}

    def test_the_answer_is_the_wires(self, desk: Desk) -> None:
        """The public client prints `message` and three counts."""
        data = desk.legacy_push({"A": "1"}).data
        assert data["success"] is True
        assert data["message"] == "Secrets pushed successfully"
        assert data["stats"] == {"created": 1, "updated": 0, "deleted": 0, "unchanged": 0}


def test_an_empty_environment_is_no_base(desk: Desk, colleague: Desk) -> None:
    """Two first pushes at once are merged: the 404 that both clients took for an empty map showed them nothing."""
    assert (desk.legacy_pull(), colleague.legacy_pull()) == ({}, {})
    desk.legacy_push({"A": "1"})
    colleague.legacy_push({"B": "1"})
    assert desk.values() == {"A": "1", "B": "1"}


def test_fifty_sets_in_a_row_by_two_credentials_lose_nothing(desk: Desk, colleague: Desk) -> None:
    """Many bases in the last quarter of an hour do not add up to a wrong deletion."""
    for number in range(25):
        desk.legacy_set(f"A{number}", str(number))
        colleague.legacy_set(f"B{number}", str(number))
    expected = {f"{side}{number}": str(number) for side in "AB" for number in range(25)}
    assert desk.values() == expected


def test_the_agent_of_a_client_is_not_its_credential(desk: Desk) -> None:
    """A client that only calls itself something else has the bases of its credential."""
    assert PUBLIC_CLI != MCP
    client = Client(desk.client.base, desk.client.token)
    twin = Desk(desk.scene, client, desk.place)
    desk.set({"A": "1", "B": "2"})
    twin.legacy_pull(agent="curl/8")
    assert stats(desk.legacy_push({"A": "1"})) == (0, 0, 1, 1)
    client.close()
