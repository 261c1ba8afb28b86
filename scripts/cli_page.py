"""Writes the help of every command into docs/cli.md, word for word: `python scripts/cli_page.py`.

What else the page says stands between the blocks and is left alone. A command without a block gets one, with a heading,
before `## Exit codes`. `--check` only says whether the page is as it should be.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click
from keyway_cli.program import keyway

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
BEFORE = "## Exit codes"


def commands() -> list[str]:
    """Every command as it is typed, those of groups too; the first is `keyway` itself."""
    return ["keyway", *_below(keyway, "keyway")]


def help_of(typed: str) -> str:
    """What `--help` prints for a command where nobody says how wide a line may be."""
    command: click.Command = keyway
    context = click.Context(keyway, info_name="keyway", **keyway.context_settings)
    for name in typed.split()[1:]:
        found = command.get_command(context, name) if isinstance(command, click.Group) else None
        if found is None:
            raise SystemExit(f"there is no command {typed}")
        command, context = found, click.Context(found, info_name=name, parent=context, **found.context_settings)
    return command.get_help(context) + "\n"


def block(typed: str, text: str) -> str:
    """A command's help as the page shows it."""
    return f"```\n$ {typed} --help\n{text}```\n"


def written(page: str) -> str:
    """The page with every block as it should be."""
    for typed in commands():
        wanted = block(typed, help_of(typed))
        pattern = re.compile(rf"```\n\$ {re.escape(typed)} --help\n.*?```\n", re.DOTALL)
        if pattern.search(page):
            page = pattern.sub(lambda _, text=wanted: text, page, count=1)
        else:
            page = page.replace(BEFORE, f"### {typed}\n\n{wanted}\n{BEFORE}", 1)
    return page


def _below(group: click.Group, typed: str) -> list[str]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append(f"{typed} {name}")
        if isinstance(command, click.Group):
            found += _below(command, f"{typed} {name}")
    return found


def main() -> int:
    """Writes the page, or with --check compares it."""
    os.environ["COLUMNS"] = "80"  # what click takes where there is no terminal
    page = PAGE.read_text(encoding="utf-8")
    wanted = written(page)
    if "--check" in sys.argv:
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
