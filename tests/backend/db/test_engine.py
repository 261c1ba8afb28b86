"""Connections: cut when they take too long, replaced when their server went away, all or nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg
import pytest
from keyway_backend.db import demands
from keyway_backend.db.engine import Database, one, run
from keyway_standalone.ports import free_ports
from keyway_standalone.postgres import APP, OWNER, Postgres
from psycopg_pool import PoolTimeout


@pytest.fixture(scope="module")
def place(server: Postgres, new_database: Callable[[], str]) -> str:
    """The name of a database with a table of marks."""
    name = new_database()
    with psycopg.connect(server.url(OWNER, name)) as connection:
        connection.execute("CREATE TABLE marks (mark integer PRIMARY KEY)")
        connection.execute("GRANT ALL ON marks TO keyway_app")
    return name


@pytest.fixture(scope="module")
def url(server: Postgres, place: str) -> str:
    """Its address, for the role that serves."""
    return server.url(APP, place)


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


def marks(url: str) -> list[int]:
    """What is in the table."""
    with psycopg.connect(url) as connection:
        return [mark for (mark,) in connection.execute("SELECT mark FROM marks ORDER BY mark").fetchall()]


def test_a_server_that_is_not_there_fails_within_seconds() -> None:
    """Who asks gets an error soon, and does not wait for a server to come back."""

    async def work(database: Database) -> float:
        started = time.monotonic()
        with pytest.raises(PoolTimeout):
            async with database.read():
                raise AssertionError("a connection to nowhere")
        return time.monotonic() - started

    nowhere = f"postgresql://nobody@127.0.0.1:{free_ports()['postgres']}/nothing"
    assert using(nowhere, work) < 3  # type: ignore[operator]


def test_a_statement_that_takes_too_long_fails(url: str) -> None:
    """After three seconds a block ends with an error, and the next one has a good connection."""

    async def work(database: Database) -> float:
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError):
            async with database.read() as connection:
                await run(connection, "SELECT pg_sleep(9)")
        async with database.read() as connection:
            assert await one(connection, "SELECT 1 AS one") == {"one": 1}
        return time.monotonic() - started

    assert 2.5 < using(url, work) < 4.5  # type: ignore[operator]


def test_a_block_that_idles_too_long_is_cut(url: str) -> None:
    """Who forgets to leave a block loses its connection, and what was not committed is gone."""

    async def work(database: Database) -> None:
        async def idle() -> None:
            async with database.transaction() as connection:
                await run(connection, "INSERT INTO marks VALUES (1)")
                await asyncio.sleep(3.3)
                await run(connection, "INSERT INTO marks VALUES (2)")

        with pytest.raises(psycopg.OperationalError):
            await idle()

    using(url, work)
    assert not {1, 2} & set(marks(url))


def test_a_transaction_that_raises_leaves_nothing(url: str) -> None:
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

    using(url, work)
    assert (3 in marks(url), 4 in marks(url)) == (False, True)


def test_connections_that_died_idle_are_not_handed_out(server: Postgres, place: str, url: str) -> None:
    """After the server ended all connections, the very next statements work."""

    async def work(database: Database) -> None:
        async def ask(number: int) -> None:
            async with database.read() as connection:
                assert await one(connection, "SELECT %(number)s AS number", number=number) == {"number": number}

        await asyncio.gather(*(ask(number) for number in range(4)))
        with psycopg.connect(server.url(), autocommit=True) as administrator:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            administrator.execute(ended, [place])
        await asyncio.sleep(0.1)
        await asyncio.gather(*(ask(number) for number in range(4)))

    using(url, work)


class TestDemands:
    """What is asked of a database before anything is entrusted to it."""

    SAFE: Final = {
        "version": 160000,
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "superuser": False,
    }

    @pytest.mark.parametrize(
        ("fault", "named"),
        [
            ({"fsync": "off"}, "Postgres setting fsync"),
            ({"full_page_writes": "off"}, "Postgres setting full_page_writes"),
            ({"synchronous_commit": "off"}, "Postgres setting synchronous_commit"),
            ({"superuser": True}, "DATABASE_URL: its role is a superuser"),
            ({"version": 150009}, "DATABASE_URL: Postgres 16"),
        ],
    )
    def test_each_unsafe_thing_is_named(self, fault: dict[str, object], named: str) -> None:
        """One line, which says what to change."""
        [line] = demands.problems(self.SAFE | fault)
        assert line.startswith(named)

    def test_the_database_of_an_installation_meets_them(self, url: str) -> None:
        """What standalone makes is durable, new enough, and serves a role without rights."""
        assert asyncio.run(demands.unmet(url)) == []
