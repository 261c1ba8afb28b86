"""Fixtures of the whole system. Every process is a real one; a worker of the suite shares one installation."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from keyway_standalone.processes import Stack
from opened import environment
from oracle.report import pytest_terminal_summary  # noqa: F401 - pytest finds it here
from order import pytest_collection_modifyitems  # noqa: F401 - and this
from stack import ended_processes, running_stack, sign_in
from standins.mailbox import MailServer, taking_mail

from tests.backend.known_people import People

# Who starts us in the background makes us ignore Ctrl-C or the end of a terminal, and so would every command of a test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed because a server is gone says so."""
    report = yield
    if report.failed and (gone := ended_processes()):
        report.sections.append(("processes that are not there", gone))
    return report


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """PostgreSQL, the GitHub stand-in, crypto and backend, with production defaults. Do not kill its processes."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="session")
def mailbox() -> Iterator[MailServer]:
    """What `open_stack` posts."""
    with taking_mail() as server:
        yield server


@pytest.fixture(scope="session")
def open_stack(mailbox: MailServer) -> Iterator[Stack]:
    """A second installation, with what is off by default (`opened.environment`). Do not kill its processes."""
    with running_stack(backend_env=environment(mailbox.port)) as running:
        yield running


@pytest.fixture(scope="session")
def tokens(stack: Stack) -> dict[str, str]:
    """A session for everybody of the world's cast, by role name."""
    cast = list(stack.control.world()["cast"])
    with ThreadPoolExecutor(len(cast)) as pool:
        signed_in = pool.map(lambda role: sign_in(stack, stack.control.login(role)), cast)
        return dict(zip(cast, signed_in, strict=True))


@pytest.fixture(scope="module")
def known(stack: Stack) -> People:
    """People of a file of tests, each signed in once, and vaults of theirs."""
    return People(stack)
