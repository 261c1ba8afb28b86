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
from typing import Final

from keyway_cli.masking.forms import Lookup
from keyway_cli.masking.keyboard import Keyboard
from keyway_cli.masking.redactor import Redactor

_CHUNK: Final = 65_536
QUIET_SECONDS: Final = 0.03
LONG_QUIET_SECONDS: Final = 1.0
_AFTER_END_SECONDS: Final = 0.25
_REST_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.2
_LEFT_READS: Final = 256


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

    def resize(self) -> None:
        """A pipe has no size."""

    def rest(self) -> None:
        """The program was stopped: a pipe waits by itself."""

    def go_on(self) -> None:
        """The program goes on."""

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
        self._keyboard = Keyboard()
        self._thread: threading.Thread | None = None
        self._over, self._resting, self._going = threading.Event(), threading.Event(), threading.Event()
        self._stop, self._stopper = os.pipe()
        self._error_reader = self._error_writer = -1
        self._typed = b""

    def open(self) -> tuple[int, int]:
        """The program's terminal, and where it writes errors when ours go elsewhere."""
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)  # Ctrl-Z discards what was about to be read; a program may not read keys
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
        self._keyboard.take()
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
        self._keyboard.give_back()

    def rest(self) -> None:
        """The program was stopped: shows what it printed before and gives our terminal back, until it goes on."""
        self._resting.clear()
        self._going.clear()
        os.write(self._stopper, b"r")
        self._resting.wait(_REST_SECONDS)
        self._keyboard.give_back()

    def go_on(self) -> None:
        """The program goes on. In the foreground the keyboard is its again, and the window may have another size."""
        self._keyboard.take()
        self.resize()
        self._going.set()

    def _pass_on(self) -> None:
        import select

        sources = {self._master, self._stop} | ({self._error_reader} - {-1})
        while self._master in sources or self._error_reader in sources:
            keys = {0} if self._keyboard.taken and not self._typed else set()
            writing = [self._master] if self._typed else []
            ready, writable, _ = select.select(list(sources | keys), writing, [], self._patience())
            if writable:
                self._pass_keys()
            elif not ready and self._over.is_set():
                break
            elif not ready:
                self._quiet()
                self._look()
            for source in ready:
                if source == self._stop:
                    self._obey(sources)
                elif not self._move(source):
                    self._lost(source, sources)
        for output in (self._output, self._errors):
            if output is not None:
                output.end()

    def _obey(self, sources: set[int]) -> None:
        """What the main thread wants: that we end soon, or rest when all is shown."""
        if os.read(self._stop, 1) == b"x":
            sources.discard(self._stop)
            return
        self._show_the_rest(sources - {self._stop})
        self._resting.set()
        self._going.wait()

    def _show_the_rest(self, outputs: set[int]) -> None:
        import select

        for _ in range(_LEFT_READS):  # others in its group may go on printing
            ready, _, _ = select.select(list(outputs), [], [], QUIET_SECONDS)
            if not all(self._move(source) for source in ready) or not ready:
                break
        self._quiet()

    def _lost(self, source: int, sources: set[int]) -> None:
        if source == 0:
            self._keyboard.lose()
        sources.discard(source)

    def _look(self) -> None:
        """A shell brings what runs in the background to the foreground without a word."""
        if self._keyboard.wanted and self._keyboard.take():
            self.resize()

    def _patience(self) -> float | None:
        if self._over.is_set():
            return _AFTER_END_SECONDS
        waits = self._output.waits or (self._errors is not None and self._errors.waits)
        if waits:
            return QUIET_SECONDS
        return _LOOK_SECONDS if self._keyboard.wanted else None

    def _quiet(self) -> None:
        with contextlib.suppress(OSError):
            for output in (self._output, self._errors):
                if output is not None and output.waits:
                    output.quiet(QUIET_SECONDS)

    def _move(self, source: int) -> bool:
        """Whether there may be more from a source."""
        if source == 0 and not self._keyboard.ours():
            return True
        try:
            data = os.read(source, _CHUNK)
            if not data:
                return False
            if source == 0:
                self._typed = data
                self._pass_keys()
            elif source == self._error_reader and self._errors is not None:
                self._errors.write(data)
            else:
                self._output.write(data)
        except BlockingIOError:
            return True
        except OSError:  # EIO: the other side of a terminal is closed; or nobody reads us
            return False
        return True

    def _pass_keys(self) -> None:
        """As many as the program's terminal takes now."""
        try:
            self._typed = self._typed[os.write(self._master, self._typed) :]
        except BlockingIOError:
            return
        except OSError:  # nobody has that terminal any more
            self._typed = b""


def _write_all(target: int, data: bytes) -> None:
    if target in {1, 2}:
        (sys.stdout if target == 1 else sys.stderr).flush()
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]
