"""`keyway run` as the first process of a container, with a terminal (`docker run -it`) and without one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import engine_problem
from peer import listening, pulled
from person import Person
from screen import Screen, terminal

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
VALUE = "canary-value-in-a-container-0123456789"
# Says each size of its window. Takes each interrupt by itself, and dies of the last one as a program that handles none.
PROGRAM = """
import os, signal
signal.signal(signal.SIGWINCH, lambda *_: None)
watched = {signal.SIGWINCH, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, watched)
def tell(word):
    size = os.get_terminal_size(0)
    print(word, size.columns, size.lines, os.isatty(1), os.environ.get("VALUE"), flush=True)
tell("ready")
seen = 0
while (arrived := signal.sigtimedwait(watched, 1 if seen == 5 else 3600)) is not None:
    if arrived.si_signo == signal.SIGINT:
        seen += 1
        print("interrupted", flush=True)
    else:
        tell("now")
print("interrupts", seen, flush=True)
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
os.kill(os.getpid(), signal.SIGINT)
"""
STOPPED = """
import os, sys
print("ready", flush=True)
for line in sys.stdin:
    print("got", line, os.getppid(), flush=True)
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with the command line of this tree, as somebody who deploys a program would make it."""
    if found := engine_problem():
        pytest.skip(f"no container was tried: {found}")
    folder = tmp_path_factory.mktemp("image")
    wheel = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(wheel, cwd=ROOT / "cli", capture_output=True, check=True)
    lines = ("FROM python:3.13-slim", "COPY *.whl /tmp/", "RUN pip install --quiet /tmp/*.whl", 'ENTRYPOINT ["keyway"]')
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    name = f"keywaytest-cli-{os.urandom(4).hex()}"
    built = subprocess.run(["docker", "build", "-t", name, str(folder)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    try:
        yield name
    finally:
        left = ["docker", "ps", "--all", "--quiet", "--filter", f"ancestor={name}"]
        for one in subprocess.run(left, capture_output=True, text=True, check=True).stdout.split():
            subprocess.run(["docker", "rm", "--force", one], capture_output=True, check=True)
        subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=True)


def container(person: Person, url: str, image: str, *options: str) -> list[str]:
    """The words that start one; `person` is whose machine it is, and their Docker's settings are not ours."""
    person.variables |= {name: os.environ[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ}
    given = {"KEYWAY_API_URL": url, "KEYWAY_TOKEN": "a-token", "KEYWAY_REPOSITORY": "acme/app"}
    words = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    return ["docker", "run", "--rm", "--network", "host", *words, *options, image]


def sized(screen: Screen, word: str, columns: int, lines: int) -> str:
    """Waits until the program has a window of that size; what it has as the value then."""
    return screen.until(rf"{word} {columns} {lines} True (\S+)").group(1)


@pytest.mark.parametrize("options", ["", "--mask", "--watch", "--mask --watch", "--env-file=/tmp/env"])
def test_at_a_terminal_it_is_as_if_the_program_were_alone(alice: Person, image: str, options: str) -> None:
    """It has the window's size, at once when that changes; each Ctrl-C is one interrupt, and the end by one is 130."""
    with listening(lambda _: pulled({"VALUE": VALUE})) as server:
        words = container(alice, server.url, image, "--interactive", "--tty")
        with terminal(alice, *words, "run", *options.split(), "--", "python3", "-I", "-S", "-c", PROGRAM) as screen:
            value = sized(screen, "(?:ready|now)", 77, 33)  # the engine's client may tell the size after the start
            assert value == {"--env-file=/tmp/env": "None"}.get(options, "*****" if "--mask" in options else VALUE)
            for columns, lines in ((101, 44), (20, 5)):
                screen.resize(columns, lines)
                sized(screen, "now", columns, lines)
            for _ in range(5):  # two that arrive together count as one; not each time
                screen.type("\x03")
                screen.until("interrupted")
            assert screen.until(r"interrupts (\d+)").group(1) == "5"
            assert screen.end() == 130


@pytest.mark.parametrize("option", ["", "--mask", "--watch"])
def test_nothing_is_stopped_for_ever(alice: Person, image: str, option: str) -> None:
    """No shell is there that could bring it back: Ctrl-Z does nothing. Whoever is not masked is the child of PID 1."""
    with listening(lambda _: pulled({"VALUE": VALUE})) as server:
        words = container(alice, server.url, image, "--interactive", "--tty")
        line = ("run", *option.split(), "--", "python3", "-I", "-S", "-c", STOPPED)
        with terminal(alice, *words, *line) as screen:
            screen.until("ready")
            screen.type("\x1a")
            screen.type("after\n")
            parent = screen.until(r"got after\s+(\d+)").group(1)
            assert (parent == "1") == (option != "--mask")
            screen.type("\x04")
            assert screen.end() == 0


@pytest.mark.parametrize("option", ["", "--mask"])
def test_the_engine_ends_it_as_it_ends_a_program(alice: Person, image: str, option: str) -> None:
    """Without a terminal: `docker stop` is SIGTERM to a program that handles none, and 143 long before it would be
    killed; an exit code is the program's own.
    """
    name = f"keywaytest-{os.urandom(4).hex()}"
    with listening(lambda _: pulled({"VALUE": VALUE})) as server:
        words = container(alice, server.url, image, "--name", name)
        run = ("run", *option.split(), "--", "sh", "-c")
        done = subprocess.run([*words, *run, "echo $VALUE; exit 9"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (9, "*****\n" if option else f"{VALUE}\n"), done.stderr
        with subprocess.Popen([*words, *run, "echo ready; exec sleep 600"], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            subprocess.run(["docker", "stop", "--time", "300", name], capture_output=True, check=True, timeout=240)
            assert child.wait(30) == 143
