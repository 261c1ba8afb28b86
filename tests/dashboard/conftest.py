"""Fixtures of the dashboard: one installation with it and one browser for each worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dashboard_browser import Site, running_browser
from keyway_standalone.processes import Stack
from oracle import stage
from oracle.stage import Home
from stack import running_stack
from standins.providers import Providers, providers


@pytest.fixture(scope="session")
def there() -> Iterator[Providers]:
    """The providers that the installation can reach. Netlify is not switched on."""
    with providers() as made:
        yield made


@pytest.fixture(scope="session")
def whole_stack(there: Providers) -> Iterator[Stack]:
    """An installation with its dashboard. Do not kill its processes."""
    known = {name: value for name, value in there.environment().items() if "NETLIFY" not in name}
    with running_stack(with_dashboard=True, backend_env=known) as stack:
        yield stack


@pytest.fixture(scope="session")
def home(whole_stack: Stack) -> Home:
    """A vault with one value, and its administrator, for tests that only look at it."""
    return stage.home(whole_stack, "looked-at")


@pytest.fixture(scope="module")
def site(whole_stack: Stack, home: Home) -> Iterator[Site]:  # noqa: ARG001 - made before the browser is there
    """The installation and a browser, which keeps an event loop for itself: it must not outlive the file's tests."""
    with running_browser() as browser:
        yield Site(whole_stack, browser)
