"""`keyway run` where keyway stays: to mask, to watch, to remove a file, or as a container's first process."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from keyway_core.sensitive import Sensitive

from keyway_cli import system
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch
from keyway_cli.api import Place, Pulled
from keyway_cli.changes import compare
from keyway_cli.running.keeping import Program, Streams, keep, start, wait_on_windows
from keyway_cli.running.signals import Signals

if TYPE_CHECKING:
    from keyway_cli.actions.run import Wishes
    from keyway_cli.masking.relay import Pipes
    from keyway_cli.masking.relay import Terminal as Relay
    from keyway_cli.running.envfile import EnvFile
    from keyway_cli.running.watching import Watcher


class Session:
    """One program, started once or, when values change, again and again."""

    def __init__(
        self, context: Context, place: Place, command: tuple[str, ...], wishes: Wishes, *, masked: bool
    ) -> None:
        self._context = context
        self._place = place
        self._command = command
        self._wishes = wishes
        self._masked = masked
        self._file: EnvFile | None = None
        self._pulled = Pulled({}, None)
        self._values: Mapping[str, Sensitive] = {}

    def run(self, pulled: Pulled, values: Mapping[str, Sensitive], stack: ExitStack) -> int:
        """Runs the program to its end and answers its exit code."""
        self._pulled, self._values = pulled, values
        if self._wishes.env_file:
            from keyway_cli.running.envfile import disappearing

            self._file = stack.enter_context(disappearing(self._wishes.env_file, values))
        if system.WINDOWS:
            return self._on_windows()
        signals = stack.enter_context(Signals())
        watcher = stack.enter_context(self._watching()) if self._wishes.watch else None
        while True:
            code = self._once(signals, watcher)
            if watcher is None or not watcher.changed.is_set():
                return code
            watcher.changed.clear()
            if self._file:
                self._file.write(self._values)

    def _once(self, signals: Signals, watcher: Watcher | None) -> int:
        relay, streams = self._relay()
        try:
            program = start(self._command, self._environment(), signals, streams, own_group=watcher is not None)
        except BaseException:
            if relay is not None:
                relay.begin()
                relay.finish()
            raise
        if relay is not None:
            relay.begin()
        try:
            return self._kept(program, signals, watcher, relay, led=streams.terminal)
        finally:
            if relay is not None:
                relay.finish()

    def _kept(
        self, program: Program, signals: Signals, watcher: Watcher | None, relay: Relay | Pipes | None, *, led: bool
    ) -> int:
        from keyway_cli.running.stopping import Foreground, stop
        from keyway_cli.running.watching import Stopper

        stopper = Stopper(program.signal)
        foreground = Foreground(program) if watcher is not None and not led else None

        def on_wake() -> None:
            if relay is not None:
                relay.go_on()
            if watcher is not None and watcher.changed.is_set():
                stopper.begin()

        def on_stop(number: int) -> None:
            if relay is not None:
                relay.rest()
            if foreground:
                foreground.stopped(number)
            else:
                stop()
                program.signal(signal.SIGCONT)
            on_wake()  # stopping removes a SIGCONT that waited

        try:
            resize = relay.resize if relay is not None else None
            own = on_stop if program.own_group else None
            return keep(program, signals, on_resize=resize, on_wake=on_wake, on_stop=own)
        finally:
            stopper.end()
            if foreground:
                foreground.take_back()

    def _environment(self) -> dict[str, str]:
        from keyway_cli.actions.run import environment_for

        return environment_for(self._values, self._wishes)

    def _relay(self) -> tuple[Relay | Pipes | None, Streams]:
        """What stands between the program and us, if anything."""
        if not self._masked:
            return None, Streams()
        from keyway_cli.masking.forms import Lookup
        from keyway_cli.masking.relay import Pipes, Terminal

        lookup = Lookup(self._secret_texts())
        if not os.isatty(1):
            pipes = Pipes(lookup)
            output, errors = pipes.open()
            return pipes, Streams(None, output, errors)
        terminal = Terminal(lookup, errors=not os.isatty(2))
        screen, errors = terminal.open()
        keyboard = screen if os.isatty(0) else None
        return terminal, Streams(keyboard, screen, errors, terminal=keyboard is not None)

    def _secret_texts(self) -> list[str]:
        """Every value of the environment, handed over or not: a program may have come by it in another way."""
        token = self._context.settings.token
        texts = [value.reveal() for value in self._pulled.values.values()]
        return [*texts, token.reveal()] if token else texts

    @contextlib.contextmanager
    def _watching(self) -> Iterator[Watcher]:
        from keyway_cli.running.watching import Watcher

        watcher = Watcher(self._look, self._context.terminal.warn, self._context.settings.watch_seconds)
        watcher.begin()
        try:
            yield watcher
        finally:
            watcher.end()

    def _look(self) -> bool:
        """Whether the values that the program has are no longer the server's. Remembers the new ones."""
        from keyway_cli.actions.run import handed_over

        api, known = self._context.api(silent=True), self._pulled.revision  # the screen is the program's
        if known is not None and api.at_revision(self._place, known.id) is None:
            return False
        pulled = fetch(self._context, api, self._place)
        values = handed_over(self._context.terminal, pulled.values, self._wishes)
        changes = compare(self._values, values, prune=True)
        self._pulled = pulled
        if not changes:
            return False
        self._values = values
        names = ", ".join([*changes.added, *changes.changed, *changes.removed])
        number = f"revision {pulled.revision.number}: " if pulled.revision else ""
        self._context.terminal.say(f"keyway: {number}{names} changed; starting the program again")
        return True

    def _on_windows(self) -> int:
        if not self._masked:
            return wait_on_windows(self._command, self._environment()).wait()
        from keyway_cli.masking.forms import Lookup
        from keyway_cli.masking.relay import Pipes

        pipes = Pipes(Lookup(self._secret_texts()))
        output, errors = pipes.open()
        process = wait_on_windows(self._command, self._environment(), stdout=output, stderr=errors)
        pipes.begin()
        code = process.wait()
        pipes.finish()
        return code
