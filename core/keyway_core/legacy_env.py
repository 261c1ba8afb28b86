"""The `.env` text of the legacy wire, and what its clients read back (contract.md 11.6).

The shipped parsers trim a line, split it at the first `=`, take one pair of matching outer quotes away, and unescape
nothing. So nothing is ever escaped here: the quotes are chosen such that those parsers return the value itself. Only
a value with a line feed has no exact form: it becomes one stable line, and a client that pushes that line back is
recognised by `legacy_echo`.
"""

from __future__ import annotations

import re
from typing import Final

_BARE: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]+", re.ASCII)


def legacy_line(key: str, value: str) -> str:
    """One line `KEY=…` without its line feed, which the shipped parsers read as `legacy_echo(value)`."""
    if "\n" in value:
        return f'{key}="{legacy_echo(value)}"'
    if not value or _BARE.fullmatch(value):
        return f"{key}={value}"
    quote = '"' if "'" in value else "'"
    return f"{key}={quote}{value}{quote}"


def legacy_echo(value: str) -> str:
    """What a legacy client holds after a pull: the value, with each CRLF or LF as a backslash and an `n`."""
    return value.replace("\r\n", "\\n").replace("\n", "\\n")
