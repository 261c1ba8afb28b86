"""What the system refuses to start, said so that a person can act on it; and becoming the program."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from keyway_cli import system
from keyway_cli.errors import CommandNotFound, KeywayError, NotExecutable
from keyway_cli.files import reason

_PAGES_PER_STRING: Final = 32  # MAX_ARG_STRLEN of Linux, execve(2)
_HINT: Final = "nothing was started; --env-file hands them over in a file that disappears afterwards"


def refuse_too_long(secrets: Mapping[str, str]) -> None:
    """Linux refuses a single string over 128 KiB without saying which; so it is said here."""
    if system.WINDOWS:
        return
    longest = _PAGES_PER_STRING * os.sysconf("SC_PAGE_SIZE")
    for key, value in secrets.items():
        if (size := len(key.encode()) + len(value.encode()) + 2) > longest:
            raise KeywayError(f"{key} takes {size} bytes; the system hands over {longest} in one variable", _HINT)


def become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Replaces this process by a program."""
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these two and a new program would inherit that: `yes | head` would never end.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), dict(environment))  # noqa: S606 (no shell is the point)
    except OSError as error:
        raise not_started(command[0], error, environment) from None


def not_started(program: str, error: OSError, environment: Mapping[str, str]) -> KeywayError:
    """Why a program did not start: 127, 126, or more variables than the system hands over."""
    if error.errno == errno.E2BIG and not system.WINDOWS:
        sizes = {key: len(key) + len(os.fsencode(value)) + 2 for key, value in environment.items()}
        largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:3]
        names = ", ".join(f"{key} ({sizes[key]})" for key in largest)
        return KeywayError(
            f"the variables take {sum(sizes.values())} bytes; the system hands over {os.sysconf('SC_ARG_MAX')}; "
            f"the largest: {names}",
            _HINT,
        )
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return CommandNotFound(f"{program}: command not found")
    return NotExecutable(f"{program}: {reason(error)}")
