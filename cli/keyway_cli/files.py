"""Files that hold secrets: private (0600), and replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from keyway_cli import system
from keyway_cli.errors import KeywayError

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
_WINDOWS_SYSTEM: Final = "*S-1-5-18"
_WINDOWS_ADMINISTRATORS: Final = "*S-1-5-32-544"
_BINARY: Final = getattr(os, "O_BINARY", 0)


def working_folder() -> Path:
    """The folder that we are in. Raises KeywayError when somebody removed it."""
    try:
        return Path.cwd()
    except OSError as error:
        raise KeywayError(f"the folder that you are in cannot be used: {reason(error)}", "cd somewhere else") from None


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file by these bytes, mode 0600, such that a crash leaves the old file or the new one, complete.

    The temporary file stands in the same folder, is private from its first byte, and is removed when anything fails.
    """
    draft = path.with_name(f".{path.name[:100]}.{os.urandom(8).hex()}.tmp")
    with _undisturbed():
        try:
            _write_synced(draft, data)
            draft.replace(path)
        except OSError as error:
            raise KeywayError(f"cannot write {path}: {reason(error)}") from None
        finally:
            with contextlib.suppress(OSError):
                draft.unlink()
    _sync_folder(path.parent)


def rewrite(path: Path, data: bytes) -> None:
    """Replaces a file that is no secret by these bytes, whole or not at all, with its mode. A link stays one.

    Raises OSError, and then the file is as it was.
    """
    target = path.resolve()
    draft = target.with_name(f".{target.name[:100]}.{os.urandom(8).hex()}.tmp")
    try:
        draft.write_bytes(data)
        draft.chmod(stat.S_IMODE(target.stat().st_mode))
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def make_private_folder(folder: Path) -> None:
    """Makes a folder that only its owner may enter, with its parents."""
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise KeywayError(f"cannot make {folder}: {reason(error)}") from None


def is_private(path: Path) -> bool:
    """Whether nobody but the owner may read a file. True where modes mean nothing (Windows)."""
    return system.WINDOWS or not stat.S_IMODE(path.stat().st_mode) & 0o077


def reason(error: OSError) -> str:
    """Why the system refused, without the path, in lower case."""
    return (error.strerror or type(error).__name__).lower()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that would end us wait until the block has: else they leave a draft, which holds what is secret."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, PRIVATE_FILE)
    if system.WINDOWS:
        _make_private_on_windows(path)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make_private_on_windows(path: Path) -> None:
    """Where modes mean nothing: only the person, the system and its administrators may open the file, still empty.

    So it is in a person's own folder anyway; elsewhere a file is as open as the folder that it is in. Where the list of
    who may open it cannot be set (a file system without one), it stays so.
    """
    import subprocess

    if path.absolute().is_relative_to(Path.home()):
        return
    person = "\\".join(filter(None, (os.environ.get("USERDOMAIN"), os.environ.get("USERNAME"))))
    program = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "icacls.exe"
    allowed = (f"{person}:F", f"{_WINDOWS_SYSTEM}:F", f"{_WINDOWS_ADMINISTRATORS}:F")
    if person:
        with contextlib.suppress(OSError):
            command = [str(program), str(path), "/inheritance:r", "/grant:r", *allowed]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself durable, where the system can."""
    if system.WINDOWS:
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
