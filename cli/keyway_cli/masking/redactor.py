"""A stream of bytes without the values in it.

What is printed in pieces is found all the same: the search always sees what was printed before. The last few bytes are
held back until it is known what they begin; when a program falls silent (it may be asking something) they are let go,
and of a long value at most five bytes can have been shown before the rest is masked, or a beginning that many values
share (`forms.PUBLIC_GRAMS`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from keyway_cli.masking.forms import GRAM, HEX_GRAM, PUBLIC_GRAMS, SHORTEST, Lookup, sorted_runs

MARK: Final = b"*****"
_LONGEST_ESCAPE: Final = 4_096
# CSI, OSC and the like (up to BEL or ST), two-byte escapes; and the carriage return, which a terminal adds by itself.
_INVISIBLE: Final = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-OQ-WYZ`-~\\])|\r"
)
_HEX: Final = re.compile(rb"[0-9a-fA-F]{8,}")
_UNFINISHED: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z")


class _View:
    """Bytes without what a terminal does not show, and where each stands in the original."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.shown = data
        self._starts: list[tuple[int, int]] = [(0, 0)]  # (place in what is shown, place in the original)
        if b"\x1b" in data or b"\r" in data:
            self._strip()

    def _strip(self) -> None:
        parts, starts, length, last = [], [], 0, 0
        for found in _INVISIBLE.finditer(self.data):
            if found.start() > last:
                starts.append((length, last))
                parts.append(self.data[last : found.start()])
                length += found.start() - last
            last = found.end()
        starts.append((length, last))
        parts.append(self.data[last:])
        self.shown, self._starts = b"".join(parts), starts

    def pieces(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges of the original that a range of what is shown is made of."""
        ends = [start for start, _ in self._starts[1:]] + [len(self.shown)]
        for (start, origin), stop in zip(self._starts, ends, strict=True):
            if start < end and stop > begin:
                yield origin + max(begin, start) - start, origin + min(end, stop) - start

    def origin(self, place: int) -> int:
        """Where in the original a place of what is shown is; the end for the end."""
        if place >= len(self.shown):
            return len(self.data)
        start, origin = max(pair for pair in self._starts if pair[0] <= place)
        return origin + place - start


class Redactor:
    """Replaces every value in a stream. `feed` gives what may be shown, `flush` what was held back."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._memory: Final = max(lookup.reach, lookup.hex_reach, lookup.longest_short) - 1
        self._before = b""  # what was shown last, without what is invisible
        self._masked_before = 0  # how much of its end was masked
        self._held = b""

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def feed(self, data: bytes) -> bytes:
        """What may be shown now."""
        if not self._lookup:
            return data
        return self._advance(self._held + data, patience=2)

    def flush(self, *, end: bool = False) -> bytes:
        """What was held back, because the program is silent; but not most of a short value, except at the end."""
        return self._advance(self._held, patience=0 if end else 1) if self._held else b""

    def _advance(self, data: bytes, *, patience: int) -> bytes:
        unfinished = _UNFINISHED.search(data, max(0, len(data) - _LONGEST_ESCAPE)) if patience else None
        tail = data[unfinished.start() :] if unfinished else b""
        view = _View(data[: len(data) - len(tail)])
        old = len(self._before)
        text = self._before + view.shown
        found, undecided = self._found(text)
        runs = [(begin - old, end - old) for begin, end in found if end > old]
        ready = len(view.shown) - max(self._to_hold(text, runs, old, patience), undecided if patience == 2 else 0)
        ready = max(ready, runs[-1][1] if runs else 0, 0)
        shown, rest = (
            self._rendered(view, runs, ready),
            view.data[view.origin(ready) :] if ready < len(view.shown) else b"",
        )
        if ready:
            self._remember(text[: old + ready], found)
        self._held = rest + tail
        return shown

    def _found(self, text: bytes) -> tuple[list[tuple[int, int]], int]:
        """The ranges that are values or pieces of them, and how much of the end is public but may yet become one."""
        lookup, runs, undecided = self._lookup, [], 0
        if lookup.grams:
            for run in _together(lookup.hits(text), GRAM):
                goes_on = self._masked_before and run[0] < len(self._before)
                if goes_on or any(text[hit : hit + GRAM] not in PUBLIC_GRAMS for hit in run):
                    runs.append(_whole(text, run, GRAM, lookup))
                elif run[-1] + 2 * GRAM > len(text):
                    undecided = len(text) - run[0]
            runs += self._in_hex(text)
        if lookup.shorts:
            runs += self._shorts(text)
        return list(sorted_runs(runs)), undecided

    def _in_hex(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Looked for where there are hexadecimal digits enough, which in most output is almost nowhere."""
        grams = self._lookup.hex_grams
        for digits in _HEX.finditer(text):
            places = range(digits.start(), digits.end() - HEX_GRAM + 1)
            for run in _together([place for place in places if text[place : place + HEX_GRAM] in grams], HEX_GRAM):
                yield _whole(text, run, HEX_GRAM, self._lookup)

    def _shorts(self, text: bytes) -> Iterator[tuple[int, int]]:
        shorts = self._lookup.shorts
        for place in [i for i in range(len(text) - SHORTEST + 1) if text[i : i + SHORTEST] in shorts]:
            for form in shorts[text[place : place + SHORTEST]]:
                if text.startswith(form, place):
                    yield place, place + len(form)

    def _to_hold(self, text: bytes, runs: list[tuple[int, int]], old: int, patience: int) -> int:
        """How many bytes of the end may be the beginning of a value."""
        new = len(text) - old
        if runs and runs[-1][1] >= new:
            return 0
        free = new - max(runs[-1][1], 0) if runs else new
        tail = 0
        if self._lookup.shorts and patience:
            longest = min(self._lookup.longest_short - 1, len(text))
            lengths = range(longest, 0, -1)
            tail = next((n for n in lengths if text[len(text) - n :] in self._lookup.short_prefixes), 0)
            tail = tail if patience == 2 or tail >= SHORTEST else 0
        if patience == 2 and self._lookup.grams:
            tail = max(tail, self._lookup.reach - 1, self._lookup.hex_reach - 1)
        return min(tail, free)

    def _rendered(self, view: _View, runs: list[tuple[int, int]], ready: int) -> bytes:
        """The original up to a place, each run a mark; what is invisible stays, but for returns inside a run."""
        cut = view.origin(ready)
        if not runs:
            return view.data[:cut]
        parts, last = [], 0
        for begin, end in runs:
            for number, (first, after) in enumerate(view.pieces(max(begin, 0), min(end, ready))):
                between = view.data[last:first]
                inside = number > 0
                parts.append(between.replace(b"\r", b"") if inside else between)
                continues = begin < 0 and self._masked_before > 0
                if number == 0 and not continues:
                    parts.append(MARK)
                last = after
        parts.append(view.data[last:cut])
        return b"".join(parts)

    def _remember(self, text: bytes, runs: list[tuple[int, int]]) -> None:
        self._before = text[-self._memory :] if self._memory else b""
        self._masked_before = next((end - begin for begin, end in runs if end == len(text)), 0)


def _together(hits: list[int], size: int) -> Iterator[list[int]]:
    """Places of pieces, those that overlap in one list."""
    begin = 0
    for number, place in enumerate(hits):
        if number + 1 == len(hits) or hits[number + 1] >= place + size:
            yield hits[begin : number + 1]
            begin = number + 1


def _whole(text: bytes, run: list[int], size: int, lookup: Lookup) -> tuple[int, int]:
    """The range of overlapping pieces; of sparse ones, made as long as the values that they belong to."""
    begin, end = run[0], run[-1] + size
    if lookup.step == 1:
        return begin, end
    end = begin
    for hit in run:
        for form, place in lookup.places.get(text[hit : hit + size], []):
            if hit < end and not text.startswith(form[place : place + end - hit + 1], hit):
                continue  # it ends within what is found already
            ahead = _alike(text[hit:], form[place:])
            back = _alike(text[:hit][::-1], form[:place][::-1]) if hit - place < begin else 0
            begin, end = min(begin, hit - back), max(end, hit + ahead)
    return begin, max(end, run[-1] + size)


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes at the beginning of both are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
