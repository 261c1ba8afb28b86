"""The process between keyway and a program that has a terminal of its own.

A program that leads its session cannot be stopped by Ctrl-Z: its group is orphaned, and the kernel drops the stop. So
another process leads the session and has the program as a job in the terminal's foreground, as a shell would. It does
to itself whatever happened to the program (stops, exits, dies by the same signal), which is how keyway learns of it.
"""

from __future__ import annotations

import os
import signal
from typing import Final, NoReturn

_MANY: Final = 65_536


def load() -> None:
    """Loads what is needed, before there is another process; not every system has them."""
    import fcntl  # noqa: F401
    import resource  # noqa: F401
    import termios  # noqa: F401


def take_terminal(number_to: int) -> None:
    """For a new session's first process: comes back as the program, in the foreground of the terminal on descriptor 0.

    The first process stays to lead. The program's number, which is its group's too, is written to a descriptor.
    """
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    child = os.fork()
    if child:
        try:
            _lead(child)
        finally:
            os._exit(1)
    os.setpgid(0, 0)
    # In the background now, where this would stop it. The program's own mask is set after us.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    os.tcsetpgrp(0, os.getpid())
    os.write(number_to, str(os.getpid()).encode())


def _lead(program: int) -> NoReturn:
    """SIGHUP alone is not held back: it comes when keyway is gone, and whoever leads takes the foreground along."""
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - {signal.SIGHUP})
    limit = os.sysconf("SC_OPEN_MAX")
    os.closerange(
        0, min(limit, _MANY) if limit > 0 else _MANY
    )  # whoever starts the program waits for one of them to be closed
    while True:
        _, status = os.waitpid(program, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            _end_as(status)
        os.kill(os.getpid(), signal.SIGSTOP)


def _end_as(status: int) -> NoReturn:
    import resource

    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the memory of this process has values, and is not the program's
    if -code not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(-code, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
    os.kill(os.getpid(), -code)
    os._exit(128 - code)
