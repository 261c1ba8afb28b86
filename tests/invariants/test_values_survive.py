"""Values survive byte for byte: push, pull, file, parser; and the public clients' own round trip."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from keyway_core import dotenv
from keyway_core.legacy_env import legacy_echo
from keyway_core.sensitive import Sensitive
from keyway_standalone.processes import Stack

from tests.backend.secrets.desk import HARD, NOWHERE, Desk, stats
from tests.core.test_legacy_env import PIECES
from tests.invariants.scene import Scene

BATCH: Final = 1000
GENERATED: Final = 20_000
LONGEST: Final = 24
# Beside what trips the shipped parsers: what trips everybody else.
ODD: Final = [
    *PIECES,
    "\n",
    "\r\n",
    "\n\n",
    "\x01",
    "\x7f",
    "\u2029",
    "\U0010ffff",
    "-----BEGIN X-----\n",
    "<!--",
    "%s",
    "\\u0041",
]


@pytest.fixture(scope="module")
def desk(stack: Stack) -> Desk:
    """Somebody with an environment."""
    scene = Scene(stack, stack.control.login("outsider"), [])
    return Desk(scene, scene.session(), NOWHERE).at_new_place()


@pytest.fixture(autouse=True)
def _emptied(desk: Desk) -> Iterator[None]:
    yield
    replace(desk, {})


def replace(desk: Desk, values: Mapping[str, str]) -> None:
    """Makes the environment hold exactly this."""
    base = desk.get().revision
    if base is None:
        desk.set(values)
        return
    answer = desk.push(values, {"If-Match": f'"{base}"'}, mode="replace")
    assert answer.status == 200, answer


def generated(seed: int, count: int) -> list[str]:
    """Values that somebody who hates parsers would choose; the same in every run."""
    chance = random.Random(seed)  # noqa: S311
    return ["".join(chance.choices(ODD, k=chance.randrange(LONGEST))) for _ in range(count)]


def through_a_file(values: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What a program reads from the `.env` file that our command line writes."""
    path = folder / ".env"
    path.write_bytes(dotenv.render({key: Sensitive(value) for key, value in values.items()}).encode())
    return {key: value.reveal() for key, value in dotenv.parse(dotenv.decode(path.read_bytes())).items()}


def differences(sent: Mapping[str, str], got: Mapping[str, str]) -> list[str]:
    """The keys under which something else came back, or nothing, or too much."""
    return sorted(key for key in sent.keys() | got.keys() if sent.get(key) != got.get(key))


class TestByteForByte:
    """Our own wire."""

    def test_the_hard_ones(self, desk: Desk, tmp_path: Path) -> None:
        """PEM, JSON, quotes, backslashes, $, #, =, tabs, CR, emoji, NBSP, nothing, 64 KiB."""
        replace(desk, HARD)
        assert differences(HARD, desk.values()) == []
        assert differences(HARD, through_a_file(desk.values(), tmp_path)) == []

    def test_twenty_thousand_generated_ones(self, desk: Desk, tmp_path: Path) -> None:
        """Push, pull as JSON, file, parser: 0 differences of 20,000."""
        found, seen = [], 0
        for seed in range(GENERATED // BATCH):
            values = {f"KEY_{number}": value for number, value in enumerate(generated(seed, BATCH))}
            replace(desk, values)
            back = through_a_file(desk.values(), tmp_path)
            found += differences(values, back)
            seen += len(back)
        assert (found, seen) == ([], GENERATED)

    def test_a_difference_would_be_seen(self, desk: Desk, tmp_path: Path) -> None:
        """The control: one changed character among a thousand values is one difference."""
        values = {f"KEY_{number}": f"{value}." for number, value in enumerate(generated(0, BATCH))}
        replace(desk, values)
        assert differences(values | {"KEY_7": values["KEY_7"] + " "}, through_a_file(desk.values(), tmp_path)) == [
            "KEY_7"
        ]


class TestPublicClients:
    """The legacy text, read by a parser written from contract.md 11.6."""

    def test_every_value_without_a_line_feed_comes_back_exactly(self, desk: Desk) -> None:
        """Two thousand of them, and the hard ones."""
        for seed in (100, 101):
            values = {f"KEY_{n}": value for n, value in enumerate(generated(seed, BATCH)) if "\n" not in value}
            values |= {key: value for key, value in HARD.items() if "\n" not in value}
            values = dict(list(values.items())[-BATCH:])
            replace(desk, values)
            assert differences(values, desk.legacy_pull()) == []

    def test_a_line_feed_becomes_one_stable_line(self, desk: Desk) -> None:
        """No exact form exists there: each CRLF or LF is shown as \\n, on one line, and nothing else is touched."""
        values = {f"KEY_{n}": f"{value}\n" for n, value in enumerate(generated(200, BATCH))}
        replace(desk, values)
        shown = {key: legacy_echo(value) for key, value in values.items()}
        assert differences(shown, desk.legacy_pull()) == []

    def test_pulling_and_pushing_ten_times_leaves_everything_alone(self, desk: Desk) -> None:
        """Stored values are untouched, with and without line feeds, and no revision is made."""
        values = {f"KEY_{n}": value for n, value in enumerate(generated(300, BATCH - len(HARD)))} | HARD
        replace(desk, values)
        head = desk.head()
        for _ in range(10):
            assert stats(desk.legacy_push(desk.legacy_pull())) == (0, 0, 0, BATCH)
        assert (differences(values, desk.values()), desk.head()) == ([], head)

    def test_a_set_between_leaves_the_others_alone(self, desk: Desk) -> None:
        """`keyway set` sends everything back, and changes one value."""
        replace(desk, HARD)
        assert stats(desk.legacy_set("NEW", "1")) == (1, 0, 0, len(HARD))
        assert differences(HARD | {"NEW": "1"}, desk.values()) == []
