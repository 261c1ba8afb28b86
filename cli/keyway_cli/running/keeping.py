"""Keeping a program: starting it, passing signals on, burying its dead, and ending as it ended.

Needed where keyway cannot simply become the program: when something has to happen beside it or after it, and as the
first process of a container, where orphans have to be buried and where the kernel ignores what is not handled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from keyway_cli.running.signals import Signals
from keyway_cli.running.starting import not_started


class Streams(NamedTuple):
    """Where a program reads and writes; None is where we do. `terminal` is one that becomes its own."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    terminal: bool = False


class Program:
    """A program that runs. Its signals go to its whole group when it has one of its own.

    `group` is that of a program with a terminal of its own: what we started and wait for then leads its session.
    """

    def __init__(self, process: subprocess.Popen[bytes], *, own_group: bool, group: int | None = None) -> None:
        self._process = process
        self._own_group = own_group
        self._group = group
        self.pid = process.pid
        self.code: int | None = None

    @property
    def own_group(self) -> bool:
        """Whether the terminal's keyboard does not reach it by us."""
        return self._own_group

    def signal(self, number: int) -> None:
        """Sends a signal, if the program is still there."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._own_group:
                os.killpg(self._group or self.pid, number)
            else:
                os.kill(self.pid, number)
        if self._group and number == signal.SIGCONT:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)  # whoever leads was stopped with it

    def ended(self, status: int) -> None:
        """Takes note of how it ended: its exit code, or 128 and the number of the signal."""
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        self.code = code if code >= 0 else 128 - code


def start(
    command: Sequence[str], environment: Mapping[str, str], signals: Signals, streams: Streams, *, own_group: bool
) -> Program:
    """Starts a program. Raises KeywayError when the system does not."""
    from keyway_cli.running import leading

    leading.load()
    number_from, number_to = os.pipe()

    def prepare() -> None:
        if streams.terminal:
            leading.take_terminal(number_to)
        signals.restore()

    try:
        process = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            start_new_session=streams.terminal,
            process_group=0 if own_group and not streams.terminal else None,
            preexec_fn=prepare,  # noqa: PLW1509 - a few system calls; whatever they need is loaded before
        )
    except OSError as error:
        raise not_started(command[0], error, environment) from None
    else:
        group = int(os.read(number_from, 32)) if streams.terminal else None
        return Program(process, own_group=own_group or streams.terminal, group=group)
    finally:
        os.close(number_from)
        os.close(number_to)


def keep(
    program: Program,
    signals: Signals,
    *,
    on_resize: Callable[[], None] | None = None,
    on_wake: Callable[[], None] | None = None,
    on_stop: Callable[[int], None] | None = None,
) -> int:
    """Waits until a program has ended. Signals are passed on, unless the terminal gave them to it already.

    SIGWINCH is for `on_resize`. SIGCONT, by a shell or our own threads, wakes `on_wake`. `on_stop` is for a program
    that was stopped in a group of its own, and by which signal.
    """
    while True:
        if _buried(program, on_stop):
            return program.code or 0
        arrived = signals.wait()
        if arrived.number == signal.SIGCHLD:
            continue
        if arrived.number == signal.SIGWINCH:
            if on_resize:
                on_resize()
        elif arrived.number == signal.SIGCONT:
            if on_wake:
                on_wake()
        elif program.own_group or not arrived.by_terminal:
            program.signal(arrived.number)


def _buried(program: Program, on_stop: Callable[[int], None] | None) -> bool:
    """Whether the program has ended. As the first process of a system also buries orphans."""
    first = os.getpid() == 1
    options = os.WNOHANG | (os.WUNTRACED if on_stop else 0)
    while program.code is None:
        try:
            pid, status = os.waitpid(-1 if first else program.pid, options)
        except ChildProcessError:
            program.code = 0
            break
        if pid == 0:
            return False
        if pid == program.pid and os.WIFSTOPPED(status):
            if on_stop:
                on_stop(os.WSTOPSIG(status))
        elif pid == program.pid:
            program.ended(status)
    return True


def wait_on_windows(command: Sequence[str], environment: Mapping[str, str], **streams: Any) -> subprocess.Popen[bytes]:
    """Starts a program where there are no Unix signals; Ctrl-C reaches it by the console.

    `npm` is `npm.cmd` there, which the system itself does not find.
    """
    from shutil import which

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path = next((value for name, value in environment.items() if name.upper() == "PATH"), None)
    program = which(command[0], path=path) or command[0]
    try:
        return subprocess.Popen([program, *command[1:]], env=dict(environment), **streams)
    except OSError as error:
        raise not_started(command[0], error, {}) from None
