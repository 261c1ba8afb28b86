"""What these tests share: an installation with everything on, and how long runs tell their figures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from known import World, world

# The person at a terminal and the server that answers them, of the command line's tests.
sys.path.append(str(Path(__file__).parents[1] / "cli"))


@pytest.fixture(scope="session")
def everything() -> Iterator[World]:
    """An installation where every optional service that has routes is on."""
    with world() as made:
        yield made


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line past the capture, also out of a worker of a spread run, whose stderr is that of the terminal."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stderr.write(f"\n{line}\n")
            sys.stderr.flush()

    return write
