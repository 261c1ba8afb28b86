"""What we ask git. Its words are never passed on: a remote's address may hold a token."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePath
from typing import NamedTuple

from keyway_cli.errors import Misconfigured


class Answer(NamedTuple):
    """How a git command ended and what it printed."""

    code: int
    text: str


def ask(*arguments: str, folder: Path | None = None) -> Answer:
    """Runs git without input. Raises Misconfigured when there is no git."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise Misconfigured("git is not installed", "install it, or name the repository with -r owner/name") from None
    return Answer(done.returncode, done.stdout.decode("utf-8", "replace").strip())


def origin() -> str:
    """The address of the remote `origin` of the folder that we are in, or nothing."""
    answer = ask("remote", "get-url", "origin")
    return answer.text if answer.code == 0 else ""


def is_work_tree() -> bool:
    """Whether git trusts and knows the folder that we are in as part of a work tree."""
    return ask("rev-parse", "--is-inside-work-tree") == (0, "true")


def top_level(folder: Path) -> Path | None:
    """The root of the work tree that a folder belongs to."""
    answer = ask("rev-parse", "--show-toplevel", folder=folder)
    return Path(answer.text) if answer.code == 0 and answer.text else None


def is_tracked(path: Path) -> bool:
    """Whether a file is already part of the repository."""
    return ask("ls-files", "--error-unmatch", "--", path.name, folder=path.parent).code == 0


def is_ignored(path: Path) -> bool:
    """Whether git would ignore a file that it does not track yet."""
    return ask("check-ignore", "--quiet", "--", path.name, folder=path.parent).code == 0


def leads_into(path: PurePath) -> bool:
    """Whether a path leads into git's own folder. Many systems take .GIT for it too, and Windows `.git.` and GIT~1."""
    return any(part.casefold().rstrip(" .") in {".git", "git~1"} for part in path.parts)
