"""What a program prints, on its way to us, with the values masked.

Where we write to a terminal the program gets a terminal of its own: so it keeps its colours, asks its questions and
learns the window's size. Elsewhere it gets pipes, one for each stream, so that they stay apart.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

from keyway_cli.masking.forms import Lookup
from keyway_cli.masking.redactor import Redactor

_CHUNK: Final = 65_536
QUIET_SECONDS: Final = 0.03
LONG_QUIET_SECONDS: Final = 1.0
_AFTER_END_SECONDS: Final = 0.25


class Masked:
    """One stream that is written masked. Falls silent when nobody reads it any more."""

    def __init__(self, lookup: Lookup, target: int) -> None:
        self._redactor = Redactor(lookup)
        self._target = target
        self._silent_for = 0.0

    @property
    def waits(self) -> bool:
        """Whether something is held back that time may let go."""
        return self._redactor.holds

    def write(self, data: bytes) -> None:
        """Passes on what a program printed. Raises OSError when nobody reads it."""
        self._silent_for = 0.0
        _write_all(self._target, self._redactor.feed(data))

    def quiet(self, seconds: float) -> None:
        """The program has printed nothing for so long."""
        self._silent_for += seconds
        _write_all(self._target, self._redactor.flush(end=self._silent_for >= LONG_QUIET_SECONDS))

    def end(self) -> None:
        """There will be no more."""
        with contextlib.suppress(OSError):
            _write_all(self._target, self._redactor.flush(end=True))


class Pipes:
    """Standard output and errors of a program, each through a pipe. Works on every system."""

    def __init__(self, lookup: Lookup) -> None:
        self._arrived: queue.Queue[tuple[int, bytes]] = queue.Queue(64)
        self._outputs = {1: Masked(lookup, 1), 2: Masked(lookup, 2)}
        self._ends: list[int] = []
        self._readers: dict[int, int] = {}
        self._threads: list[threading.Thread] = []

    def open(self) -> tuple[int, int]:
        """What the program writes to."""
        for number in (1, 2):
            reader, writer = os.pipe()
            self._readers[number] = reader
            self._ends.append(writer)
        return self._ends[0], self._ends[1]

    def begin(self) -> None:
        """The program has its ends; from now on what it prints is passed on."""
        for writer in self._ends:
            os.close(writer)
        for number, reader in self._readers.items():
            self._threads.append(threading.Thread(target=self._read, args=(number, reader), daemon=True))
        self._threads.append(threading.Thread(target=self._pass_on, daemon=True))
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """The program has ended: what it printed is passed on to its end, unless a child of its own holds the pipe."""
        for thread in self._threads[:-1]:
            thread.join(_AFTER_END_SECONDS)
        self._arrived.put((0, b""))
        self._threads[-1].join()

    def _read(self, number: int, reader: int) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(reader, _CHUNK):
                self._arrived.put((number, data))

    def _pass_on(self) -> None:
        while True:
            waits = any(output.waits for output in self._outputs.values())
            try:
                number, data = self._arrived.get(timeout=QUIET_SECONDS if waits else None)
            except queue.Empty:
                self._each_quiet()
                continue
            if number == 0:
                break
            self._write(number, data)
        for output in self._outputs.values():
            output.end()

    def _each_quiet(self) -> None:
        for number, output in self._outputs.items():
            if output.waits:
                with self._unread(number):
                    output.quiet(QUIET_SECONDS)

    def _write(self, number: int, data: bytes) -> None:
        with self._unread(number):
            self._outputs[number].write(data)

    @contextlib.contextmanager
    def _unread(self, number: int) -> Iterator[None]:
        """When nobody reads us, nobody reads the program: its next write fails, as it would without us."""
        try:
            yield
        except OSError:
            self._outputs[number] = Masked(Lookup([]), number)
            with contextlib.suppress(OSError):
                os.close(self._readers[number])


class Terminal:
    """A pseudo-terminal for a program, whose screen is ours, masked, and whose keyboard is ours, as it is."""

    def __init__(self, lookup: Lookup, *, errors: bool) -> None:
        self._output = Masked(lookup, 1)
        self._errors = Masked(lookup, 2) if errors else None
        self._keyboard = os.isatty(0)
        self._saved: list[Any] | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._stop, self._stopper = os.pipe()
        self._error_reader = self._error_writer = -1

    def open(self) -> tuple[int, int]:
        """The program's terminal, and where it writes errors when ours go elsewhere."""
        self._master, self._slave = os.openpty()
        self.resize()
        if self._errors is None:
            return self._slave, self._slave
        self._error_reader, self._error_writer = os.pipe()
        return self._slave, self._error_writer

    def begin(self) -> None:
        """The program has its terminal."""
        os.close(self._slave)
        if self._errors is not None:
            os.close(self._error_writer)
        if self._keyboard:
            import termios
            import tty

            self._saved = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSANOW)
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def resize(self) -> None:
        """Gives the program the size of our window."""
        import fcntl
        import termios

        with contextlib.suppress(OSError):
            size = fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def finish(self) -> None:
        """The program has ended: shows what is left and gives our terminal back as it was."""
        self._over.set()
        os.write(self._stopper, b"x")
        if self._thread is not None:
            self._thread.join()
        for descriptor in (self._master, self._stop, self._stopper, self._error_reader):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self.give_back()

    def give_back(self) -> None:
        """Our terminal as it was."""
        if self._saved is not None:
            import termios

            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)

    def _pass_on(self) -> None:
        import select

        sources = {self._master, self._stop} | ({0} if self._keyboard else set()) | ({self._error_reader} - {-1})
        while self._master in sources or self._error_reader in sources:
            ready, _, _ = select.select(list(sources), [], [], self._patience())
            if not ready and self._over.is_set():
                break
            if not ready:
                self._quiet()
            for source in ready:
                if source == self._stop:
                    os.read(self._stop, 1)
                    sources.discard(self._stop)
                elif not self._move(source):
                    sources.discard(source)
        for output in (self._output, self._errors):
            if output is not None:
                output.end()

    def _patience(self) -> float | None:
        if self._over.is_set():
            return _AFTER_END_SECONDS
        waits = self._output.waits or (self._errors is not None and self._errors.waits)
        return QUIET_SECONDS if waits else None

    def _quiet(self) -> None:
        with contextlib.suppress(OSError):
            for output in (self._output, self._errors):
                if output is not None and output.waits:
                    output.quiet(QUIET_SECONDS)

    def _move(self, source: int) -> bool:
        """Whether there may be more from a source."""
        try:
            data = os.read(source, _CHUNK)
            if not data:
                return False
            if source == 0:
                _write_all(self._master, data)
            elif source == self._error_reader and self._errors is not None:
                self._errors.write(data)
            else:
                self._output.write(data)
        except OSError:  # EIO: the other side of a terminal is closed; or nobody reads us
            return False
        return True


def _write_all(target: int, data: bytes) -> None:
    if target in {1, 2}:
        (sys.stdout if target == 1 else sys.stderr).flush()
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]
