"""People at their machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from person import Person


@pytest.fixture
def alice(tmp_path: Path) -> Person:
    """Somebody with a clone of acme/app, signed in nowhere."""
    return Person(tmp_path / "alice")
