"""Assistants with the real server and the official client, and people beside them."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from keyway_standalone.processes import Stack

sys.path.append(str(Path(__file__).parents[1] / "cli"))
from beside import Beside
from person import Person
from stack import sign_in

_NUMBERS = itertools.count(1)


@pytest.fixture
def owner(stack: Stack, tmp_path: Path) -> Person:
    """An administrator in the clone of a repository of their own, with a vault; the sign-in is of this test alone."""
    login = stack.control.login("outsider")
    name = f"{login}/mcp-{os.getpid()}-{next(_NUMBERS)}"
    stack.control.create_repo(name)
    person = Person(tmp_path / "owner", name).at(stack.api_url, sign_in(stack, login))
    done = person.keyway("init")
    assert done.code == 0, done.err
    return person


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    """Whoever sits before the machine: says no until told otherwise, and remembers what was asked."""
    with Beside(tmp_path / "beside") as person:
        yield person
