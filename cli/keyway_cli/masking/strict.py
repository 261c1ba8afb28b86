"""What a program printed, without any piece of a value that can be recognised. For readers that are not trusted.

The relay (`masking.relay`) is for people: it keeps a log readable. This is for an assistant that may have chosen the
program in order to learn values. So a piece of four characters of a value is cut, and in transformed output a piece of
a little more: turned round, another case, rot13, hexadecimal, octal, decimal, Base64, Base32, Base85, one character per
line. What looks random is cut too, whatever it is. A program that means to can still say a value in a way that nobody
recognises (docs/mcp.md): that is why a person approves which program runs.
"""

from __future__ import annotations

import codecs
import re
from base64 import a85encode, b32encode, b85encode
from collections.abc import Iterable, Iterator
from typing import Final

from keyway_cli.masking.forms import (
    PUBLIC_GRAMS,
    TRIVIAL,
    base64_forms,
    hex_forms,
    is_masked,
    sorted_runs,
    text_forms,
)

MARK: Final = "[hidden]"
RAW: Final = 4
FOLDED: Final = 5
SQUEEZED: Final = 6
NUMERIC: Final = 8
_OPAQUE_LENGTH: Final = 20
_LONGEST_WORD: Final = 24
_MOST_BYTES: Final = 4_096  # of one value: pieces of it beyond are looked for as it is, and in no other form
_ESCAPES: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
_INVISIBLE: Final = bytes(set(range(32)) - {9, 10} | {127})
_NOT_ALNUM: Final = re.compile(rb"[^0-9a-z]+")
_TOKEN: Final = re.compile(rf"[A-Za-z0-9+/=_\-]{{{_OPAQUE_LENGTH},}}")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_PUBLIC: Final = {
    word[place : place + RAW].lower() for word in (*TRIVIAL, *PUBLIC_GRAMS) for place in range(len(word) - RAW + 1)
}


class Strict:
    """Cuts what could tell something of these values out of a text."""

    def __init__(self, values: Iterable[str]) -> None:
        self._raw: Final[set[bytes]] = set()
        self._folded: Final[set[bytes]] = set()
        self._squeezed: Final[set[bytes]] = set()
        self._numeric: Final[set[bytes]] = set()
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """More of them."""
        for value in dict.fromkeys(values):
            if is_masked(value):
                self._add(value)

    def redact(self, output: bytes) -> str:
        """The text of what was printed; each piece of a value, and each run that looks random, as one mark."""
        shown = _ESCAPES.sub(b"", output).translate(None, _INVISIBLE)
        runs = [*self._plain(shown), *self._without_marks_between(shown)]
        parts, last = [], 0
        for begin, end in sorted_runs(runs):
            parts.append(_text(shown[last:begin]))
            last = end
        parts.append(_text(shown[last:]))
        return MARK.join(_without_opaque(part) for part in parts)

    def _add(self, value: str) -> None:
        raw = value.encode()
        self._raw.update(_pieces(raw, RAW))
        raw = raw[:_MOST_BYTES]
        text = raw.decode(errors="ignore")
        once = base64_forms(raw)
        rotated = codecs.encode(text, "rot13").encode()
        for form in _lowered((*text_forms(text), raw[::-1], rotated, *once, *_other_bases(raw))):
            self._folded.update(_pieces(form, FOLDED))
            self._squeezed.update(_pieces(_NOT_ALNUM.sub(b"", form), SQUEEZED))
        for form in _lowered((*base64_forms(raw[::-1]), *(twice for one in once for twice in base64_forms(one)))):
            self._folded.update(_pieces(form, FOLDED + 1))
        for form in _lowered(_numbers(raw)):
            self._numeric.update(_pieces(form, NUMERIC))

    def _plain(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Pieces as they stand there."""
        lowered = text.lower()
        for begin, end in sorted_runs(_hits(text, self._raw, RAW)):
            if any(lowered[place : place + RAW] not in _PUBLIC for place in range(begin, end - RAW + 1)):
                yield begin, end
        for size in (FOLDED, FOLDED + 1):
            for begin, end in sorted_runs(_hits(lowered, self._folded, size)):
                if any(lowered[place : place + RAW] not in _PUBLIC for place in range(begin, end - RAW + 1)):
                    yield begin, end

    def _without_marks_between(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Pieces whose characters stand apart: one per line, in columns of numbers, with commas between."""
        lowered = text.lower()
        places = [place for place, byte in enumerate(lowered) if 48 <= byte <= 57 or 97 <= byte <= 122]
        squeezed = bytes(lowered[place] for place in places)
        for grams, size in ((self._squeezed, SQUEEZED), (self._numeric, NUMERIC)):
            for begin, end in sorted_runs(_hits(squeezed, grams, size)):
                if any(squeezed[place : place + RAW] not in _PUBLIC for place in range(begin, end - RAW + 1)):
                    yield places[begin], places[end - 1] + 1


def _hits(text: bytes, grams: set[bytes], size: int) -> list[tuple[int, int]]:
    if not grams:
        return []
    return [(place, place + size) for place in range(len(text) - size + 1) if text[place : place + size] in grams]


def _lowered(forms: Iterable[bytes]) -> set[bytes]:
    """Without the case, and what is the same then once."""
    return {form.lower() for form in forms}


def _pieces(form: bytes, size: int) -> Iterator[bytes]:
    return (form[place : place + size] for place in range(len(form) - size + 1))


def _other_bases(raw: bytes) -> Iterator[bytes]:
    for skipped in range(5):
        yield b32encode(raw[skipped:]).rstrip(b"=")
    for skipped in range(4):
        yield a85encode(raw[skipped:])
        yield b85encode(raw[skipped:])


def _numbers(raw: bytes) -> Iterator[bytes]:
    """Every byte as a number, in the ways in which dumps and escapes write them, without what stands between."""
    turned = raw[::-1]
    for one in (raw, turned):
        yield from hex_forms(one)
        yield "".join(f"x{byte:02x}" for byte in one).encode()
        yield "".join(f"0x{byte:02x}" for byte in one).encode()
        yield "".join(f"0x{byte:x}" for byte in one).encode()
        yield "".join(f"u{byte:04x}" for byte in one).encode()
        yield "".join(f"{byte:03o}" for byte in one).encode()
        yield "".join(f"{byte:o}" for byte in one).encode()
        yield "".join(f"{byte:d}" for byte in one).encode()
        yield "".join(f"{byte:03d}" for byte in one).encode()
        yield "".join(f"{byte:08b}" for byte in one).encode()
    for skipped in (0, 1):  # `od -x`: two bytes at a time, the second one first
        rest = raw[skipped:]
        pairs = [rest[place : place + 2][::-1].hex() for place in range(0, len(rest) - 1, 2)]
        yield "".join(pairs).encode()


def _text(data: bytes) -> str:
    decoded = data.decode(errors="replace")
    return "".join(char if char in "\n\t" or char.isprintable() else "\ufffd" for char in decoded)


def _without_opaque(text: str) -> str:
    return _TOKEN.sub(lambda found: MARK if _is_opaque(found[0]) else found[0], text)


def _is_opaque(token: str) -> bool:
    """Whether a run looks random: not made of words and short numbers, as paths and names are."""
    words = _WORD.findall(token)
    if any(len(word) > _LONGEST_WORD for word in words):
        return True
    if len(set(token)) <= 3:
        return False  # a rule, as under a heading
    letters = sum(char.isalnum() for char in token)
    return letters >= _OPAQUE_LENGTH // 2 and len(words) * 3 > letters
