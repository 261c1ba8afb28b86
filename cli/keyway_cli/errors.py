"""What can go wrong, told apart by class, each with its exit code. Only `__main__` prints them.

Two voices: the message says what happened, the hint says what to do. Both are lower case and never carry a value.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """The exit codes of every command but `run`, which passes on the code of its program. Documented in docs/cli.md."""

    OK = 0
    ERROR = 1
    USAGE = 2
    SIGN_IN = 3
    NO_ACCESS = 4
    CONFLICT = 5
    ROLLBACK = 6
    UNAVAILABLE = 75
    CONFIGURATION = 78
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127
    INTERRUPTED = 130


EXPLAINED: Final = {
    ExitCode.OK: "done, or you answered no",
    ExitCode.ERROR: "an error, for example a .env file that cannot be read",
    ExitCode.USAGE: "the command cannot be done as it was typed",
    ExitCode.SIGN_IN: "not signed in",
    ExitCode.NO_ACCESS: "no access, or not found",
    ExitCode.CONFLICT: "conflict: somebody else changed the same thing first",
    ExitCode.ROLLBACK: "the server went back to an older revision",
    ExitCode.UNAVAILABLE: "the server cannot answer now; try again later",
    ExitCode.CONFIGURATION: "this machine is not set up: a variable, a file, git",
    ExitCode.INTERRUPTED: "interrupted",
}


class KeywayError(Exception):
    """Something that a person can understand and act on."""

    exit_code: ExitCode = ExitCode.ERROR

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageProblem(KeywayError):
    """The command cannot be done as it was typed."""

    exit_code = ExitCode.USAGE


class NotSignedIn(KeywayError):
    """There is no login, or the server does not accept it."""

    exit_code = ExitCode.SIGN_IN


class NoAccess(KeywayError):
    """The server refuses, or what was asked for does not exist: it does not always say which."""

    exit_code = ExitCode.NO_ACCESS


class NotFound(NoAccess):
    """The server answered 404."""


class Conflict(KeywayError):
    """Somebody else changed the same thing first."""

    exit_code = ExitCode.CONFLICT


class RolledBack(KeywayError):
    """The server shows an older state than this machine has already seen."""

    exit_code = ExitCode.ROLLBACK


class Unavailable(KeywayError):
    """The server cannot answer now; the same command may work later (sysexits' EX_TEMPFAIL)."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, message: str, hint: str = "", *, retry_after: float = 0.0) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class Misconfigured(KeywayError):
    """This machine is not set up as it should be (sysexits' EX_CONFIG)."""

    exit_code = ExitCode.CONFIGURATION


class NotExecutable(KeywayError):
    """The program of `run` exists and cannot be started."""

    exit_code = ExitCode.NOT_EXECUTABLE


class CommandNotFound(KeywayError):
    """The program of `run` does not exist."""

    exit_code = ExitCode.NOT_FOUND


def unforeseen(error: Exception) -> KeywayError:
    """What was never meant to happen: its kind and place, not its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else "nowhere"
    return KeywayError(f"{type(error).__name__} at {place}", "this is a bug in keyway: report that line")
