"""How long runs tell their figures."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line past the capture, also out of a worker of a spread run, whose stderr is that of the terminal."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stderr.write(f"\n{line}\n")
            sys.stderr.flush()

    return write
