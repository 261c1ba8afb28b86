"""Databases of a test's own, on the server that the suite shares."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import psycopg
import pytest
from keyway_standalone.postgres import OWNER, Postgres
from keyway_standalone.processes import Stack
from psycopg import sql

_NUMBERS = count()


@pytest.fixture(scope="session")
def server(stack: Stack) -> Postgres:
    """The database server of the suite's installation."""
    return stack.postgres


@pytest.fixture(scope="session")
def new_database(server: Postgres) -> Callable[[], str]:
    """Makes an empty database that belongs to the schema's owner, and tells its name."""

    def make() -> str:
        name = f"empty{next(_NUMBERS)}"
        with psycopg.connect(server.url(database="postgres"), autocommit=True) as connection:
            made = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER))
            connection.execute(made)
        return name

    return make
