"""People at their machines, and repositories of their own for every test of the whole system."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from keyway_standalone.processes import Stack
from person import Person, Team
from stack import sign_in

_NUMBERS = itertools.count(1)


@pytest.fixture
def alice(tmp_path: Path) -> Person:
    """Somebody with a clone of acme/app, signed in nowhere."""
    return Person(tmp_path / "alice")


@pytest.fixture(scope="module")
def owners_token(stack: Stack) -> str:
    """A sign-in of one file: all files together ask more within a minute than one credential may."""
    return sign_in(stack, stack.control.login("outsider"))


@pytest.fixture
def team(stack: Stack, tokens: dict[str, str], owners_token: str, tmp_path: Path) -> Team:
    """A repository that nobody else uses. `team.person("teammate", "write")` is somebody with that role."""
    name = f"{stack.control.login('outsider')}/cli-{os.getpid()}-{next(_NUMBERS)}"
    stack.control.create_repo(name)

    def person(cast: str, role: str | None) -> Person:
        if role is not None and cast != "outsider":
            stack.control.set_role(name, stack.control.login(cast), role)
        folder = tmp_path / f"{cast}-{next(_NUMBERS)}"
        return Person(folder, name).at(stack.api_url, owners_token if cast == "outsider" else tokens[cast])

    return Team(name, person("outsider", "admin"), person)


@pytest.fixture
def vault(team: Team) -> Team:
    """The same, with a vault."""
    done = team.owner.keyway("init")
    assert done.code == 0, done.err
    return team
