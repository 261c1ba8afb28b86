"""Connections to Postgres. SQLAlchemy keeps the schema and its migrations; statements run on psycopg (ADR 0002).

Two ways in, and no third: `read` for single statements, each its own snapshot, and `transaction` for what belongs
together. Neither may be open across a call to another process (design.md 6): take the data, leave the block, call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[DictRow]

_OPTIONS = "-c statement_timeout=3000 -c lock_timeout=2500 -c idle_in_transaction_session_timeout=5000 -c timezone=UTC"


class Database:
    """A pool of connections of the application role."""

    def __init__(self, url: str, *, size: int) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=2,
            max_size=size,
            timeout=2.0,
            max_waiting=400,
            open=False,
            check=None,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "prepare_threshold": 1,
                "options": _OPTIONS,
                "connect_timeout": 3,
            },
        )

    async def open(self) -> None:
        """Starts the pool. Connections come as they are needed, so a database that is still starting is no error."""
        await self._pool.open()

    async def close(self) -> None:
        """Waits for those in use, then closes all."""
        await self._pool.close(timeout=5)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection for single statements; each commits by itself."""
        async with self._pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Everything in the block is committed when it ends, or nothing is."""
        async with self._pool.connection() as connection, connection.transaction():
            yield connection


async def one(connection: Connection, statement: LiteralString, **values: Any) -> DictRow | None:
    """The first row of a statement, or None."""
    return await (await connection.execute(statement, values)).fetchone()


async def rows(connection: Connection, statement: LiteralString, **values: Any) -> list[DictRow]:
    """All rows of a statement."""
    return await (await connection.execute(statement, values)).fetchall()


async def run(connection: Connection, statement: LiteralString, **values: Any) -> int:
    """Runs a statement; the number of rows that it touched."""
    return (await connection.execute(statement, values)).rowcount
