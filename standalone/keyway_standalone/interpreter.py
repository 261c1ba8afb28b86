"""How a process of another user runs our Python, also when that Python lies where the user may not go.

An interpreter or library below a folder that only root can enter (root's own home, say) is handed over as an open
folder: a child reaches an inherited descriptor as /proc/self/fd/N without walking the way to it. Our own packages are
copied to the state folder in that case, because some libraries insist on the real path of what they load (Alembic does,
of migrations). No permission of the machine is changed.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .accounts import Account
from .process import Command, ProcessError

_DESCRIPTORS: Final = Path("/proc/self/fd")
_PACKAGES: Final = ("core", "protos", "certificates", "crypto", "backend", "dashboard", "standalone")
# What a child may know of the environment that we were started in. Everything else is named by us.
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


def module_command(
    module: str, arguments: list[str], environment: dict[str, str], account: Account, copies: Path
) -> Command:
    """`python -m module` for an account, with exactly this environment and the few variables of `base_environment`.

    `copies` is where our packages go when the account cannot reach them; it is made anew at every call.
    """
    known = base_environment() | environment
    if account.can_enter(Path(sys.executable)) and account.can_enter(Path(__file__)):
        return Command([sys.executable, "-m", module, *arguments], known)
    _refuse_unreadable()
    handed: list[int] = []
    base = Path(sys.base_prefix).resolve()
    home = _name(base, account, handed)
    folders = [_name(folder, account, handed) for folder in _import_folders(base)]
    handover = {
        "PYTHONHOME": home,
        "PYTHONPATH": os.pathsep.join([*_copied_packages(account, copies), *folders]),
        "LD_LIBRARY_PATH": f"{home}/lib",
    }
    binary = Path(sys.executable).resolve().relative_to(base)
    return Command([f"{home}/{binary}", "-m", module, *arguments], known | handover, handed)


def base_environment() -> dict[str, str]:
    """The variables that every child gets from ours."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"PATH": os.defpath, "PYTHONUNBUFFERED": "1", **passed}


def _name(folder: Path, account: Account, handed: list[int]) -> str:
    """What the account calls a folder: its path, or a descriptor that goes onto the list of those to hand over."""
    if account.can_enter(folder / "inside"):
        return str(folder)
    descriptor = _open(folder)
    handed.append(descriptor)
    return str(_DESCRIPTORS / str(descriptor))


@cache
def _open(folder: Path) -> int:
    if not _DESCRIPTORS.is_dir():
        raise ProcessError(
            f"the users that Keyway's processes run as cannot reach {folder}: "
            "install Python and this folder where every user may read them, or do not start Keyway as root"
        )
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _import_folders(base: Path) -> Iterator[Path]:
    """Every folder that we import from besides the interpreter's own."""
    for entry in sys.path:
        folder = Path(entry).resolve()
        if entry and folder.is_dir() and not folder.is_relative_to(base):
            yield folder


def _copied_packages(account: Account, copies: Path) -> list[str]:
    """The folder of the copies, if copies are needed."""
    if account.can_enter(Path(__file__)):
        return []
    shutil.rmtree(copies, ignore_errors=True)
    for name in _PACKAGES:
        spec = find_spec(f"keyway_{name}")
        for place in spec.submodule_search_locations or () if spec else ():
            shutil.copytree(place, copies / f"keyway_{name}", dirs_exist_ok=True)
    for path in (copies.parent, copies, *copies.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return [str(copies)]


def _refuse_unreadable() -> None:
    """Under a strict umask files are installed for root alone; then no way to them helps."""
    for file in (os.__file__, __file__, shutil.__file__):
        if not Path(file).stat().st_mode & stat.S_IROTH:
            raise ProcessError(f"{file} can be read by root only: install it again with `umask 022`")
