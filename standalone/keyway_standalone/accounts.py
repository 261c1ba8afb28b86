"""Who our processes run as: started by root, each as a user of its own; started by anybody else, all as that person."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Below the ranges that systemd and Debian hand out by themselves, above the people of one machine.
_FIRST_UID: Final = 58_410
PROCESSES: Final = ("postgres", "github", "crypto", "backend", "dashboard")


@dataclass(frozen=True)
class Account:
    """A numeric user and group. None stands for "whoever started us"."""

    uid: int | None

    def own(self, path: Path) -> None:
        """Gives one file or folder to this account."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid, follow_symlinks=False)

    def own_tree(self, path: Path) -> None:
        """Gives a folder and all that it holds to this account."""
        self.own(path)
        for inner in path.rglob("*"):
            self.own(inner)

    def private_folder(self, path: Path) -> Path:
        """Makes a folder that only this account (and root) can enter, or takes one over."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        self.own(path)
        return path

    def can_enter(self, path: Path) -> bool:
        """Whether every folder on the way to `path`, links followed, lets this account through."""
        return self.uid is None or all(self._passes(folder) for folder in path.resolve().parents)

    def _passes(self, folder: Path) -> bool:
        try:
            info = folder.stat()
        except FileNotFoundError:  # we shall make it, and let ours through
            return True
        needed = stat.S_IXUSR if info.st_uid == self.uid else stat.S_IXOTH
        return bool(info.st_mode & needed)


def account_of(process: str) -> Account:
    """The account of one of `PROCESSES`: as root a number of its own, so that backend cannot read what crypto can."""
    if os.geteuid() != 0:
        return Account(None)
    return Account(_first_free_block() + PROCESSES.index(process))


def _first_free_block() -> int:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    start = _FIRST_UID
    while taken & set(range(start, start + len(PROCESSES))):
        start += len(PROCESSES)
    return start


def write_private(path: Path, text: str, owner: Account) -> Path:
    """Writes a file of mode 0600 that belongs to `owner`, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    owner.own(draft)
    draft.replace(path)
    return path


def readable_copy(sources: Sequence[Path], target: Path) -> Path:
    """Copies folders side by side into `target`, which everybody may read; once, whole or not at all."""
    if target.is_dir():
        return target
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.mkdir(mode=0o755, parents=True)
    for source in sources:
        shutil.copytree(source, draft / source.name, symlinks=True)
    try:
        draft.rename(target)
    except OSError:  # another start was faster
        shutil.rmtree(draft)
    return target
