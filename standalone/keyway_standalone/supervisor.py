"""`up`: everything started in one terminal, with one stream of logs, until Ctrl-C or until one of them dies."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console
from rich.text import Text

from .process import Process, ProcessError
from .processes import Stack

_WATCH_SECONDS: Final = 0.2
_COLOURS: Final = {"postgres": "blue", "github": "magenta", "crypto": "yellow", "backend": "green", "dashboard": "cyan"}
_SOURCES: Final = ("backend", "core", "protos")


class Stopped(Exception):
    """Somebody asked us to stop."""


@dataclass
class Logs:
    """Follows the log files of processes and prints each whole line with the name in front."""

    console: Console
    processes: list[Process]
    _offsets: dict[str, int] = field(default_factory=dict)

    def skip(self) -> None:
        """Everything written so far is history."""
        self._offsets = {one.name: one.log_path.stat().st_size for one in self.processes if one.log_path.exists()}

    def show_new(self) -> None:
        """Prints what was written since the last look."""
        for process in self.processes:
            for line in self._new_lines(process):
                name = Text(f"{process.name:>9} ", style=_COLOURS[process.name])
                self.console.print(name + Text(line))

    def _new_lines(self, process: Process) -> list[str]:
        if not process.log_path.exists():
            return []
        with process.log_path.open("rb") as log:
            log.seek(self._offsets.get(process.name, 0))
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offsets[process.name] = self._offsets.get(process.name, 0) + len(whole)
        return whole.decode(errors="replace").splitlines()


@dataclass
class Reloader:
    """Restarts the backend when its code changes. A backend that does not start any more waits for the next change."""

    stack: Stack
    console: Console
    root: Path
    _seen: float = 0.0

    def __post_init__(self) -> None:
        self._seen = self._newest()

    def look(self) -> None:
        """One look at the source files."""
        newest = self._newest()
        if newest == self._seen:
            return
        self._seen = newest
        self.console.print("code changed: restarting the backend")
        try:
            self.stack.backend.restart()
            self.stack.folder.remember("backend", self.stack.backend.pid)
        except ProcessError as error:
            self.console.print(f"{error}\nthe backend is down until the next change", style="red", markup=False)

    def _newest(self) -> float:
        files = (file for part in _SOURCES for file in (self.root / part).rglob("*.py"))
        return max((file.stat().st_mtime for file in files), default=0.0)


def run(stack: Stack, console: Console, *, reload_from: Path | None = None) -> int:
    """Starts, prints what to do next, and watches. 0 after a wanted stop, 1 after the death of a process."""
    logs = Logs(console, stack.wanted)
    logs.skip()
    with _stop_signals():
        try:
            stack.start(lambda name, state: _progress(console, name, state))
            _after_start(stack, console)
            watcher = Reloader(stack, console, reload_from) if reload_from else None
            _mourn(_watch(stack, logs, watcher), console)
        except Stopped:
            return 0
        else:
            return 1
        finally:
            try:
                console.print("stopping …")
            finally:  # also when nobody reads what we print any more: the same Ctrl-C stops the reader of a pipe
                stack.stop()
            logs.show_new()
            console.print("stopped; everything is kept in " + str(stack.folder.path))


def real_github(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a real GitHub App, if one is configured; then no stand-in is started."""
    named = {name: value for name, value in environment.items() if name.startswith("GITHUB_APP_") and value}
    also = {name: environment[name] for name in ("GITHUB_URL", "GITHUB_BASE_URL") if environment.get(name)}
    return named | also if "GITHUB_APP_ID" in named else {}


def next_steps(stack: Stack) -> list[str]:
    """Shell lines that sign somebody in and move a first value, for this very world."""
    world = stack.world()
    repo = world.full_name(world.repos[world.places["private"]])
    programs = Path(sys.executable).parent
    return [
        f'export PATH="{programs}:$PATH"',
        f"export KEYWAY_API_URL={stack.api_url} KEYWAY_GITHUB_URL={stack.github_url}",
        "cd $(mktemp -d) && git init -q && echo .env > .gitignore",
        f"git remote add origin {stack.github_url}/{repo}.git",
        "keyway login",
        "keyway init",
        "echo 'GREETING=hello' > .env && keyway push --yes",
        "keyway run -- sh -c 'echo $GREETING'",
    ]


def _after_start(stack: Stack, console: Console) -> None:
    if stack.new_key:
        _show_key(stack, console)
    console.print("\nKeyway is running.", style="bold green")
    console.print(f"  API        {stack.api_url}\n  Dashboard  {stack.dashboard_url}\n  GitHub     {stack.github_url}")
    if stack.real_github:
        console.print("It asks the real GitHub, as configured by GITHUB_APP_ID.")
        return
    console.print("\nGitHub is a stand-in on this machine. These people live there:")
    world = stack.world()
    for role, number in world.cast.items():
        user = world.users[number]
        console.print(f"  {user.login:<22}{role}", highlight=False)
    console.print(f"\nIts approval page asks for this passphrase: [bold]{stack.passphrase}[/bold]")
    founder = world.users[world.cast["founder"]].login
    console.print(f"\nType next, in another terminal (on the page that `keyway login` names, be {founder}):\n")
    for line in next_steps(stack):
        console.print(f"  {line}", markup=False, highlight=False)
    console.print("\nCtrl-C stops everything. Logs follow.\n")


def _mourn(dead: Process, console: Console) -> None:
    console.print(f"{dead.name} {dead.how_it_ended}. Its last lines:", style="bold red")
    console.print(dead.last_lines(), markup=False, highlight=False)


def _show_key(stack: Stack, console: Console) -> None:
    console.rule("[bold red]STORE THIS: it is shown once, and without it every value is lost")
    console.print(f"ENCRYPTION_KEY={stack.folder.encryption_key.read_text().strip()}", highlight=False)
    console.print(f"Kept in {stack.folder.encryption_key}", highlight=False)
    console.rule(style="red")


def _progress(console: Console, name: str, state: str) -> None:
    console.print(Text(f"{name:>9} ", style=_COLOURS[name]) + Text(state))


def _watch(stack: Stack, logs: Logs, reloader: Reloader | None) -> Process:
    """Shows logs until a process dies; that process."""
    while True:
        logs.show_new()
        if reloader:
            reloader.look()
        for process in stack.wanted:
            reloading = reloader is not None and process is stack.backend
            if not process.running and not reloading:
                return process
        time.sleep(_WATCH_SECONDS)


@contextmanager
def _stop_signals() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise Stopped, once; while we stop they are ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
