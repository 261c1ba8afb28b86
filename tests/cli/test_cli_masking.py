"""`keyway run --mask`: nothing of a value gets through, and everything else does."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import leaking
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keyway_cli.masking.forms import PUBLIC_GRAMS, Lookup
from keyway_cli.masking.redactor import MARK, Redactor
from keyway_cli.masking.relay import Masked
from oracle.report import Record
from peer import listening, pulled
from person import Person

LONG = "canary-3f9a7c51e8-long-value"
SHORT = "canary-12345"


def masked(chunks: list[bytes], *values: str, silence: bool = False) -> bytes:
    """What gets through of some chunks; with `silence` the program pauses after each."""
    redactor = Redactor(Lookup(values))
    shown = b"".join(redactor.feed(chunk) + (redactor.flush() if silence else b"") for chunk in chunks)
    return shown + redactor.flush(end=True)


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipes"])
def test_nothing_gets_through_whatever_a_program_does(
    alice: Person,
    terminal: bool,  # noqa: FBT001
    record_property: Record,
) -> None:
    """Every transformation in every way of printing, through the real command; what is not promised is seen."""
    kept = leaking.values(11, count=8)
    counts = leaking.leaks(leaking.printed(alice, kept, terminal=terminal), kept)
    assert all(tries == leaking.prints(kept) for tries, _ in counts.values()), counts
    assert {name: found for name, (_, found) in counts.items() if name in leaking.TRANSFORMS and found} == {}
    assert all(counts[name][1] for name in leaking.NOT_PROMISED)
    for name, (tries, found) in counts.items():
        note = " (not promised)" if name in leaking.NOT_PROMISED else ""
        place = "at a terminal" if terminal else "in a pipe"
        record_property(f"masking {place}, {name}", f"{found} leaks in {tries} prints{note}")


@pytest.mark.parametrize("name", leaking.TRANSFORMS)
def test_a_value_that_is_cut_anywhere_is_shown_no_more_than_one_that_is_not(name: str) -> None:
    """Read in two, at each of its bytes: not one byte of it is let go before it is known what it begins."""
    made = leaking.values(3)
    kept = [made[key] for key in ("V0", "V12", "URL", "UNICODE", "TOKEN")]
    for value in [*kept, SHORT, "sslmode=verify-f"]:
        form = leaking.TRANSFORMS[name](value)
        uncut = masked([b"<<<" + form + b">>>"], value)
        lookup = Lookup([value])
        for place in range(len(form) + 1):
            redactor = Redactor(lookup)
            shown = redactor.feed(b"<<<" + form[:place]) + redactor.feed(form[place:] + b">>>")
            assert shown + redactor.flush(end=True) == uncut, place


@pytest.mark.parametrize("value", [LONG, SHORT])
def test_what_arrives_in_two_is_written_when_it_is_masked(value: str) -> None:
    """What a terminal and a pipe write with: nothing of a value before the program has been silent."""
    for place in range(len(value) + 1):
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as written:
            output = Masked(Lookup([value]), writer)
            output.write(b"<<<" + value[:place].encode())
            output.write(value[place:].encode() + b">>>")
            output.end()
            os.close(writer)
            assert written.read() == b"<<<" + MARK + b">>>", place


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_everything_else_gets_through(noise: bytes, sizes: list[int]) -> None:
    """Bytes that hold no value come out as they went in, however they are cut."""
    data, chunks = noise * 3, []
    random.Random(0).shuffle(sizes)  # noqa: S311 - a test's
    place = 0
    while place < len(data):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(data[place : place + size])
        place += size
    assert masked(chunks, LONG, SHORT) == data
    assert masked(chunks, LONG, SHORT, silence=True) == data


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=16, max_size=40), st.integers(1, 9), st.booleans())
@example("000ps://github.c", 1, False)  # noqa: FBT003 - ends in what many values share
@example("sslmode=verify-f", 1, False)  # noqa: FBT003 - is what many values share
@example("sslmode=verify-f", 9, True)  # noqa: FBT003
@example("000000000000000*", 1, True)  # noqa: FBT003 - looks like our mark
@example("github0000000000", 1, True)  # noqa: FBT003 - begins with what many values share
def test_a_value_of_any_text_is_masked_however_it_is_cut(value: str, size: int, silence: bool) -> None:  # noqa: FBT001
    """What is around it stays. A program that pauses inside a value shows at most five bytes of it, or what many values
    share: that is not held back from whoever is asked something.
    """
    raw = value.encode(errors="surrogatepass").decode(errors="replace").encode()
    data = b"<<<" + raw + b">>>"
    chunks = [data[place : place + size] for place in range(0, len(data), size)]
    shown = masked(chunks, raw.decode(), silence=silence)
    assert shown.replace(b"\r", b"").startswith(b"<<<")
    assert shown.endswith(b">>>")
    plain = raw.replace(b"\r", b"")
    if len(plain) >= 16 and b"\x1b" not in raw and b"<<" not in raw and b">>" not in raw:
        pieces = {plain[place : place + 6] for place in range(len(plain) - 5)}
        pieces -= PUBLIC_GRAMS if silence else set()
        assert not [piece for piece in pieces for part in shown.split(MARK) if piece in part]


def test_a_value_is_one_mark() -> None:
    """Not one for every piece, and not one for every line."""
    assert masked([b"a " + LONG.encode() + b" b"], LONG) == b"a " + MARK + b" b"
    assert masked([bytes([byte]) for byte in f"a {LONG} b".encode()], LONG) == b"a " + MARK + b" b"
    lines = "first line of it\nsecond line of it\n"
    assert masked([f"a {lines}b".replace("\n", "\r\n").encode()], lines) == b"a " + MARK + b"b"


def test_what_is_short_or_common_is_left_alone() -> None:
    """Else every log would be garbled; as part of a value the common beginnings are masked too."""
    words = b"production true 8080 abc https://example.com postgresql:// localhost"
    url = "postgresql://ann:canary-password@localhost:5432/db"
    assert masked([words], "production", "true", "8080", "abc", "https://api.example.com/v1", url) == words
    assert masked([url.encode()], url) == MARK


def test_a_short_value_is_masked_whole() -> None:
    """In pieces, and when the program pauses in its middle."""
    for size in (1, 3, 5):
        chunks = [f"x {SHORT} y".encode()[place : place + size] for place in range(0, 16, size)]
        assert masked(chunks, SHORT) == b"x " + MARK + b" y"
    assert masked([b"x canary", b"-12345 y"], SHORT, silence=True) == b"x " + MARK + b" y"


def test_what_is_asked_is_seen_before_it_is_answered() -> None:
    """A prompt without a line end is let go as soon as the program is silent."""
    redactor = Redactor(Lookup([LONG, SHORT]))
    assert redactor.feed(b"name? ") + redactor.flush() == b"name? "


def test_a_great_deal_of_values_costs_neither_memory_nor_misses() -> None:
    """4 MiB of values: pieces have to be longer, whole values are still found."""
    rng = random.Random(5)  # noqa: S311 - a test's
    values = [rng.randbytes(30_000).hex() for _ in range(16)]
    lookup = Lookup(values)
    assert len(lookup.grams) + len(lookup.hex_grams) < 1_000_000
    redactor = Redactor(lookup)
    data = values[3].encode()
    shown = redactor.feed(data[:20_000]) + redactor.feed(data[20_000:]) + redactor.flush(end=True)
    assert shown == MARK


def test_the_token_itself_is_masked(alice: Person) -> None:
    """KEYWAY_TOKEN is in the program's environment, and does not leave it."""
    token = "kw_canary_token_0123456789"
    with listening(lambda _: pulled({"A": "1"})) as server:
        done = alice.at(server.url, token).keyway("run", "--mask", "--", "env")
    assert "KEYWAY_TOKEN=*****" in done.out
    assert token not in done.out


