"""One set of certificates and one running service per test module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crypto_process import Client, Process, channel, new_key, running
from keyway_certificates import ensure


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set that the certificates module makes."""
    directory = tmp_path_factory.mktemp("certificates")
    ensure(directory)
    return directory


@pytest.fixture(scope="module")
def crypto(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[Process]:
    """A service with one key."""
    with running(tmp_path_factory.mktemp("crypto"), certificates, ENCRYPTION_KEY=new_key()) as process:
        yield process


@pytest.fixture(scope="module")
def client(crypto: Process, certificates: Path) -> Iterator[Client]:
    """The backend's view of that service."""
    with channel(crypto.port(), certificates) as connection:
        yield Client(connection)
