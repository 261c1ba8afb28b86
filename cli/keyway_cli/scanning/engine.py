"""The search. Most of a file is passed over without a pattern being tried:

1. A block of text is cut into words (letters, digits, `_`, `-`), and words that were judged before are set aside. In a
   tree or a history the same words come again and again, so few are new.
2. A new word counts when it begins like a secret, or when its letters hold a name that secrets are kept under.
3. Only where such a word stands, the patterns of its kinds are tried.

Blocks overlap by more than the longest find, so that memory is bounded and no find is cut in two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from keyway_cli.scanning.rules import Rule

BLOCK: Final = 1 << 18
OVERLAP: Final = 1 << 15
_MOST_WORDS: Final = 400_000
_WORD_BYTES: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
_TO_WORDS: Final = bytes(byte if byte in _WORD_BYTES else 0x20 for byte in range(256))
_HEAD: Final = 3
_ESCAPES: Final = (b"\\n", b"\\t", b"\\r")
_NOT_JOINERS: Final = b"_-"
# From the name to its value: `NAME = "`, `"name": "`, `NAME", "`, `<name>`, `--name `, `name" value="`, and the entries
# of manifests whose value stands on the next line. What the group `blank` holds was no sign of assignment.
_GLUE: Final = re.compile(
    rb"""(?:\.[\w-]{1,40}){0,3}[\\"'`\])}]{0,4}
    (?: [ \t]{0,4}[,{]?[ \t]*\r?\n\s{0,40}(?:type[ ]*=[ ]*\w+\s+)?["']?(?:value|Value|default)["']?[ \t]*[=:][ \t]*
      | [ \t]{1,4}(?:value|content)[ \t]?=[ \t]?
      | [ \t]{0,20}
        (?: :[ \t]*[A-Za-z&][\w\[\]<>, |.&']{0,40}?[ \t]=[ \t] | :- | := | => | -> | \?\?=? | \|\|=? | ={1,3} | [:>,(] )
        [ \t]{0,20}
      | (?P<blank>[ \t]{1,4})
    )
    (?:[A-Za-z_$][\w.$:]{0,40}\([ \t]{0,4})?
    (?:[rbfuRBFUL@$]{1,2}(?=["'`]))?
    [\\"'`(\[]{0,4}""",
    re.VERBOSE,
)


# What no kind that is found by its name is shorter than, but for the first word of an Authorization header.
_VALUE: Final = re.compile(rb"""[^\s"'`<>]{8}|[A-Za-z]{5,6}[ ]""")
_DOTTED: Final = re.compile(rb"(?m)^[ \t]*[\w.-]+(?=[ \t]*[=:])")
_Beginnings = dict[bytes, list[tuple[bytes, Rule]]]


class Found(NamedTuple):
    """A secret in a file: its kind, where it is (from 1), and the secret itself, which is never shown."""

    rule: Rule
    line: int
    column: int
    last_line: int
    secret: bytes
    text: bytes
    told: str


class Hit(NamedTuple):
    """A secret in a block: where the search for it began, where it stands, and what else is known of it."""

    rule: Rule
    anchor: int
    start: int
    end: int
    told: str = ""


class _Word(NamedTuple):
    """What a word may stand before: literal beginnings with their kinds, and kinds whose name it holds."""

    starts: tuple[tuple[bytes, Rule], ...]
    near: tuple[Rule, ...]


class Engine:
    """Searches one file after another, and remembers words."""

    def __init__(self, rules: list[Rule], more: Callable[[bytes], Iterator[Hit]] | None = None) -> None:
        self._more: Final = more
        self._whole, self._heads = _beginnings(rules)
        self._near: Final = _names(rules)
        self._flag: Final = re.compile(_alternation(self._near))
        self._known: set[bytes] = set()
        self._telling: dict[bytes, _Word] = {}
        self._told: set[bytes] = set()

    def search(self, read: Callable[[int], bytes], name: str) -> Iterator[Found]:
        """Every secret in what is read, in order; none that overlaps another."""
        data, line, column = b"", 1, 0
        dotted = name.endswith(".properties")
        while block := read(BLOCK):
            data += _DOTTED.sub(_joined, block) if dotted else block
            cut = _cut(data)
            yield from self._found(data, cut, name, line, column)
            gone = data[:cut]
            line += gone.count(b"\n")
            column = cut - gone.rfind(b"\n") - 1 if b"\n" in gone else column + cut
            data = data[cut:]
        yield from self._found(data, len(data), name, line, column)

    def _found(self, data: bytes, until: int, name: str, line: int, column: int) -> Iterator[Found]:
        """What begins before a place."""
        hits = [hit for hit in self._hits(data, name) if hit.anchor < until]
        for hit in _apart(hits):
            before = data.rfind(b"\n", 0, hit.start) + 1
            here = line + data.count(b"\n", 0, hit.start)
            width = len(data[before : hit.start].decode("utf-8", "replace")) + (0 if before else column)
            secret = data[hit.start : hit.end]
            after = data.find(b"\n", hit.end)
            text = data[before : after if after >= 0 else len(data)]
            yield Found(hit.rule, here, width + 1, here + secret.rstrip().count(b"\n"), secret, text, hit.told)

    def _hits(self, data: bytes, name: str) -> Iterator[Hit]:
        seen: set[tuple[int, int]] = set()
        asked: dict[tuple[Rule, ...], list[Rule]] = {}
        for word, told in self._words(data):
            for start, rule in told.starts:
                if rule.concerns(name):
                    yield from _starting(data, start, rule)
            if told.near not in asked:
                asked[told.near] = [rule for rule in told.near if rule.concerns(name)]
            if near := asked[told.near]:
                yield from _named(data, word, near, seen)
        if self._more is not None:
            yield from self._more(data)

    def _words(self, data: bytes) -> Iterator[tuple[bytes, _Word]]:
        """The words of a block that say something, beginnings that several of them share once."""
        text = data
        for escape in _ESCAPES:
            if escape in text:
                text = text.replace(escape, b"  ")
        words = set(text.translate(_TO_WORDS).split())
        new = words - self._known
        if new:
            self._judge(new)
        shared: set[bytes] = set()
        for word in words & self._told:
            told = self._telling[word]
            starts = tuple(pair for pair in told.starts if pair[0] not in shared)
            shared.update(start for start, _ in told.starts)
            yield word, told._replace(starts=starts)

    def _judge(self, new: set[bytes]) -> None:
        if len(self._known) > _MOST_WORDS:
            self._known.clear()
            self._telling.clear()
            self._told.clear()
        self._known |= new
        for word in new:
            if word[:_HEAD] in self._heads or word in self._whole:
                starts = [pair for pair in self._heads.get(word[:_HEAD], ()) if word.startswith(_first_word(pair[0]))]
                if found := (*self._whole.get(word, ()), *starts):
                    self._telling[word] = _Word(found, ())
        joined = b"\n".join(new)
        plain = joined.lower().translate(None, _NOT_JOINERS)
        if self._flag.search(plain):
            self._judge_names(joined, plain)
        self._told.update(new & self._telling.keys())

    def _judge_names(self, joined: bytes, plain: bytes) -> None:
        for word, letters in zip(joined.split(b"\n"), plain.split(b"\n"), strict=True):
            if not self._flag.search(letters):
                continue
            rules = {rule for name, found in self._near.items() if name in letters for rule in found}
            near = tuple(sorted(rules, key=lambda rule: rule.order))
            self._telling[word] = self._telling.get(word, _Word((), ()))._replace(near=near)


def _joined(name: re.Match[bytes]) -> bytes:
    """A name whose parts have dots between them, as one word."""
    return name[0].replace(b".", b"_")


def _cut(data: bytes) -> int:
    """Where the next block begins: at a line, far enough before the end."""
    wanted = max(len(data) - OVERLAP, 0)
    line = data.rfind(b"\n", 0, wanted) + 1
    return line if wanted - line < OVERLAP else wanted


def _beginnings(
    rules: list[Rule],
) -> tuple[_Beginnings, _Beginnings]:
    """Beginnings that end a word, by that word; and the others, by their first letters."""
    whole: _Beginnings = {}
    heads: _Beginnings = {}
    for rule in rules:
        for start in rule.starts:
            word = _first_word(start)
            place, key = (heads, word[:_HEAD]) if word == start else (whole, word)
            place.setdefault(key, []).append((start, rule))
    return whole, heads


def _first_word(start: bytes) -> bytes:
    return start.translate(_TO_WORDS).split(b" ")[0]


def _names(rules: list[Rule]) -> dict[bytes, list[Rule]]:
    names: dict[bytes, list[Rule]] = {}
    for rule in rules:
        for name in rule.near:
            names.setdefault(name.encode(), []).append(rule)
    return names


def _alternation(names: dict[bytes, list[Rule]]) -> bytes:
    """A pattern for any of the names, written as a tree so that few branches are tried at each place."""
    tree: dict[int, list[bytes]] = {}
    for name in sorted(names):
        tree.setdefault(name[0], []).append(name[1:])
    return b"|".join(
        re.escape(bytes([head])) + b"(?:" + b"|".join(map(re.escape, rests)) + b")" for head, rests in tree.items()
    )


def _starting(data: bytes, start: bytes, rule: Rule) -> Iterator[Hit]:
    """Wherever a word begins like secrets of the kind."""
    place = data.find(start)
    while place >= 0:
        behind = place + len(start)
        if _begins_word(data, place) and (match := rule.pattern.match(data, behind)):
            first, last = match.span("secret") if "secret" in rule.pattern.groupindex else (place, match.end())
            body = data[max(first, behind) : last]
            if rule.accepts(start, data[behind : match.end()], body):
                yield Hit(rule, place, first, last)
        place = data.find(start, behind)


def _begins_word(data: bytes, place: int) -> bool:
    return place == 0 or data[place - 1] not in _WORD_BYTES or data[max(place - 2, 0) : place] in _ESCAPES


def _named(data: bytes, word: bytes, rules: list[Rule], seen: set[tuple[int, int]]) -> Iterator[Hit]:
    """Wherever a value is given to a name."""
    place = data.find(word)
    while place >= 0:
        glue = _GLUE.match(data, place + len(word))
        if glue is not None and _VALUE.match(data, glue.end()) and (place, glue.end()) not in seen:
            seen.add((place, glue.end()))
            yield from _values(data, place, glue, rules)
        place = data.find(word, place + len(word))


def _values(data: bytes, place: int, glue: re.Match[bytes], rules: list[Rule]) -> Iterator[Hit]:
    for rule in rules:
        if rule.assigned and glue["blank"] is not None:
            continue
        match = rule.pattern.match(data, glue.end())
        if match is None:
            continue
        group = "secret" if "secret" in rule.pattern.groupindex else 0
        if rule.accepts(b"", match[0], match[group]):
            yield Hit(rule, place, *match.span(group))


def _apart(hits: list[Hit]) -> list[Hit]:
    """The most telling of those that overlap."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda one: one.rule.rank):
        if all(hit.end <= other.start or other.end <= hit.start for other in kept):
            kept.append(hit)
    return sorted(kept, key=lambda one: one.start)