@pytest.mark.parametrize("variable", ["CLAUDECODE", "CURSOR_AGENT", "CODEX_HOME", "OPENCODE", "AGENT"])
def test_an_assistant_reads_masked_output(alice: Person, variable: str) -> None:
    """Without being asked to; not to mask takes a person."""
    with listening(lambda _: pulled({"A": LONG})) as server:
        alice.at(server.url)
        done = alice.keyway("run", "--", "env", **{variable: "1"})
        assert "A=*****" in done.out
        assert LONG not in done.out
        refused = alice.keyway("run", "--no-mask", "--", "env", **{variable: "1"})
        assert (refused.code, refused.out) == (2, "")
        assert LONG in alice.keyway("run", "--", "env").out


def test_both_streams_stay_apart(alice: Person) -> None:
    """In pipes: errors are masked too, and are still errors."""
    code = "import os, sys; print('out', os.environ['A']); print('err', os.environ['A'], file=sys.stderr)"
    with listening(lambda _: pulled({"A": LONG})) as server:
        done = alice.at(server.url).keyway("run", "--mask", "--", sys.executable, "-c", code)
    assert (done.out, done.err) == ("out *****\n", "err *****\n")


def test_a_reader_that_leaves_ends_the_program(alice: Person) -> None:
    """`keyway run --mask -- yes | head` ends."""
    with listening(lambda _: pulled({"A": LONG})) as server:
        alice.at(server.url)
        script = f"{leaking.KEYWAY} run --mask -- yes | head -n 2"
        done = subprocess.run(
            ["sh", "-c", script], cwd=alice.clone, env=alice.variables, capture_output=True, timeout=180, check=False
        )
    assert done.stdout == b"y\ny\n"


def test_a_child_that_stays_does_not_hold_us_up(alice: Person) -> None:
    """A program that leaves something behind with our pipe ends all the same, with its own code."""
    with listening(lambda _: pulled({"A": LONG})) as server:
        alice.at(server.url)
        done = alice.keyway("run", "--mask", "--", "sh", "-c", "sleep 45 & echo $!; exit 3")
        assert done.code == 3
        os.kill(int(done.out), 9)


def test_large_output_is_complete(alice: Person) -> None:
    """Some megabytes arrive byte by byte as they were."""
    count = 40_000
    with listening(lambda _: pulled({"A": LONG})) as server:
        code = f"for n in range({count}): print(f'line {{n}} of an ordinary log, nothing to see')"
        done = alice.at(server.url).keyway("run", "--mask", "--", sys.executable, "-c", code)
    lines = done.out.splitlines()
    assert (len(lines), lines[-1]) == (count, f"line {count - 1} of an ordinary log, nothing to see")


def test_masking_is_quick_enough_to_be_left_on() -> None:
    """Not a measurement: a megabyte of log takes nowhere near a minute."""
    started = time.monotonic()
    assert masked([b"2026-01-01 INFO something happened in a module\n" * 20_000], *(f"{LONG}{n}" for n in range(50)))
    assert time.monotonic() - started < 60
