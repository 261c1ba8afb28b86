"""Connections: cut when they take too long, replaced when their server went away, all or nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import psycopg
import pytest
from keyway_backend.db import demands
from keyway_backend.db.engine import Database, one, run
from keyway_standalone.processes import Stack
from keyway_standalone.state import free_ports
from psycopg_pool import PoolTimeout
from stack import running_stack


@pytest.fixture(scope="module")
def server() -> Iterator[Stack]:
    """A PostgreSQL server, and nothing else."""
    with running_stack(only={"postgres"}) as stack:
        with psycopg.connect(stack.owner_database_url) as connection:
            connection.execute("CREATE TABLE marks (mark integer PRIMARY KEY)")
            connection.execute("GRANT ALL ON marks TO keyway_app")
        yield stack


def using(url: str, work: Callable[[Database], Awaitable[object]]) -> object:
    """Runs work on a pool of two connections, in an event loop of its own."""

    async def run_it() -> object:
        database = Database(url, size=2)
        await database.open()
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run_it())


def marks(server: Stack) -> list[int]:
    """What is in the table."""
    with psycopg.connect(server.owner_database_url) as connection:
        return [mark for (mark,) in connection.execute("SELECT mark FROM marks ORDER BY mark").fetchall()]


def test_a_server_that_is_not_there_fails_within_seconds() -> None:
    """Who asks gets an error soon, and does not wait for a server to come back."""

    async def work(database: Database) -> float:
        started = time.monotonic()
        with pytest.raises(PoolTimeout):
            async with database.read():
                raise AssertionError("a connection to nowhere")
        return time.monotonic() - started

    url = f"postgresql://nobody@127.0.0.1:{free_ports()['postgres']}/nothing"
    assert using(url, work) < 3  # type: ignore[operator]


def test_a_statement_that_takes_too_long_fails(server: Stack) -> None:
    """After three seconds a block ends with an error, and the next one has a good connection."""

    async def work(database: Database) -> float:
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError):
            async with database.read() as connection:
                await run(connection, "SELECT pg_sleep(9)")
        async with database.read() as connection:
            assert await one(connection, "SELECT 1 AS one") == {"one": 1}
        return time.monotonic() - started

    assert 2.5 < using(server.app_database_url, work) < 4.5  # type: ignore[operator]


def test_a_block_that_idles_too_long_is_cut(server: Stack) -> None:
    """Who forgets to leave a block loses its connection, and what was not committed is gone."""

    async def work(database: Database) -> None:
        async def idle() -> None:
            async with database.transaction() as connection:
                await run(connection, "INSERT INTO marks VALUES (1)")
                await asyncio.sleep(3.3)
                await run(connection, "INSERT INTO marks VALUES (2)")

        with pytest.raises(psycopg.OperationalError):
            await idle()

    using(server.app_database_url, work)
    assert not {1, 2} & set(marks(server))


def test_a_transaction_that_raises_leaves_nothing(server: Stack) -> None:
    """All or nothing, whatever was raised."""

    async def work(database: Database) -> None:
        async def fail() -> None:
            async with database.transaction() as connection:
                await run(connection, "INSERT INTO marks VALUES (3)")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with database.transaction() as connection:
            await run(connection, "INSERT INTO marks VALUES (4)")

    using(server.app_database_url, work)
    assert (3 in marks(server), 4 in marks(server)) == (False, True)


def test_connections_that_died_idle_are_not_handed_out(server: Stack) -> None:
    """After the server ended all connections, the very next statements work."""

    async def work(database: Database) -> None:
        async def ask(number: int) -> None:
            async with database.read() as connection:
                assert await one(connection, "SELECT %(number)s AS number", number=number) == {"number": number}

        await asyncio.gather(*(ask(number) for number in range(4)))
        with psycopg.connect(server.superuser_database_url, autocommit=True) as administrator:
            administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keyway_app'")
        await asyncio.sleep(0.1)
        await asyncio.gather(*(ask(number) for number in range(4)))

    using(server.app_database_url, work)


def test_a_safe_database_meets_all_demands(server: Stack) -> None:
    """The one that standalone makes is durable, new enough, and serves a role without rights."""
    assert asyncio.run(demands.unmet(server.app_database_url)) == []


def test_a_superuser_is_named(server: Stack) -> None:
    """A role that could rewrite the audit is no role to serve with."""
    [problem] = asyncio.run(demands.unmet(server.superuser_database_url))
    assert problem.startswith("DATABASE_URL: its role is a superuser")
