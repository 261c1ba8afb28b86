"""A repository and a vault of its own for every test, on the installation that the suite shares."""

from __future__ import annotations

import secrets

import pytest
from keyway_standalone.processes import Stack

from tests.backend.secrets.desk import NOWHERE, Desk
from tests.backend.secrets.shelf import Shelf
from tests.invariants.scene import Scene


@pytest.fixture(scope="session")
def scene(stack: Stack) -> Scene:
    """The shared installation, as somebody who administers repositories there."""
    return Scene(stack, stack.control.login("outsider"), [])


@pytest.fixture(scope="session")
def first(scene: Scene) -> Desk:
    """Somebody signed in, without a place yet."""
    return Desk(scene, scene.session(), NOWHERE)


@pytest.fixture
def second(first: Desk) -> Desk:
    """The same person with another credential."""
    return first.anew()


@pytest.fixture
def desk(first: Desk) -> Desk:
    """A credential of this test at an empty environment: no test eats another's share of the rate limits."""
    return first.anew().at_new_place()


@pytest.fixture
def shelf(desk: Desk) -> Shelf:
    """The dashboard's routes at an empty vault."""
    return Shelf(desk)


@pytest.fixture(scope="session")
def people(scene: Scene) -> dict[str, Desk]:
    """Others, by the role that `others` gives them; "nobody" gets none."""
    names = {role: f"{role}-{secrets.token_hex(4)}" for role in ("read", "write", "nobody")}
    for login in names.values():
        scene.stack.control.create_user(login)
    return {role: Desk(scene, scene.session(login), NOWHERE, login) for role, login in names.items()}


@pytest.fixture
def others(desk: Desk, people: dict[str, Desk]) -> dict[str, Shelf]:
    """The others at this test's vault, with their roles on its repository."""
    for role in ("read", "write"):
        desk.scene.stack.control.set_role(desk.place.repository, people[role].login, role)
    return {role: Shelf(desk.with_other(one).anew()) for role, one in people.items()}
