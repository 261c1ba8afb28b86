"""The one reader and the one writer of `.env` files. The grammar, with examples, is docs/dotenv.md.

Reading never expands a variable, never runs a command and never guesses: what the grammar does not know is refused with
the number of its line. Errors never carry a value. Reading is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from keyway_core.limits import KEY_LENGTH
from keyway_core.names import is_key, unstorable
from keyway_core.sensitive import Sensitive

_SKIPPED: Final = re.compile(r"[ \t]*+(?:#[^\n]*+)?(?:\n|\Z)|[ \t]*+\r\n")
_NAME: Final = re.compile(r"[ \t]*+(?:export[ \t]++(?!=))?([A-Za-z_][A-Za-z0-9_]*+)[ \t]*+=[ \t]*+")
_SINGLE: Final = re.compile(r"'([^']*+)'")
_DOUBLE: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_AFTER_QUOTE: Final = re.compile(r"(?:[ \t]++#[^\n]*+|[ \t]*+\r?)(?:\n|\Z)")
_REST: Final = re.compile(r"[^\n]*+")
_COMMENT: Final = re.compile(r"[ \t]#")
_ESCAPE: Final = re.compile(r'\\([nrt\\"$`])')
_LONE_CR: Final = re.compile(r"\r(?!\n)")
_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")

_BARE: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_TO_ESCAPE: Final = re.compile(r'[\\"$`\r]')
_MEANING: Final = {"n": "\n", "r": "\r", "t": "\t"}

_BOM: Final = "\ufeff"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class DotenvError(ValueError):
    """A text that the grammar does not know: the line (from 1) and the reason, never the text of the line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class _Entry(NamedTuple):
    """One assignment and where it stands: offsets into the text of its lines and of its value, quotes included."""

    key: str
    value: Sensitive
    line: int
    start: int
    value_start: int
    value_end: int
    end: int


class Dotenv(Mapping[str, Sensitive]):
    """What a `.env` text assigns, in its order."""

    def __init__(self, entries: list[_Entry]) -> None:
        self._entries: Final = {entry.key: entry for entry in entries}

    def __getitem__(self, key: str) -> Sensitive:
        return self._entries[key].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def line(self, key: str) -> int:
        """The line on which a key is assigned, from 1."""
        return self._entries[key].line


