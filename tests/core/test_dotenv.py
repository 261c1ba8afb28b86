"""The reader and the writer of `.env` files (docs/dotenv.md)."""

from __future__ import annotations

import contextlib
import gc
import re
import subprocess
import time
from pathlib import Path

import pytest
from hostile_env import CANARY, CASES, Refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keyway_core.dotenv import Dotenv, DotenvError, decode, parse, render, update
from keyway_core.names import unstorable
from keyway_core.sensitive import Sensitive

GRAMMAR = Path(__file__).parents[2] / "docs" / "dotenv.md"
AWKWARD = "'\"\\$`#= \t\n\r!;&|<>*?~%{}[]()@:,\u00a0\u0085\u2028\ufeff\u202eé€😀nrtx0"

storable = st.one_of(
    st.text(alphabet=AWKWARD, max_size=40),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60),
)
keys = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,20}\Z")
files = st.dictionaries(keys, storable, max_size=8)


def plain(read: Dotenv) -> dict[str, str]:
    """What a file assigns, revealed for comparison."""
    return {key: value.reveal() for key, value in read.items()}


def sealed(values: dict[str, str]) -> dict[str, Sensitive]:
    return {key: Sensitive(value) for key, value in values.items()}


@pytest.mark.parametrize("name", [name for name, (_, wanted) in CASES.items() if isinstance(wanted, Refused)])
def test_a_hostile_file_is_refused_with_its_line_and_without_its_text(name: str) -> None:
    """What the grammar does not know is refused, naming the line, the reason, and no part of any value."""
    data, wanted = CASES[name]
    with pytest.raises(DotenvError) as caught:
        parse(decode(data))
    assert isinstance(wanted, Refused)
    assert caught.value.line == wanted.line
    assert wanted.words in caught.value.reason
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, (_, wanted) in CASES.items() if not isinstance(wanted, Refused)])
def test_a_hostile_file_is_read_as_documented(name: str) -> None:
    """What the grammar knows is read exactly as it says, in the order of the file."""
    data, wanted = CASES[name]
    read = plain(parse(decode(data)))
    assert read == wanted
    assert isinstance(wanted, dict)
    assert list(read) == list(wanted)


def test_the_corpus_is_large_enough() -> None:
    """At least sixty hostile files, and at least twenty-five of each verdict."""
    refused = sum(isinstance(wanted, Refused) for _, wanted in CASES.values())
    assert len(CASES) >= 60
    assert min(refused, len(CASES) - refused) >= 25


def check_law(values: dict[str, str]) -> None:
    text = render(sealed(values))
    assert plain(parse(text)) == values
    assert plain(parse(decode(text.encode()))) == values
    assert plain(parse(text.replace("\n", "\r\n"))) == values


@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(storable, min_size=20, max_size=20))
def test_what_is_written_is_read_back(values: list[str]) -> None:
    """parse(render(v)) == v for 20,000 storable values, also after an editor has changed the line ends to CRLF."""
    check_law({f"K{number}": value for number, value in enumerate(values)})


