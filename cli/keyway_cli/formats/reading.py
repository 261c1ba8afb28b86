"""Texts of other programs, read into plain mappings, lists and texts: JSON, YAML, CSV, `.env`, files for docker.

Nothing is guessed and nothing is run: a number stays as it was written, a YAML alias or tag is refused, so that a small
file cannot become a large one. What cannot be read is told by its line or key, never by its text.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from keyway_core import dotenv
from keyway_core.limits import REQUEST_BODY_BYTES

_DEPTH: Final = 64
_SHOWN: Final = re.compile(r"[\w.\-/ ]{1,80}", re.ASCII)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TEXT_TAGS: Final = frozenset({"!", "tag:yaml.org,2002:str"})
_ARCHIVE_MARK: Final = b"PK\x03\x04"
_IN_ARCHIVE: Final = "export.data"


class Unreadable(Exception):
    """A text that is not what it should be: where, why, and what to do, without a word of the text itself."""

    def __init__(self, reason: str, line: int = 0, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.hint = hint


class Table(dict[str, Any]):
    """A mapping that remembers on which line each of its names stands, where the text tells."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def add(self, name: str, value: Any, line: int = 0) -> None:
        """Raises Unreadable for a name that is there already: nobody can tell which one was meant."""
        if name in self:
            before = f" and on line {self.lines[name]}" if self.lines[name] != line else " twice"
            raise Unreadable(f"{shown(name)} is set here{before}; keep one of them", line)
        self[name] = value
        self.lines[name] = line


def shown(name: str) -> str:
    """A name as it may be printed: one that looks like none might be a value in the wrong column."""
    return name if _SHOWN.fullmatch(name) else f"a name of {len(name)} characters"


def decoded(data: bytes) -> str:
    """The text of a file, or of the one in an archive of 1Password that holds the items."""
    if data.startswith(_ARCHIVE_MARK):
        data = _unpacked(data)
    try:
        return dotenv.decode(data).removeprefix("\ufeff")
    except dotenv.DotenvError as error:
        raise Unreadable(error.reason, error.line) from None


def parse(text: str, syntax: str) -> Any:
    """What a text says, in one of the SYNTAXES."""
    try:
        return SYNTAXES[syntax](text)
    except RecursionError:
        raise Unreadable("nested deeper than anything that holds secrets") from None


def syntax_of(name: str, text: str) -> str:
    """How a file is written, by its name, else by its first character. Raises Unreadable when neither tells."""
    suffix = name.lower().rpartition(".")[2]
    if suffix in {"json", "1pux"} or (suffix not in _BY_SUFFIX and text.lstrip()[:1] in {"{", "["}):
        return "json"
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if re.match(r"\.env(\..+)?$", name.rpartition("/")[2]):
        return "dotenv"
    try:
        dotenv.parse(text)
    except dotenv.DotenvError:
        hint = f"say it with --from: {', '.join(SYNTAXES)}"
        raise Unreadable("neither name nor content tells how this is written", hint=hint) from None
    return "dotenv"


_BY_SUFFIX: Final = {"yaml": "yaml", "yml": "yaml", "csv": "csv", "env": "dotenv", "dotenv": "dotenv", "list": "docker"}


def _unpacked(data: bytes) -> bytes:
    import zlib
    from io import BytesIO
    from zipfile import BadZipFile, ZipFile

    damaged: tuple[type[Exception], ...] = (BadZipFile, zlib.error, NotImplementedError, RuntimeError)
    damaged += (OSError, EOFError, ValueError)
    with contextlib.suppress(ImportError):  # not every Python has it
        from lzma import LZMAError

        damaged += (LZMAError,)
    try:
        with ZipFile(BytesIO(data)) as archive, archive.open(_IN_ARCHIVE) as file:
            found = file.read(REQUEST_BODY_BYTES + 1)
    except KeyError:
        raise Unreadable(f"an archive without {_IN_ARCHIVE}, so it is no 1PUX file of 1Password") from None
    except damaged:
        raise Unreadable("an archive that is damaged, or protected by a password") from None
    if len(found) > REQUEST_BODY_BYTES:
        raise Unreadable(f"{_IN_ARCHIVE} is larger than {REQUEST_BODY_BYTES >> 20} MiB")
    return found


