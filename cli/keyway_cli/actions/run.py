"""A program with the values of an environment around it."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping
from typing import Final, NoReturn

from keyway_core.names import is_key, is_refused_key, unstorable
from keyway_core.sensitive import Sensitive

from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch
from keyway_cli.errors import CommandNotFound, KeywayError, NotExecutable
from keyway_cli.files import reason
from keyway_cli.terminal import Terminal, one_line

_PAGES_PER_STRING: Final = 32  # MAX_ARG_STRLEN of Linux, execve(2)


def run(context: Context, command: tuple[str, ...]) -> int:
    """Becomes the program (so that its exit code and every signal are its own), or on Windows waits for it.

    Raises before anything is started: for a missing environment, an unknown program, or more than the system can hand
    over.
    """
    pulled = fetch(context, context.api(), context.place())
    values = injectable(context.terminal, pulled.values)
    return _wait_for(command, values) if os.name == "nt" else _become(command, values)


def injectable(terminal: Terminal, values: Mapping[str, Sensitive]) -> dict[str, Sensitive]:
    """The values that may stand in a process's environment; the others are named and left out."""
    refused = sorted(
        key
        for key, value in values.items()
        if not is_key(key) or is_refused_key(key) or unstorable(value.reveal()) is not None
    )
    if refused:
        terminal.warn(f"not handed to the program: {one_line(', '.join(refused))}")
    return {key: value for key, value in values.items() if key not in refused}


def _become(command: tuple[str, ...], values: Mapping[str, Sensitive]) -> NoReturn:
    secrets = {key.encode(): value.reveal().encode() for key, value in values.items()}
    _refuse_too_long(secrets)
    environment = {**os.environb, **secrets}
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these two and a new program would inherit that: `yes | head` would never end.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606 (no shell is the point)
    except OSError as error:
        raise _not_started(command[0], error, environment) from None


def _wait_for(command: tuple[str, ...], values: Mapping[str, Sensitive]) -> int:
    import subprocess

    environment = {**os.environ, **{key: value.reveal() for key, value in values.items()}}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except OSError as error:
        raise _not_started(command[0], error, {}) from None


def _refuse_too_long(secrets: Mapping[bytes, bytes]) -> None:
    """Linux refuses a single string over 128 KiB without saying which; so it is said here."""
    longest = _PAGES_PER_STRING * os.sysconf("SC_PAGE_SIZE")
    for key, value in secrets.items():
        if len(key) + len(value) + 2 > longest:
            raise KeywayError(
                f"{key.decode()} is too long to hand to a program: the system takes {longest} bytes", "keyway pull"
            )


def _not_started(program: str, error: OSError, environment: Mapping[bytes, bytes]) -> KeywayError:
    if error.errno == errno.E2BIG:
        size = sum(len(key) + len(value) + 2 for key, value in environment.items())
        largest = sorted(environment, key=lambda key: len(environment[key]), reverse=True)[:3]
        names = ", ".join(key.decode("utf-8", "replace") for key in largest)
        return KeywayError(
            f"the environment of {size} bytes is more than the system hands to a program; the largest: {names}",
            "nothing was started; keep large values in a file: keyway pull",
        )
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return CommandNotFound(f"{program}: command not found")
    return NotExecutable(f"{program}: {reason(error)}")