def decode(data: bytes) -> str:
    """The text of a `.env` file, its byte order mark included. Anything but UTF-8 is a DotenvError."""
    if data.startswith(_UTF16_MARKS):
        raise DotenvError(1, "the file is UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DotenvError(line, "bytes that are not UTF-8; save the file as UTF-8") from None


def parse(text: str) -> Dotenv:
    """Every assignment of a text, by key. Raises DotenvError for what docs/dotenv.md does not allow."""
    return Dotenv(_entries(text))


def render(values: Mapping[str, Sensitive]) -> str:
    """A text that `parse` reads back exactly, one assignment per key, in the order given.

    Raises ValueError, naming the key, for a name that is no key and for a value that no file can hold.
    """
    return "".join(f"{key}={_rendered(key, value)}\n" for key, value in values.items())


def update(text: str, changes: Mapping[str, Sensitive | None]) -> str:
    """The text with some keys changed, added at its end, or (None) removed; all other bytes stay as they are.

    A key that has the wanted value already keeps its line, however it is written there. Raises as `parse` and
    `render` do.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    entries = _entries(text)
    pieces, position = [], 0
    for entry in entries:
        if entry.key not in changes:
            continue
        start, end, replacement = _edit(entry, changes[entry.key])
        pieces += [text[position:start], replacement.replace("\n", newline)]
        position = end
    kept = "".join([*pieces, text[position:]])
    known = {entry.key for entry in entries}
    added = render({key: value for key, value in changes.items() if value is not None and key not in known})
    gap = newline if added and kept.strip(_BOM) and not kept.endswith("\n") else ""
    return kept + gap + added.replace("\n", newline)


def _edit(entry: _Entry, value: Sensitive | None) -> tuple[int, int, str]:
    """Which stretch of the text is replaced, and by what."""
    if value is None:
        return entry.start, entry.end, ""
    if value.reveal() == entry.value.reveal():
        return entry.start, entry.start, ""
    return entry.value_start, entry.value_end, _rendered(entry.key, value)


def _rendered(key: str, value: Sensitive) -> str:
    if not is_key(key):
        raise ValueError("a name that is no key cannot be written to a .env file")
    plain = value.reveal()
    if (reason := unstorable(plain)) is not None:
        raise ValueError(f"{key} contains {reason}, which a .env file cannot hold")
    if _BARE.fullmatch(plain):
        return plain
    if "'" not in plain and "\r" not in plain:
        return f"'{plain}'"
    escaped = _TO_ESCAPE.sub(lambda match: "\\r" if match[0] == "\r" else "\\" + match[0], plain)
    return f'"{escaped}"'


def _scan(text: str) -> Iterator[_Entry]:
    _refuse_unreadable(text)
    position, line = int(text.startswith(_BOM)), 1
    while position < len(text):
        if skipped := _SKIPPED.match(text, position):
            position = skipped.end()
            line += 1
            continue
        entry = _assignment(text, position, line)
        yield entry
        line += text.count("\n", position, entry.end)
        position = entry.end


def _assignment(text: str, start: int, line: int) -> _Entry:
    name = _NAME.match(text, start)
    if name is None or not is_key(name[1]):
        raise DotenvError(line, _why_no_assignment(text[start : _line_end(text, start)], name))
    position = name.end()
    if text[position : position + 1] in {"'", '"'}:
        value, value_end = _quoted(text, position, line)
        return _Entry(name[1], value, line, start, position, value_end, _line_end(text, value_end))
    value_start, value_end = _bare_span(text, position)
    value = Sensitive(text[value_start:value_end])
    return _Entry(name[1], value, line, start, value_start, value_end, _line_end(text, value_end))


def _quoted(text: str, start: int, line: int) -> tuple[Sensitive, int]:
    quote = text[start]
    match = (_SINGLE if quote == "'" else _DOUBLE).match(text, start)
    if match is None:
        raise DotenvError(line, f"the quote ({quote}) that opens on this line is never closed")
    if _AFTER_QUOTE.match(text, match.end()) is None:
        closing = line + text.count("\n", start, match.end())
        opened = "" if closing == line else f" (the quote opened on line {line})"
        raise DotenvError(closing, f"after the closing quote only a comment may follow, with a blank before #{opened}")
    inner = match[1].replace("\r\n", "\n")
    if quote == '"':
        inner = _ESCAPE.sub(lambda escape: _MEANING.get(escape[1], escape[1]), inner)
    return Sensitive(inner), match.end()


def _bare_span(text: str, position: int) -> tuple[int, int]:
    """Where an unquoted value begins and ends, without the blanks around it and the comment after it."""
    rest = _REST.match(text, position)
    end = rest.end() if rest else position
    # The blank that makes `KEY= # words` a comment stands before the value, where _NAME has already passed it.
    if text.startswith("#", position) and text[position - 1] in " \t":
        position = end = _behind_equals(text, position)
    elif comment := _COMMENT.search(text, position, end):
        end = comment.start()
    while end > position and text[end - 1] in " \t\r":
        end -= 1
    return position, end


def _behind_equals(text: str, position: int) -> int:
    return text.rindex("=", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1


def _why_no_assignment(line: str, name: re.Match[str] | None) -> str:
    if name is not None:
        return f"the name before '=' is longer than {KEY_LENGTH} characters"
    before, equals, _ = line.partition("=")
    if not equals or not before.strip(" \t"):
        what = "'='" if not equals else "name before '='"
        return f"no {what} here; write KEY=value, and put a value of several lines in quotes"
    return "the name before '=' may hold letters (A-Z, a-z), digits and _ only, and may not start with a digit"


def _refuse_unreadable(text: str) -> None:
    if bad := _UNWRITABLE.search(text):
        what = "a NUL byte; is this file UTF-16? Save it as UTF-8" if bad[0] == "\0" else "a lone surrogate"
        raise DotenvError(_line_of(text, bad.start()), what)
    if bad := _LONE_CR.search(text):
        advice = "a carriage return that ends no line; save with LF or CRLF, or write \\r inside double quotes"
        raise DotenvError(_line_of(text, bad.start()), advice)


def _entries(text: str) -> list[_Entry]:
    entries = list(_scan(text))
    seen: dict[str, int] = {}
    for entry in entries:
        first = seen.setdefault(entry.key, entry.line)
        if first != entry.line:
            raise DotenvError(entry.line, f"{entry.key} is set here and on line {first}; keep one of them")
    return entries


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
