"""One operating system process of ours: started, watched, stopped, killed and frozen, always with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import psutil

from .accounts import Account

_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.02
_LAST_LINES: Final = 15
_FREEZE_SECONDS: Final = 1.0
_STANDS_STILL: Final = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


class ProcessError(Exception):
    """A process did not start, did not become ready, or ended by itself. The text carries its last lines."""


@dataclass(frozen=True)
class Command:
    """What is executed: arguments, the whole environment, open descriptors to hand over, working folder."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    descriptors: Sequence[int] = ()
    folder: Path = Path("/")


class Child(Protocol):
    """What is used of a started process; `subprocess.Popen` is one."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


def spawned(command: Command, account: Account, log_path: Path) -> Child:
    """A process of that account, in a session of its own, with nothing to read and its output appended to the log."""
    with log_path.open("ab") as log:
        return subprocess.Popen(
            command.arguments,
            env=command.environment,
            pass_fds=command.descriptors,
            cwd=command.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then stops us in order
            umask=0o077,
            user=account.uid,
            group=account.uid,
            extra_groups=None if account.uid is None else (),
        )


@dataclass
class Process:
    """A named process, its command made anew at every start.

    `ready` answers whether it serves; `stop_signal` asks it to leave. Output goes to `log_path`, appended.
    `environment` is laid over the command's variables; None takes one away. `spawn` starts it.
    """

    name: str
    account: Account
    log_path: Path
    command: Callable[[], Command]
    ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    environment: dict[str, str | None] = field(default_factory=dict)
    spawn: Callable[[Command, Account, Path], Child] = spawned
    _child: Child | None = None

    @property
    def pid(self) -> int:
        """The number of the running process."""
        if self._child is None:
            raise ProcessError(f"{self.name} is not running")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it ever ran; negative for a signal."""
        return None if self._child is None else self._child.poll()

    @property
    def running(self) -> bool:
        """Whether it was started and did not end since."""
        return self._child is not None and self._child.poll() is None

    def launch(self) -> None:
        """Starts without waiting for readiness. Does nothing when it runs already."""
        if self.running:
            return
        command = self.command()
        laid_over = {**command.environment, **self.environment}
        known = {name: value for name, value in laid_over.items() if value is not None}
        self._child = self.spawn(replace(command, environment=known), self.account, self.log_path)

    @property
    def how_it_ended(self) -> str:
        """For people: "ended with 1", "was killed by SIGKILL"."""
        code = self.exit_code or 0
        return f"ended with {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"

    def start(self) -> None:
        """Starts and waits until it serves."""
        self.launch()
        self.wait_ready()

    def wait_ready(self, seconds: float = _READY_SECONDS) -> None:
        """Returns when the process serves; ProcessError when it ends before that or takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not (self.ready() and self.running):  # another program may answer at its port
            if not self.running:
                raise ProcessError(f"{self.name} {self.how_it_ended}:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.name} was not ready after {seconds:.0f} s:\n{self.last_lines()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, seconds: float = _STOP_SECONDS) -> None:
        """Asks it to leave, waits, and kills what is left after `seconds`."""
        if self._child is None:
            return
        self.resume()
        with suppress(ProcessLookupError):
            self._child.send_signal(self.stop_signal)
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the process and all its children; returns when none is left."""
        if self._child is None:
            return
        _freeze(self._child.pid)
        family = self._family()
        self._child.kill()
        self._child.wait()
        kill_all(family)

    def restart(self, env: Mapping[str, str | None] | None = None) -> None:
        """Stops and starts again; `env` is laid over the variables that it had (None takes one away)."""
        self.stop()
        self.environment.update(env or {})
        self.start()

    def suspend(self) -> None:
        """SIGSTOP: alive, connected, and answering nothing."""
        self._signal_family(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal_family(signal.SIGCONT)

    def last_lines(self) -> str:
        """The end of its log, for a message about its death."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-_LAST_LINES:])

    def _signal_family(self, number: signal.Signals) -> None:
        for member in self._family():
            with suppress(ProcessLookupError):
                os.kill(member.pid, number)

    def _family(self) -> list[psutil.Process]:
        """The process and its descendants: PostgreSQL's leave the process group, so the group is not enough."""
        if self._child is None:
            return []
        try:
            head = psutil.Process(self._child.pid)
            return [head, *head.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _freeze(pid: int) -> None:
    """Stops a process, so that it makes no more children while they are counted: one that is missed outlives it."""
    with suppress(psutil.NoSuchProcess):
        head = psutil.Process(pid)
        head.suspend()
        deadline = time.monotonic() + _FREEZE_SECONDS
        while head.status() not in _STANDS_STILL and time.monotonic() < deadline:
            time.sleep(0.001)


def kill_all(family: Sequence[psutil.Process]) -> None:
    """SIGKILL to all of them; returns when none is alive."""
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    while any(map(_alive, family)):
        time.sleep(_POLL_SECONDS)


def _alive(member: psutil.Process) -> bool:
    """A zombie holds nothing any more; it only waits for its parent to look."""
    try:
        return member.is_running() and member.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
