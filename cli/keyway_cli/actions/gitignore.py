"""A `.env` file that git would commit is a leak about to happen."""

from __future__ import annotations

from pathlib import Path

from keyway_cli import git
from keyway_cli.actions.context import Context
from keyway_cli.errors import KeywayError
from keyway_cli.files import reason


def guard(context: Context, path: Path, *, ask: bool = True) -> bool:
    """Whether git leaves a file alone. If not, offers to add it to .gitignore (a person) or warns (everyone else)."""
    root = git.top_level(path.parent)
    if root is None or git.is_ignored(path):
        return True
    if git.is_tracked(path):
        context.terminal.warn(
            f"{path.name} is committed to this repository: git rm --cached {path.name}, then replace its secrets"
        )
        return False
    if context.terminal.interactive and ask:
        return _offer(context, root, path)
    context.terminal.warn(f"{path.name} is not ignored by git and could be committed; add it to .gitignore")
    return False


def _offer(context: Context, root: Path, path: Path) -> bool:
    ignore = root / ".gitignore"
    if ignore.is_symlink():
        context.terminal.warn(f"{path.name} could be committed: .gitignore is a link, which git does not follow")
        return False
    if not context.terminal.confirm(f"{path.name} is not ignored by git. Add it to .gitignore?", default=True):
        context.terminal.warn(f"{path.name} could be committed")
        return False
    try:
        text = ignore.read_bytes() if ignore.exists() else b""
        gap = b"" if not text or text.endswith(b"\n") else b"\n"
        ignore.write_bytes(text + gap + path.name.encode() + b"\n")
    except OSError as error:
        raise KeywayError(f"cannot write {ignore}: {reason(error)}") from None
    context.terminal.say(f"added {path.name} to .gitignore")
    return git.is_ignored(path)
