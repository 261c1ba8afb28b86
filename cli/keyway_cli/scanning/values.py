"""The values of a vault, found in text without having them: the server gives keyed digests, which are compared here.

The key is of one answer alone. Nothing of what is scanned leaves the machine: no text, no digest of it.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from keyway_core.guessing import LEAST_CHARACTERS

from keyway_cli.scanning.engine import Hit
from keyway_cli.scanning.rules import Rule

KIND: Final = Rule("vault-value", -1, {"name": "value of this vault", "value": "", "entropy": 0})
_MOST_TESTED: Final = 300_000
_LONGEST: Final = 4_096
_OUTER: Final = b" \t\r\n\"'`<>,;()[]{}|\\"
_INNER: Final = b"=:&@?#/"
_TO_OUTER: Final = bytes(0x20 if byte in _OUTER else byte for byte in range(256))
_TO_INNER: Final = bytes(0x20 if byte in _OUTER + _INNER else byte for byte in range(256))
_QUOTED: Final = re.compile(rb'"((?:[^"\\\n]|\\.){12,4096})"|\'((?:[^\'\\\n]|\\.){12,4096})\'')
_ASSIGNED: Final = re.compile(rb"(?m)^[ \t]*[\w.\"'-]{1,80}[ \t]*[=:][ \t]*([^\n]{12,4096}?)[ \t]*\r?$")
_BLOCK: Final = re.compile(rb"-----BEGIN [^\n-]{3,40}-----[\s\S]{20,16000}?-----END [^\n-]{3,40}-----\n?")
_ESCAPED: Final = re.compile(rb"\\([nrt\"'/\\])")
_PLAIN: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{16,4096}={0,2}")


class Digests(NamedTuple):
    """What the server tells of one environment: the key, and the digests by name."""

    environment: str
    key: bytes
    names: dict[bytes, str]


class Values:
    """Looks for strings whose digest is that of a value."""

    def __init__(self, environments: list[Digests]) -> None:
        self._environments: Final = environments
        self._tested: set[bytes] = set()
        self._known: Final[dict[bytes, str]] = {}

    def __call__(self, data: bytes) -> Iterator[Hit]:
        """Every place of a block where a value stands, as it is or in one of its usual writings."""
        candidates = set(_candidates(data))
        self._test(candidates - self._tested)
        for text in candidates & self._known.keys():
            place = data.find(text)
            while place >= 0:
                yield Hit(KIND, place, place, place + len(text), self._known[text])
                place = data.find(text, place + len(text))

    def _test(self, new: set[bytes]) -> None:
        if len(self._tested) > _MOST_TESTED:
            self._tested.clear()
        self._tested |= new
        for text in new:
            for form in _forms(text):
                if told := self._name_of(form):
                    self._known[text] = told
                    break

    def _name_of(self, text: bytes) -> str:
        if len(text) < LEAST_CHARACTERS:
            return ""
        for one in self._environments:
            name = one.names.get(hmac.digest(one.key, text, "sha256"))
            if name is not None:
                return f"{name} of {one.environment}"
        return ""


def _candidates(data: bytes) -> Iterator[bytes]:
    """Strings that somebody could have meant as one: words, what is quoted, what is assigned, and PEM blocks."""
    for table in (_TO_OUTER, _TO_INNER):
        for word in set(data.translate(table).split()):
            if LEAST_CHARACTERS <= len(word) <= _LONGEST:
                yield word
                for sign in (b"=", b":"):
                    rest = word.partition(sign)[2]
                    if len(rest) >= LEAST_CHARACTERS:
                        yield rest
    for one, other in _QUOTED.findall(data):
        yield one or other
    yield from _ASSIGNED.findall(data)
    if b"-----BEGIN " in data:
        for block in _BLOCK.findall(data):
            yield block
            yield block.rstrip(b"\n")


def _forms(text: bytes) -> Iterator[bytes]:
    """A string, and what it is when it is taken out of escapes, percents or Base64."""
    yield text
    if b"\\" in text:
        yield _ESCAPED.sub(lambda found: _PLAIN.get(found[1], found[1]), text)
    if b"%" in text:
        yield unquote_to_bytes(text)
    if text.endswith((b".", b"!")):
        yield text[:-1]
    if _BASE64.fullmatch(text):
        try:
            yield b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_" if b"-" in text or b"_" in text else None)
        except (binascii.Error, ValueError):
            return
