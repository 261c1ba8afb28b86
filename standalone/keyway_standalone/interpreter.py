"""How a process of another user runs our Python, also when that Python lies where the user may not go.

A Python below a folder that only root can enter (root's own home, say) is handed over as open folders: a child reaches
an inherited descriptor as /proc/self/fd/N without walking the way to it. No permission of the machine is changed and
nothing is copied.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Final

from .accounts import Account
from .process import Command, ProcessError

_DESCRIPTORS: Final = Path("/proc/self/fd")
# What a child may know of the environment that we were started in. Everything else is named by us.
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


def module_command(module: str, arguments: list[str], environment: dict[str, str], account: Account) -> Command:
    """`python -m module` for an account, with exactly this environment and the few variables of `base_environment`."""
    known = base_environment() | environment
    if account.can_enter(Path(sys.executable)) and account.can_enter(Path(__file__)):
        return Command([sys.executable, "-m", module, *arguments], known)
    home, folders = _open_python()
    handed = {
        "PYTHONHOME": _name(home),
        "PYTHONPATH": os.pathsep.join(map(_name, folders)),
        "LD_LIBRARY_PATH": f"{_name(home)}/lib",
    }
    binary = Path(sys.executable).resolve().relative_to(Path(sys.base_prefix).resolve())
    return Command([f"{_name(home)}/{binary}", "-m", module, *arguments], known | handed, [home, *folders])


def base_environment() -> dict[str, str]:
    """The variables that every child gets from ours."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"PATH": os.defpath, "PYTHONUNBUFFERED": "1", **passed}


def _name(descriptor: int) -> str:
    return str(_DESCRIPTORS / str(descriptor))


@cache
def _open_python() -> tuple[int, tuple[int, ...]]:
    """Descriptors of the interpreter's folder and of every folder that we import from besides it."""
    if not _DESCRIPTORS.is_dir():
        raise ProcessError(
            f"the user that Keyway's processes run as cannot reach {sys.base_prefix}: "
            "install Python and this folder where every user may read them, or do not start Keyway as root"
        )
    base = Path(sys.base_prefix).resolve()
    folders = [Path(entry).resolve() for entry in sys.path if entry]
    ours = [folder for folder in folders if folder.is_dir() and not folder.is_relative_to(base)]
    return _open(base), tuple(map(_open, ours))


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
