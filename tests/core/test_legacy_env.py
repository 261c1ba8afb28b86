"""The text of the legacy wire, against a parser written from contract.md 11.6 alone."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from keyway_core.legacy_env import legacy_echo, legacy_line

PIECES = [
    *"abcXYZ019_./:@%+,=-",
    " ",
    "\t",
    "\r",
    "\\",
    "$",
    "#",
    '"',
    "'",
    "`",
    "!",
    "\u00a0",
    "\u0085",
    "\ufeff",
    "\u2028",
]
PIECES += ["é", "🔑", "export ", "''", '""', "\\n", "\x0b", "\x0c", "\x1c", "${A}", "#x", "="]


def shipped_parser(text: str) -> dict[str, str]:
    """The parser of every shipped client: trims lines, splits at the first `=`, takes one pair of quotes, no more."""
    values = {}
    for raw in text.split("\n"):
        line = raw.strip()
        key, equals, value = line.partition("=")
        if line and not line.startswith("#") and equals:
            if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            values[key.strip()] = value
    return values


def test_twenty_thousand_values_without_a_newline_come_back_exactly() -> None:
    """The rendering is chosen such that a parser that unescapes nothing returns the value itself."""
    chance = random.Random(20_000)  # noqa: S311  # the same values in every run
    values = ["".join(chance.choices(PIECES, k=chance.randrange(12))) for _ in range(20_000)]
    wrong = [value for value in values if shipped_parser(legacy_line("KEY", value)) != {"KEY": value}]
    assert wrong == []


@settings(max_examples=500, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n")))
def test_any_text_without_a_newline_comes_back_exactly(value: str) -> None:
    """The rule holds for all of Unicode, not only for the pieces that we thought of."""
    assert shipped_parser(legacy_line("KEY", value)) == {"KEY": value}
    assert legacy_echo(value) == value


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, "\n", "\r\n"]), max_size=12).map("".join))
def test_the_echo_is_what_a_client_reads(value: str) -> None:
    """A client that pulled this line and pushes it back sends exactly the echo, and sends it again next time."""
    echo = legacy_echo(value)
    assert shipped_parser(legacy_line("KEY", value)) == {"KEY": echo}
    assert shipped_parser(legacy_line("KEY", echo)) == {"KEY": echo}


def test_each_form_of_the_rule() -> None:
    """Empty, bare, single quotes, double quotes, and one line for a value of several."""
    assert legacy_line("K", "") == "K="
    assert legacy_line("K", "postgres://u:p@h/db?") == "K='postgres://u:p@h/db?'"
    assert legacy_line("K", "a=b") == "K=a=b"
    assert legacy_line("K", 'say "hi" \\n') == "K='say \"hi\" \\n'"
    assert legacy_line("K", "it's") == 'K="it\'s"'
    assert legacy_line("K", "one\ntwo\r\n") == 'K="one\\ntwo\\n"'
