"""A `.env` file for a program that reads one, which is gone when the program is.

Also when keyway is killed: a process of ours waits for that, holding nothing but the end of a pipe and the file's name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from keyway_core import dotenv
from keyway_core.sensitive import Sensitive

from keyway_cli.errors import KeywayError, UsageProblem
from keyway_cli.files import write_private


class EnvFile:
    """The file, at the path that was asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def write(self, values: Mapping[str, Sensitive]) -> None:
        """The file with these values, readable by us alone; whole or not at all."""
        write_private(self.path, dotenv.render(values).encode())


@contextlib.contextmanager
def disappearing(path: str, values: Mapping[str, Sensitive]) -> Iterator[EnvFile]:
    """The file while the block runs. Raises UsageProblem when there is one already: it would not come back."""
    file = EnvFile(Path(path))
    if os.path.lexists(file.path):
        raise UsageProblem(f"{path} exists, and would be removed afterwards", "name a file that does not exist")
    if not file.path.parent.is_dir():
        raise KeywayError(f"{file.path.parent} is no folder", "make it first")
    with _guarded(file.path):
        file.write(values)
        yield file


@contextlib.contextmanager
def _guarded(path: Path) -> Iterator[None]:
    watched = _watch(path) if hasattr(os, "fork") else -1
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        if watched >= 0:
            os.write(watched, b"x")
            os.close(watched)


def _watch(path: Path) -> int:
    """Forks the process that removes the file when our end of the pipe closes, however we end."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _remove_after(reader, writer, path)
        finally:
            os._exit(0)
    os.close(reader)
    return writer


def _remove_after(reader: int, writer: int, path: Path) -> None:
    import signal

    os.setsid()
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.close(writer)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # whoever waits for the end of our output must not wait for this process
        os.dup2(null, stream)
    if os.read(reader, 1):
        return  # it is removed already, and another file may have that name by now
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
