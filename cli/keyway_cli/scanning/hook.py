"""The hook that scans what is staged before every commit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from keyway_cli import git
from keyway_cli.errors import KeywayError, UsageProblem
from keyway_cli.files import reason

_MARK: Final = "# Written by: keyway scan --install-hook"
SCRIPT: Final = f"""#!/bin/sh
{_MARK}
# Remove this file to be rid of it. To commit once without it: git commit --no-verify
command -v keyway >/dev/null 2>&1 || {{
    echo "keyway is not installed, so nobody looks for secrets in this commit (git commit --no-verify)" >&2
    exit 1
}}
exec keyway scan --staged
"""


def install(root: Path) -> tuple[Path, bool]:
    """Writes it where git looks for hooks, also with core.hooksPath. Says where, and whether anything changed.

    Raises UsageProblem where a hook of somebody else stands.
    """
    answer = git.ask("rev-parse", "--git-path", "hooks", folder=root)
    if answer.code != 0 or not answer.text:
        raise KeywayError("git does not tell where its hooks are")
    path = root / answer.text / "pre-commit"
    if os.path.lexists(path):
        _refuse_foreign(path)
        return path, False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(SCRIPT)
    except OSError as error:
        raise KeywayError(f"cannot write {path}: {reason(error)}") from None
    return path, True


def _refuse_foreign(path: Path) -> None:
    try:
        ours = _MARK in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        ours = False
    if not ours:
        raise UsageProblem(f"{path} is a hook of somebody else", "add this line to it: keyway scan --staged || exit 1")