def _dotenv(text: str) -> Table:
    table = Table()
    try:
        found = dotenv.parse(text)
    except dotenv.DotenvError as error:
        raise Unreadable(error.reason, error.line, "what a .env file may hold: docs/dotenv.md") from None
    for key, value in found.items():
        table.add(key, value.reveal(), found.line(key))
    return table


def _docker(text: str) -> Table:
    """`docker run --env-file`: no quotes, no escapes, nothing after the value is a comment."""
    table = Table()
    for number, line in enumerate(text.split("\n"), 1):
        trimmed = line.removesuffix("\r").lstrip()
        if not trimmed or trimmed.startswith("#"):
            continue
        name, equals, value = trimmed.partition("=")
        if not equals:
            raise Unreadable("a name without a value, which docker takes from its environment", number)
        table.add(name, value, number)
    return table


def _json(text: str) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> Table:
        table = Table()
        for name, value in pairs:
            table.add(name, value)
        return table

    def constant(name: str) -> NoReturn:
        raise Unreadable(f"{name} is no JSON")

    try:
        return json.loads(text, object_pairs_hook=mapping, parse_int=str, parse_float=str, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise Unreadable(f"no JSON here ({error.msg.lower()}, column {error.colno})", error.lineno) from None


def _csv(text: str) -> list[Table]:
    """Every line by the names of the header, which are compared in lower case."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        return [_row(header, cells, lines.line_num) for cells in lines if cells]
    except csv.Error as error:
        raise Unreadable(f"no CSV here ({error})", lines.line_num) from None


def _row(header: list[str], cells: list[str], line: int) -> Table:
    if len(cells) != len(header):
        raise Unreadable(f"{len(cells)} cells where the header has {len(header)}", line)
    row = Table()
    for name, cell in zip(header, cells, strict=True):
        row.add(name, cell, line)
    return row


def _yaml(text: str) -> Any:
    """The document, or a list of the documents when there are several."""
    import yaml

    builder = _Builder()
    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(type(event).__name__, event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise Unreadable(f"no YAML here ({_without_text(error.problem)})", mark.line + 1 if mark else 0) from None
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        raise Unreadable("a character that YAML does not allow", line) from None
    documents = builder.documents
    return documents[0] if len(documents) == 1 else documents


def _without_text(problem: str | None) -> str:
    return re.sub(r"['\"].*['\"]", "...", problem or "a mistake")


class _Builder:
    """Turns the events of a YAML text into mappings, lists and texts, none of them twice."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self._open: list[Table | list[Any]] = []
        self._names: list[tuple[str, int] | None] = []

    def take(self, kind: str, event: Any) -> None:
        """One event. Raises Unreadable for an alias, a tag, a name that is no text, and too great a depth."""
        line = event.start_mark.line + 1
        if kind == "AliasEvent":
            raise Unreadable("an alias (*) is not read; write the value out", line)
        if kind in {"MappingStartEvent", "SequenceStartEvent", "ScalarEvent"} and event.tag not in _TEXT_TAGS | {None}:
            raise Unreadable("a tag (!) is not read; write the value as plain text", line)
        if kind == "MappingStartEvent":
            self._begin(Table(), line)
        elif kind == "SequenceStartEvent":
            self._begin([], line)
        elif kind == "ScalarEvent":
            plain = event.style is None or event.style == ""
            self._scalar(None if plain and event.tag is None and event.value in _NULLS else event.value, line)
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self._open.pop()
            self._names.pop()

    def _begin(self, container: Table | list[Any], line: int) -> None:
        if len(self._open) >= _DEPTH:
            raise Unreadable(f"nested deeper than {_DEPTH} levels", line)
        self._place(container, line)
        self._open.append(container)
        self._names.append(None)

    def _scalar(self, value: str | None, line: int) -> None:
        if self._open and isinstance(self._open[-1], Table) and self._names[-1] is None:
            self._names[-1] = (value or "", line)
        else:
            self._place(value, line)

    def _place(self, value: Any, line: int) -> None:
        if not self._open:
            self.documents.append(value)
            return
        around, name = self._open[-1], self._names[-1]
        if isinstance(around, list):
            around.append(value)
        elif name is None:
            raise Unreadable("a name that is no text", line)
        else:
            around.add(name[0], value, name[1])
            self._names[-1] = None


SYNTAXES: Final[dict[str, Callable[[str], Any]]] = {
    "dotenv": _dotenv,
    "json": _json,
    "yaml": _yaml,
    "csv": _csv,
    "docker": _docker,
}
