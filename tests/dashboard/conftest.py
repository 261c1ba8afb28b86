"""Fixtures of the dashboard: one installation with it and one browser for each worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dashboard_browser import Kept, Site, kept_browser
from keyway_standalone.processes import Stack
from oracle import stage
from oracle.stage import Home
from playwright.sync_api import Browser
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


@pytest.fixture(scope="session")
def kept() -> Iterator[Kept]:
    """The browser of a worker."""
    with kept_browser() as kept:
        yield kept


@pytest.fixture(scope="session")
def whole_site(whole_stack: Stack, kept: Kept) -> Site:
    """The dashboard of the installation, with the sessions that were begun at it."""
    return Site(whole_stack, kept.browser)


@pytest.fixture(scope="module")
def browser(kept: Kept) -> Iterator[Browser]:
    """A browser, which keeps an event loop for itself: other files must not see it."""
    with kept.awake() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(whole_site: Site, home: Home, browser: Browser) -> Site:  # noqa: ARG001 - the browser is awake
    """The installation and a browser."""
    return whole_site
