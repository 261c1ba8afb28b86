"""Fixtures of the whole system. Every process is a real one; a worker of the suite shares one installation."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from keyway_standalone.processes import Stack
from oracle.report import pytest_terminal_summary  # noqa: F401 - pytest finds it here
from stack import running_stack, sign_in


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """PostgreSQL, the GitHub stand-in, crypto and backend, with production defaults. Do not kill its processes."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="session")
def tokens(stack: Stack) -> dict[str, str]:
    """A session for everybody of the world's cast, by role name."""
    cast = list(stack.control.world()["cast"])
    with ThreadPoolExecutor(len(cast)) as pool:
        signed_in = pool.map(lambda role: sign_in(stack, stack.control.login(role)), cast)
        return dict(zip(cast, signed_in, strict=True))
