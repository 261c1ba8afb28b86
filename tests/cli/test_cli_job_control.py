"""`keyway run` as a job of an interactive shell: Ctrl-Z, `fg`, `bg`, a window of another size, Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import sys
import time
from pathlib import Path

import pytest
from peer import listening, pulled
from person import KEYWAY, Person
from screen import SECONDS, Screen, terminal

VALUE = "canary-value-of-a-job-0123456789"
PROGRAM = """
import os, sys
print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    size = os.get_terminal_size(0)
    print("got", line.strip(), size.columns, size.lines, os.environ["VALUE"], flush=True)
"""
DEAF = """
import os, sys, time, tty
tty.setraw(0)
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
print("still here", flush=True)
"""
# A parent with jobs that touches nothing of the terminal but whose it is. A shell would mend what a job left behind.
PARENT = """
import os, signal, sys, termios
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
def tell(word):
    print(word, termios.tcgetattr(0)[:4], flush=True)
tell("before")
pid = os.fork()
if not pid:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpid())
    if not os.WIFSTOPPED(status):
        break
    tell("stopped")
    sys.stdin.readline()
    os.tcsetpgrp(0, pid)
    os.kill(-pid, signal.SIGCONT)
tell(f"ended {os.waitstatus_to_exitcode(status)}")
"""


def state(pid: str) -> tuple[str, str]:
    """What the system tells of a process (T is stopped, nothing that it is gone), and its parent."""
    try:
        found = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    return found[0].replace("Z", ""), found[1]


def stopped(*pids: str) -> None:
    """Waits until processes do not run. A shell goes on when its own child is; another might still read our keys."""
    deadline = time.monotonic() + SECONDS
    while not all(state(pid)[0] == "T" for pid in pids):
        assert time.monotonic() < deadline, [state(pid) for pid in pids]
        time.sleep(0.01)


def to_background(screen: Screen, pid: str, *, reads: bool) -> None:
    """Has a stopped job go on behind the shell. One that reads the terminal is stopped for that, and the shell, which
    learns of it a little later than we, knows it too: what it does not know as stopped is not brought back by `fg`."""
    screen.type("bg\n")
    screen.until("bg")
    screen.until("shell> ")
    if reads:
        stopped(pid, state(pid)[1])
        screen.type("jobs\n")
        while screen.until("Running|Stopped").group() != "Stopped":
            screen.type("jobs\n")


@pytest.mark.parametrize("options", ["--mask", "--watch", "--mask --watch", "--env-file=.env.run"])
def test_a_program_is_a_job_like_any_other(alice: Person, options: str) -> None:
    """Stopped by the key and not by us alone, brought back, sent to the background and brought back again, ended."""
    code = f"import os\nos.environ.setdefault('VALUE', '')\n{PROGRAM}"
    run = shlex.join([KEYWAY, "run", *options.split(), "--", sys.executable, "-I", "-S", "-c", code])
    with (
        listening(lambda _: pulled({"VALUE": VALUE})) as server,
        terminal(alice.at(server.url), "bash", "--norc", "--noprofile", "-i") as screen,
    ):
        screen.until("shell> ")
        (alice.clone / "start").write_text(run)
        screen.type(". ./start\n")
        pid = screen.until(r"ready (\d+)\s").group(1)
        taken = screen.modes()
        screen.type("one\n")
        first = screen.until(r"got one 77 33 (\S*)").group(1)
        assert first == {"--watch": VALUE, "--env-file=.env.run": ""}.get(options, "*****")
        screen.type("\x1a")
        screen.until(r"Stopped[^\n]*\n")
        stopped(pid)
        screen.resize(101, 44)
        screen.type("fg\n")
        screen.until("fg")
        screen.until("start|run")  # the shell says what goes on
        screen.type("two\n")
        screen.until("got two 101 44")
        assert screen.modes() == taken
        screen.type("\x1a")
        screen.until(r"Stopped[^\n]*\n")
        stopped(pid)
        to_background(screen, pid, reads="--mask" not in options)
        screen.type("fg\n")
        screen.until("fg")
        screen.type("three\n")
        screen.until("got three 101 44")
        screen.type("\x03")
        screen.until("shell> ")
        screen.type("echo co''de=$?\n")
        assert screen.until(r"code=(\d+)").group(1) == "130"
        assert state(pid)[0] == ""
        screen.type("stty -a\n")
        assert {"echo", "icanon", "isig"} <= set(screen.until(r"(?s)speed.*?shell> ").group().split())


@pytest.mark.parametrize("option", ["--mask", "--watch"])
def test_a_stopped_job_leaves_the_terminal_as_it_was(alice: Person, option: str) -> None:
    """Keys are shown and Ctrl-C is a key again while it is stopped, and after it, without a shell's help.

    One that read the keyboard before it was lent to it, and was stopped for that, goes on by itself.
    """
    early = {"--watch": "import os, signal\nos.kill(os.getpid(), signal.SIGTTIN)\n"}.get(option, "")
    line = (KEYWAY, "run", option, "--", sys.executable, "-I", "-S", "-c", early + PROGRAM)
    with (
        listening(lambda _: pulled({"VALUE": VALUE})) as server,
        terminal(alice.at(server.url), sys.executable, "-I", "-S", "-c", PARENT, *line) as screen,
    ):
        before = screen.until(r"before (\[.*?\])").group(1)
        screen.until("ready")
        taken = screen.modes()
        for word in ("one", "two"):
            screen.type("\x1a")
            assert screen.until(r"stopped (\[.*?\])").group(1) == before
            screen.type("on\n")
            screen.type(f"{word}\n")
            screen.until(f"got {word} 77 33")
            assert screen.modes() == taken
        screen.type("\x03")
        ended = screen.until(r"ended (\d+) (\[.*?\])")
        assert (ended.group(1), ended.group(2)) == ("130", before)


@pytest.mark.parametrize("option", ["--mask", "--watch"])
def test_without_a_shell_nothing_is_stopped_for_ever(alice: Person, option: str) -> None:
    """Under `ssh -t` or in a container nobody could make it go on: the key does what it does without us, nothing."""
    with (
        listening(lambda _: pulled({"VALUE": VALUE})) as server,
        terminal(
            alice.at(server.url), KEYWAY, "run", option, "--", sys.executable, "-I", "-S", "-c", PROGRAM
        ) as screen,
    ):
        screen.until("ready")
        screen.type("\x1a")
        screen.type("after\n")
        screen.until("got after 77 33")
        screen.type("\x04")


def test_keys_that_a_program_does_not_read_do_not_keep_its_output(alice: Person) -> None:
    """Pasted into a program that is busy, they wait; what it prints does not."""
    with (
        listening(lambda _: pulled({"VALUE": VALUE})) as server,
        terminal(alice.at(server.url), KEYWAY, "run", "--mask", "--", sys.executable, "-I", "-S", "-c", DEAF) as screen,
    ):
        screen.until("ready")
        os.set_blocking(screen.master, False)
        for _ in range(10):
            with contextlib.suppress(BlockingIOError):
                while os.write(screen.master, b"x" * 4096):
                    pass
            select.select([], [screen.master], [], 0.1)
        (alice.clone / "go").touch()
        screen.until("still here")
