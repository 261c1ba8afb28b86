"""What the scripts that make pages of docs/ share."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

Row: TypeAlias = tuple[str, ...]


def table(header: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = [header, ("---",) * len(header), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def write(path: Path, text: str, *, check: bool) -> int:
    """Writes a page, or with `check` says whether it is that already. The exit code: 1 for a page that is not."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    if check:
        sys.stderr.write(f"{path.name} is not what it is made from says: run `make docs`\n")
        return 1
    path.write_text(text, encoding="utf-8")
    return 0


def _cell(text: str) -> str:
    shown = text if "`" in text else text.replace("<", "&lt;")
    return " ".join(shown.replace("|", "\\|").split())
