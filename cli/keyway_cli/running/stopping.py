"""Ctrl-Z for a program in a group of its own: we stop as well, so that the shell has the terminal, and go on with it.

We stop by SIGTSTP and never by SIGSTOP: where there is no shell that could make us go on (as the leader of a session,
under `ssh -t`, in a container) the kernel drops it, as it does for a program without us, and the program goes on.
"""

from __future__ import annotations

import contextlib
import os
import signal

from keyway_cli.running.keeping import Program


def stop() -> bool:
    """Stops our whole group, as the key would; a script around us would wait for us otherwise.

    Whether we were stopped, known when we go on. SIGCONT has to be held back: stopping removes one that waits, so
    that one that waits now made us go on.
    """
    if os.getpid() == 1:
        return False
    os.kill(0, signal.SIGTSTP)
    return signal.SIGCONT in signal.sigpending()


class Foreground:
    """The keyboard of our terminal, lent to a program in a group of its own, so that Ctrl-C and Ctrl-Z reach it.

    Lent only when it is ours: started or gone on in the background, the program is in the background too.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._own = os.getpgrp()
        try:
            self._terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        except OSError:
            self._terminal = -1
        self._lend()

    def stopped(self, number: int) -> None:
        """The program was stopped, by this signal."""
        wants_terminal = number in {signal.SIGTTIN, signal.SIGTTOU}
        # A shell's `fg` for us is one for the program. And it may have wanted the terminal just before it was lent.
        if not (wants_terminal and (self._lend() or self._lent())):
            self._pass(self._program.pid, self._own)
            continued = stop()
            lent = self._lend()
            if wants_terminal and not continued and not lent:
                return  # it would be stopped again at once, and again
        self._program.signal(signal.SIGCONT)

    def take_back(self) -> None:
        """The keyboard is ours again."""
        if self._terminal >= 0:
            self._pass(self._program.pid, self._own)
            os.close(self._terminal)
            self._terminal = -1

    def _lend(self) -> bool:
        return self._pass(self._own, self._program.pid)

    def _lent(self) -> bool:
        """Whether the program has it."""
        with contextlib.suppress(OSError):
            return self._terminal >= 0 and os.tcgetpgrp(self._terminal) == self._program.pid
        return False

    def _pass(self, giver: int, taker: int) -> bool:
        """Whether it was the giver's, and now is the taker's."""
        if self._terminal < 0:
            return False
        # Whoever is in the background and does this is stopped, unless SIGTTOU is held back.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            with contextlib.suppress(OSError):
                if os.tcgetpgrp(self._terminal) == giver:
                    os.tcsetpgrp(self._terminal, taker)
                    return True
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
