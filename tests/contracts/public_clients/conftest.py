"""What the replays share: installations that the public clients work with, and people on them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from keyway_standalone.processes import Stack
from stack import running_stack


@pytest.fixture(scope="session")
def board() -> Iterator[Stack]:
    """For the public dashboard: its cookies, and nothing sold. One per worker: a start costs seconds."""
    with running_stack(backend_env={"SESSION_COOKIE_DOMAIN": "127.0.0.1"}) as stack:
        yield stack
