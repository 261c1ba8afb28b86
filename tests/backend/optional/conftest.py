"""One installation with everything on for all tests of this folder: a start costs seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backend.optional.everything import Everything, everything


@pytest.fixture(scope="session")
def all_on() -> Iterator[Everything]:
    """Whoever turns a door opens it again."""
    with everything() as made:
        yield made


@pytest.fixture(autouse=True)
def doors(all_on: Everything) -> Iterator[None]:
    """All are open when a test is over."""
    yield
    for door in all_on.doors.values():
        if door.way != "open":
            door.be("open")
