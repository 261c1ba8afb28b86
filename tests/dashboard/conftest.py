"""Fixtures of the dashboard: one installation with it and one browser for each worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dashboard_browser import Site, running_browser
from oracle import stage
from oracle.stage import Home
from stack import running_stack


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Stack, dashboard and browser. Do not kill its processes."""
    with running_stack(with_dashboard=True) as stack, running_browser() as browser:
        yield Site(stack, browser)


@pytest.fixture(scope="session")
def home(site: Site) -> Home:
    """A vault with one value, and its administrator, for tests that only look at it."""
    return stage.home(site.stack, "looked-at")
