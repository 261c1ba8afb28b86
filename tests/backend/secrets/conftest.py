"""A repository and a vault of its own for every test, on the installation that the suite shares."""

from __future__ import annotations

import pytest
from keyway_standalone.processes import Stack

from tests.backend.secrets.desk import NOWHERE, Desk
from tests.invariants.scene import Scene


@pytest.fixture(scope="session")
def scene(stack: Stack) -> Scene:
    """The shared installation, as somebody who administers repositories there."""
    return Scene(stack, stack.control.login("outsider"), [])


@pytest.fixture(scope="session")
def first(scene: Scene) -> Desk:
    """Somebody signed in, without a place yet."""
    return Desk(scene, scene.session(), NOWHERE)


@pytest.fixture(scope="session")
def second(scene: Scene) -> Desk:
    """The same person with another credential."""
    return Desk(scene, scene.session(), NOWHERE)


@pytest.fixture
def desk(first: Desk) -> Desk:
    """The first credential at an empty environment."""
    return first.at_new_place()
