"""Pushes that are refused: each says what to do, repeats no value, and leaves everything as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.backend.secrets.desk import Desk, faults, text_of

CANARY = "canary-7f3a9"
KEPT = {"KEPT": "as it was"}


@pytest.fixture(scope="module")
def lasting(first: Desk) -> Desk:
    """An environment with something to lose."""
    made = first.anew().at_new_place()
    made.set(KEPT)
    return made


@pytest.fixture
def stocked(lasting: Desk) -> Iterator[Desk]:
    """The same one for each push, because every one of them is refused and leaves it as it was."""
    before = (lasting.head(), lasting.values())
    yield lasting
    assert (lasting.head(), lasting.values()) == before


class TestNames:
    """Keys that no server stores."""

    @pytest.mark.parametrize(
        "key",
        ["", "1A", "A-B", "A B", "A\nB", "A=B", "#A", "Ä", "A.B", "A" * 257, "__proto__ ", "\u00a0A", "A\0"],
    )
    def test_malformed_ones_are_refused_by_name(self, stocked: Desk, key: str) -> None:
        """A key that a shell or a client cannot carry is refused, and the fault names it."""
        answer = stocked.push({key: CANARY, "FINE": CANARY})
        assert list(faults(answer)) == [f"secrets.{key[:256]}"]
        assert CANARY not in text_of(answer)

    @pytest.mark.parametrize("key", ["PATH", "LD_PRELOAD", "LD_", "BASH_ENV", "ENV", "GITHUB_ENV", "GITHUB_PATH"])
    def test_those_that_change_how_programs_start_are_refused(self, stocked: Desk, key: str) -> None:
        """policy.yaml `limits.key_names.refused` holds on push."""
        assert list(faults(stocked.push({key: CANARY}))) == [f"secrets.{key}"]

    @pytest.mark.parametrize("key", ["path", "Path", "ENVIRONMENT", "_", "A" * 256, "PATH_", "NODE_OPTIONS"])
    def test_neighbours_of_refused_ones_are_stored(self, desk: Desk, key: str) -> None:
        """The list is exact: what only looks like a refused name is a name like any other."""
        desk.set({key: "v"})
        assert desk.values() == {key: "v"}


class TestValues:
    """Values that cannot be stored."""

    @pytest.mark.parametrize("value", [1, None, True, 1.5, ["a"], {"a": "b"}])
    def test_what_is_no_string_is_refused(self, stocked: Desk, value: Any) -> None:
        """A number is not silently made a text."""
        assert list(faults(stocked.push({"A": value}))) == ["secrets.A"]

    def test_nul_is_refused(self, stocked: Desk) -> None:
        """No environment variable can hold a NUL."""
        answer = stocked.push({"A": f"{CANARY}\0"})
        assert list(faults(answer)) == ["secrets.A"]
        assert CANARY not in text_of(answer)

    def test_a_lone_surrogate_is_refused_with_its_key(self, stocked: Desk) -> None:
        """A lone surrogate is no text; the answer names the key."""
        answer = stocked.push({"A": f"{CANARY}\ud800"})
        assert answer.status == 400
        assert "A" in text_of(answer)
        assert CANARY not in text_of(answer)

    @pytest.mark.parametrize("value", ["x" * 65_537, "é" * 32_769, "🔑" * 16_385])
    def test_one_byte_over_the_limit_is_refused_by_its_utf8_length(self, stocked: Desk, value: str) -> None:
        """64 KiB are counted in bytes of UTF-8, not in characters."""
        message = faults(stocked.push({"A": value}))["secrets.A"]
        assert "65536" in message

    def test_every_fault_is_named_at_once(self, stocked: Desk) -> None:
        """Nobody has to push ten times to learn ten faults."""
        sent = {"1": "a", "PATH": "b", "C": 3, "D": "x" * 65_537, "FINE": "v"}
        assert set(faults(stocked.push(sent))) == {"secrets.1", "secrets.PATH", "secrets.C", "secrets.D"}


class TestShape:
    """Bodies of the wrong form."""

    @pytest.mark.parametrize("secrets", [None, [], "A=b", 7])
    def test_secrets_must_be_an_object(self, stocked: Desk, secrets: Any) -> None:
        """Anything but an object is refused."""
        assert "secrets" in faults(stocked.push(secrets))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("mode", "overwrite"), ("mode", 1), ("message", 7), ("message", "x" * 501), ("delete", "A"), ("delete", [1])],
    )
    def test_other_fields_are_checked_too(self, stocked: Desk, field: str, value: Any) -> None:
        """The fault names the field."""
        assert field in faults(stocked.push({"A": "1"}, **{field: value}))

    def test_a_key_is_not_set_and_deleted_at_once(self, stocked: Desk) -> None:
        """A contradiction is not resolved by guessing."""
        assert "delete.A" in faults(stocked.push({"A": "1"}, delete=["A"]))

    def test_delete_belongs_to_merge(self, stocked: Desk) -> None:
        """A replacing push says by what it leaves out what it deletes."""
        revision = stocked.get().revision
        answer = stocked.push({"A": "1"}, {"If-Match": f'"{revision}"'}, mode="replace", delete=["KEPT"])
        assert "delete" in faults(answer)

    def test_an_environment_that_nobody_made_is_refused_with_those_there_are(self, stocked: Desk) -> None:
        """A typing mistake makes no environment."""
        answer = stocked.push({"A": "1"}, environment="productoin")
        assert answer.status == 400
        assert "development, staging, production" in answer.body["detail"]


class TestConditions:
    """Preconditions that are malformed or do not hold."""

    def test_replace_needs_a_revision(self, stocked: Desk) -> None:
        """Replacing what one has not seen deletes what others made."""
        answer = stocked.push({"A": "1"}, mode="replace")
        assert answer.status == 400
        assert "If-Match" in answer.body["detail"]

    @pytest.mark.parametrize("header", ["*", "abc", '"abc"', "01a1fb8f-0352-728c-9a51-12093f708e4c", ""])
    def test_if_match_must_name_a_revision(self, stocked: Desk, header: str) -> None:
        """What is no revision is refused and not ignored."""
        assert "If-Match" in faults(stocked.push({"A": "1"}, {"If-Match": header}))

    @pytest.mark.parametrize("key", ["x" * 256, "a b", "é".encode().decode("latin-1")])
    def test_idempotency_keys_have_a_form(self, stocked: Desk, key: str) -> None:
        """1 to 255 visible ASCII characters."""
        assert "Idempotency-Key" in faults(stocked.push({"A": "1"}, {"Idempotency-Key": key}))

    @pytest.mark.parametrize("mode", ["merge", "replace"])
    def test_a_moved_environment_is_a_conflict_that_says_where_it_is(self, desk: Desk, mode: str) -> None:
        """409 names the present revision and what to do, and changes nothing."""
        desk.set(KEPT)
        old = desk.get().revision
        new = desk.set({"OTHER": "1"})
        answer = desk.push({"A": "1"}, {"If-Match": f'"{old}"'}, mode=mode)
        assert answer.status == 409
        assert answer.body["currentRevision"] == {"id": new, "number": 2}
        assert "Pull" in answer.body["detail"]
        assert desk.values() == KEPT | {"OTHER": "1"}


class TestLimits:
    """The maxima of policy.yaml `limits.secrets`: exactly so much works, and one more is the documented error."""

    def test_a_value_of_64_kib_is_stored(self, desk: Desk) -> None:
        """The largest value survives."""
        desk.set({"A": "x" * 65_536, "B": "é" * 32_768})
        assert desk.values() == {"A": "x" * 65_536, "B": "é" * 32_768}

    def test_a_thousand_keys_work_and_one_more_does_not(self, desk: Desk) -> None:
        """The limit is the environment's, not the push's; a key that leaves makes room."""
        desk.set({f"K{i}": str(i) for i in range(999)})
        desk.set({"LAST": "1"})
        assert "1001" in faults(desk.push({"ONE_MORE": "1"}))["secrets"]
        assert "1001" in faults(desk.push({f"L{i}": "" for i in range(1001)}))["secrets"]
        desk.set({"ONE_MORE": "1"}, delete=["K0"])
        assert len(desk.values()) == 1000

    def test_four_mebibytes_work_and_one_byte_more_does_not(self, desk: Desk) -> None:
        """The plaintext of the environment counts, byte for byte, however the values are padded."""
        desk.set({f"BIG{i}": "x" * 65_535 for i in range(64)})
        desk.set({"REST": "é" * 32})
        answer = desk.push({"ONE": "1"})
        assert answer.status == 413
        assert "4194304" in answer.body["detail"]
        assert desk.push({f"BIG{i}": "x" * 65_536 for i in range(64)} | {"ONE": "1"}).status == 413
        desk.set({"ONE": "1"}, delete=["REST"])
        assert len(desk.values()) == 65

    def test_a_push_over_four_mebibytes_is_refused_before_anything_is_sealed(self, desk: Desk) -> None:
        """A push that alone is over the limit is 413, not a truncated state."""
        assert desk.push({f"BIG{i}": "x" * 65_536 for i in range(65)}).status == 413
        assert desk.head() == 0
