"""Every command by name, in the order in which a newcomer needs them. Nothing is loaded here.

A command is one file in `commands/` (what is typed: options, help) that calls one in `actions/` (what it does); both
are loaded when the command is called. To add one, write the two files, put the name below, and run
`python scripts/cli_page.py`, which writes its help into docs/cli.md. The file is called like the command, with `_` for
`-`, and `_` behind a word that Python keeps for itself; its click command is called `command`.
"""

from __future__ import annotations

from keyword import iskeyword
from typing import Final

SECTIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Begin", ("login", "logout", "whoami", "init")),
    ("Values", ("run", "pull", "push", "set", "get", "list", "unset", "export", "import")),
    ("Look and undo", ("diff", "history", "rollback", "trash", "scan")),
    ("Vault", ("env", "api-keys", "connect", "connections", "disconnect", "sync", "open", "readme")),
    ("Help", ("doctor", "completion")),
    ("Assistants", ("mcp",)),
)
VERBS: Final = tuple(name for _, names in SECTIONS for name in names)


def module_of(name: str) -> str:
    """Where a command is written."""
    file = name.replace("-", "_")
    return f"keyway_cli.commands.{file}{'_' if iskeyword(file) else ''}"
