"""A vault for what is only looked at, and one of its own for every test that changes values."""

from __future__ import annotations

import pytest
from keyway_standalone.processes import Stack

from tests.backend.revisions.ground import fill
from tests.oracle import stage
from tests.oracle.stage import Home


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """Three revisions of development, one of production, nothing in staging."""
    made = stage.home(stack, "history", keep=False)
    fill(made, "development", {"A": "1", "B": "2", "C": "3"})
    fill(made, "development", {"A": "one", "D": "4"}, delete=("B",))
    fill(made, "development", {"E": "5"})
    fill(made, "production", {"A": "live", "P": "6"})
    return made


@pytest.fixture
def own(stack: Stack) -> Home:
    """An empty vault."""
    return stage.home(stack, "revised", keep=False)