@pytest.mark.prove
@settings(max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(files)
def test_what_is_written_is_read_back_in_the_long_run(values: dict[str, str]) -> None:
    """The same law for 20,000 whole files with names of every shape."""
    check_law(values)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(files, st.dictionaries(keys, st.none() | storable, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_an_update_changes_what_was_asked_and_nothing_else(
    before: dict[str, str], changes: dict[str, str | None], ending: str
) -> None:
    """parse(update(text, changes)) is parse(text) with the changes, and every other line keeps its bytes."""
    lines = [f"# about {key}\n{render(sealed({key: value}))}" for key, value in before.items()]
    text = "\n".join(lines).replace("\n", ending)
    after = update(text, {key: None if value is None else Sensitive(value) for key, value in changes.items()})
    wanted = before | changes
    assert plain(parse(after)) == {key: value for key, value in wanted.items() if value is not None}
    for key, line in zip(before, lines, strict=True):
        if key not in changes:
            assert line.replace("\n", ending) in after


def test_an_update_keeps_export_comments_and_quoting() -> None:
    """Only the value is replaced: `export`, blanks and a comment stay, and so does the quoting of an equal value."""
    text = "\ufeff# top\nexport A = old # keep\nB=\"same\"\nC='x\ny'\n\n# end"
    changes: dict[str, Sensitive | None] = {
        "A": Sensitive("a b"),
        "B": Sensitive("same"),
        "C": None,
        "D": Sensitive("1"),
    }
    assert update(text, changes) == "\ufeff# top\nexport A = 'a b' # keep\nB=\"same\"\n\n# end\nD=1\n"


def test_an_update_fills_an_empty_value_before_its_comment() -> None:
    """`KEY= # words` has an empty value; the new one goes before the comment."""
    assert update("A= # words\nB=\n", sealed({"A": "1", "B": "2"})) == "A=1 # words\nB=2\n"


def test_an_update_refuses_a_file_that_cannot_be_read() -> None:
    """Nothing is edited in a file that the grammar refuses."""
    with pytest.raises(DotenvError):
        update("A='", sealed({"B": "1"}))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", "K=\n"),
        ("postgres://u@h:5432/d", "K=postgres://u@h:5432/d\n"),
        ("two words", "K='two words'\n"),
        ('{"a": "$b"}', 'K=\'{"a": "$b"}\'\n'),
        ("a\nb", "K='a\nb'\n"),
        ("it's", 'K="it\'s"\n'),
        ("it's $5 \\ `x`", 'K="it\'s \\$5 \\\\ \\`x\\`"\n'),
        ("a\r\nb", 'K="a\\r\nb"\n'),
    ],
)
def test_the_quietest_form_is_written(value: str, written: str) -> None:
    """Bare when that is safe, single quotes when they can hold the value, double quotes with escapes otherwise."""
    assert render({"K": Sensitive(value)}) == written


@pytest.mark.parametrize(
    "value", ["two words", 'it\'s $5 \\ `x` "y"', "a\nb", "#", "~", "!x", "*", " lead", "\ttab", "a;b&c"]
)
def test_a_shell_reads_what_is_written(value: str, tmp_path: Path) -> None:
    """A value without a carriage return reads the same in `sh`."""
    (tmp_path / "env").write_text(render({"K": Sensitive(value)}))
    run = subprocess.run(["sh", "-c", '. ./env; printf "%s" "$K"'], cwd=tmp_path, capture_output=True, check=True)
    assert run.stdout.decode() == value


@pytest.mark.parametrize(
    ("key", "value"), [("1A", "x"), ("", "x"), ("A B", "x"), ("A" * 257, "x"), ("K", "\0"), ("K", "\ud800")]
)
def test_what_no_file_can_hold_is_not_written(key: str, value: str) -> None:
    """A bad name, NUL and lone surrogates are refused; the message names the key at most."""
    with pytest.raises(ValueError, match=r"name|K contains"):
        render({key: Sensitive(value)})


def test_a_lone_surrogate_is_refused_when_read() -> None:
    """A text (not bytes) may carry a lone surrogate; it is refused with its line."""
    with pytest.raises(DotenvError, match=r"line 2: a lone surrogate"):
        parse("A=1\nB=\ud800\n")


def test_lines_are_remembered() -> None:
    """Every key knows the line of its name, so that whoever refuses it later can say where it stands."""
    read = parse("# c\nA='1\n2\n3'\n\nexport B=2")
    assert {key: read.line(key) for key in read} == {"A": 2, "B": 6}
    assert len(read) == 2


def test_values_stay_masked() -> None:
    """What is read shows no value by accident."""
    read = parse(f"A={CANARY}\n")
    assert CANARY not in repr(read) + str(read["A"]) + repr(dict(read))


@pytest.mark.parametrize(
    "piece", ["A{n}='v {n}'\n", "A{n}=x # y\n", 'A{n}="\\\\{n}"\n', "A{n}=  # y\n", "A{n}='\n'\r\n"]
)
def test_reading_is_linear(piece: str) -> None:
    """Eight times the lines take at most about eight times as long: 100,000 lines stay under two seconds."""

    def seconds(lines: int) -> float:
        text = "".join(piece.format(n=number) for number in range(lines))
        gc.collect()
        gc.disable()  # what the whole suite has made so far would be looked through meanwhile
        try:
            start = time.process_time()
            parse(text)
            return time.process_time() - start
        finally:
            gc.enable()

    seconds(1_000)
    short = seconds(12_500)
    long = seconds(100_000)
    assert long < 2
    assert long < 24 * short + 0.05


@pytest.mark.parametrize(
    "text",
    [
        "A=" + " #" * 200_000,
        "A='" * 100_000,
        'A="' + "\\" * 400_000,
        "export " * 100_000,
        " " * 400_000 + "x",
        "A" * 400_000,
    ],
)
def test_a_long_line_cannot_make_reading_slow(text: str) -> None:
    """One line of hundreds of kilobytes, built to make patterns backtrack, is judged in well under a second."""
    start = time.process_time()
    with contextlib.suppress(DotenvError):
        parse(text)
    assert time.process_time() - start < 0.5


def test_every_example_of_the_grammar_page_is_true() -> None:
    """Each line of the tables in docs/dotenv.md, which a reader takes for granted, is what the reader does."""
    page = GRAMMAR.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `` (.*) `` \| (?:`` (.*) ``|(refused.*|empty)) \|", page, re.MULTILINE)
    assert len(rows) >= 20
    for written, value, words in rows:
        text = written.replace("⏎", "\n").replace("→", "\t")
        if words.startswith("refused"):
            with pytest.raises(DotenvError):
                parse(text)
        else:
            assert plain(parse(text)) == {"K": value.replace("⏎", "\n").replace("→", "\t")}, written


def test_what_is_storable_is_what_the_server_says() -> None:
    """The strategy above draws storable values only."""
    assert unstorable("\0") == "NUL"
    assert unstorable("\udfff") == "a lone surrogate"
    assert unstorable("\ufeff\u202e😀") is None
