"""What may be shown, and where. Every other module talks to people through this one.

Results go to stdout, words to stderr, so that output can be piped. Nothing here but `value` is given a value. Text that
comes from a server or a file loses its control characters, so that it cannot drive the terminal. A question is only
asked of a person at a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, Final

from keyway_core.sensitive import Sensitive

from keyway_cli.changes import Changes
from keyway_cli.errors import KeywayError

_COLORS: Final = {"+": "\x1b[32m", "~": "\x1b[33m", "-": "\x1b[31m"}
_RESET: Final = "\x1b[0m"
_SHOWN_NAMES: Final = 200


class Terminal:
    """The two streams of one command, and the person before them if there is one."""

    def __init__(self, *, as_json: bool = False, color: bool = True, ci: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self._quiet = quiet
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        self._tty = sys.stderr.isatty()
        self._color = color and self._tty and not ci
        self.interactive = self._tty and sys.stdin.isatty() and not ci

    @property
    def seen(self) -> bool:
        """Whether words of ours appear before somebody's eyes now."""
        return self._tty

    def say(self, text: str) -> None:
        """A line for a person, who may have asked for silence."""
        if not self._quiet:
            self._tell(text)

    def warn(self, text: str) -> None:
        """A line for a person that something needs attention."""
        self._tell(f"keyway: warning: {text}")

    def _tell(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)

    def result(self, data: dict[str, Any], text: str) -> None:
        """What the command came to: the object with --json, the words without."""
        print(json.dumps(data) if self.as_json else printable(text), flush=True)

    def lines(self, data: dict[str, Any], lines: Sequence[str]) -> None:
        """Results of one line each, those that begin with +, ~ or - coloured at a terminal."""
        if self.as_json:
            print(json.dumps(data), flush=True)
            return
        colored = self._color and sys.stdout.isatty()
        for line in lines:
            shown = one_line(line)
            print(f"{_COLORS[shown[0]]}{shown}{_RESET}" if colored and shown[:1] in _COLORS else shown)
        sys.stdout.flush()

    def table(self, data: dict[str, Any], columns: Sequence[str], rows: Sequence[Sequence[str]], none: str) -> None:
        """A list: the object with --json; else aligned columns, with their names at a terminal.

        Without rows a person is told `none`, and a pipe gets nothing.
        """
        if self.as_json:
            print(json.dumps(data), flush=True)
        elif not rows:
            self.say(none)
        elif self._color and sys.stdout.isatty():
            _draw(columns, rows)
        else:
            _print_plain([columns, *rows] if sys.stdout.isatty() else rows)

    def value(self, value: Sensitive) -> None:
        """A secret value, as it is. Only for commands whose purpose is to print one."""
        sys.stdout.buffer.write(value.reveal().encode() + b"\n")
        sys.stdout.flush()

    def document(self, text: Sensitive) -> None:
        """A text made of secret values, byte for byte. Only for commands whose purpose is to print one."""
        sys.stdout.flush()
        sys.stdout.buffer.write(text.reveal().encode())
        sys.stdout.flush()

    def error(self, error: KeywayError) -> None:
        """What went wrong and what to do; with --json also as an object on stdout."""
        self._tell(f"keyway: {error.message}")
        if error.hint:
            self._tell(f"hint: {error.hint}")
        if self.as_json:
            failure = {"exitCode": int(error.exit_code), "message": error.message, "hint": error.hint}
            print(json.dumps({"error": failure}), flush=True)

    def changes(self, changes: Changes, where: str) -> None:
        """The names that would change in some place, and how; never a value."""
        if self._quiet:
            return
        self.say(f"changes to {where}:")
        for sign, word, names in (
            ("+", "added", changes.added),
            ("~", "changed", changes.changed),
            ("-", "removed", changes.removed),
        ):
            for name in names[:_SHOWN_NAMES]:
                self.say_sign(sign, f"{name}  {word}")
            if len(names) > _SHOWN_NAMES:
                self.say_sign(sign, f"and {len(names) - _SHOWN_NAMES} more {word}")

    def say_sign(self, sign: str, text: str) -> None:
        """An indented line that begins with a coloured sign."""
        shown = f"{_COLORS[sign]}{sign}{_RESET}" if self._color else sign
        print(f"  {shown} {printable(text)}", file=sys.stderr, flush=True)

    def confirm(self, question: str, *, default: bool = False) -> bool:
        """A yes or no. Only for an interactive terminal."""
        import click

        return click.confirm(printable(question), default=default, err=True)

    def ask(self, question: str) -> str:
        """A text, which may be empty."""
        import click

        return str(click.prompt(printable(question), default="", show_default=False, err=True)).strip()

    def ask_secret(self, question: str) -> str:
        """A text that is not shown while it is typed."""
        import click

        return str(click.prompt(printable(question), hide_input=True, default="", show_default=False, err=True))

    def choose(self, question: str, options: Sequence[str], leave: Sequence[str] = ()) -> str:
        """One of some options; the last one too for whoever types a word of `leave`."""
        import click

        for number, option in enumerate(options, 1):
            self._tell(f"  {number}) {option}")
        while True:
            typed = str(click.prompt(printable(question), default="1", err=True)).strip()
            if typed.isdecimal() and 1 <= int(typed) <= len(options):
                return options[int(typed) - 1]
            if typed.lower() in leave:
                return options[-1]
            others = f", or {leave[0]} to leave" if leave else ""
            self._tell(f"type a number from 1 to {len(options)}{others}")

    def progress(self, text: str) -> None:
        """How far something is, on a line that the next one overwrites; without a text it goes. Only at a terminal."""
        if self._color and not self._quiet:
            print(f"\r\x1b[K{one_line(text)}", end="", file=sys.stderr, flush=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Shows that something takes its time: a spinner at a terminal, one line elsewhere."""
        if not self._color:
            self.say(text)
            yield
            return
        from rich.console import Console

        with Console(stderr=True, highlight=False, markup=False).status(printable(text)):
            yield


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "ID")  # what is copied stays in one piece
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    Console(highlight=False, markup=False).print(table)


def _print_plain(rows: Sequence[Sequence[str]]) -> None:
    """One row per line, its cells apart by at least two blanks: for eyes, and for awk."""
    shown = [[one_line(cell) or "-" for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in shown) for place in range(len(shown[0]))]
    for row in shown:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def one_line(text: str) -> str:
    """The same for text that could pretend to be a line of ours."""
    return printable(text).replace("\n", "\ufffd")


def minute(moment: str) -> str:
    """A time of the wire (ISO 8601, UTC) as a person reads it: to the minute."""
    return moment[:16].replace("T", " ")


def printable(text: str) -> str:
    """The text with control characters and direction marks replaced; line ends stay."""
    return "".join(char if char == "\n" or char.isprintable() else "\ufffd" for char in text)
