"""Connections to Postgres. SQLAlchemy keeps the schema and its migrations; statements run on psycopg (ADR 0002).

Two ways in, and no third: `read` for single statements, each its own snapshot, and `transaction` for what belongs
together. Neither may be open across a call to another process (design.md 6): take the data, leave the block, call.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[DictRow]

_BLOCK_SECONDS: Final = 3.0  # policy.yaml limits.deadlines_seconds.database
# A failed attempt to connect is given up soon, so that the next request makes a new one: the pool's own waits double.
_RETRY_SECONDS: Final = 0.3
_OPTIONS: Final = (
    "-c statement_timeout=3000 -c lock_timeout=2500 -c idle_in_transaction_session_timeout=5000 -c timezone=UTC"
)


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
            reconnect_timeout=_RETRY_SECONDS,
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
        """A connection for single statements; each commits by itself. After 3 s it is cut, and the block fails."""
        connection = await self._take()
        deadline = asyncio.get_running_loop().call_later(_BLOCK_SECONDS, _cut, connection)
        try:
            yield connection
        finally:
            deadline.cancel()
            await self._pool.putconn(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Everything in the block is committed when it ends, or nothing is."""
        async with self.read() as connection, connection.transaction():
            yield connection

    def connections(self) -> tuple[int, int]:
        """How many there are, and how many of them serve somebody."""
        told = self._pool.get_stats()
        size = told.get("pool_size", 0)
        return size, size - told.get("pool_available", 0)

    async def _take(self) -> Connection:
        """A connection whose server is still there, as far as the socket knows: a restart leaves dead ones behind."""
        while True:
            connection = await self._pool.getconn()
            if not _is_cut(connection):
                return connection
            await connection.close()
            await self._pool.putconn(connection)


def _is_cut(connection: Connection) -> bool:
    """Whether an idle connection has something to say: only its end does. Costs one system call and no round trip."""
    watch = select.poll()
    watch.register(connection.fileno(), select.POLLIN)
    return bool(watch.poll(0))


def _cut(connection: Connection) -> None:
    """Ends a connection from outside. Cancelling would ask the server for leave, and the server is what is silent."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as other:
            other.shutdown(socket.SHUT_RDWR)


async def one(connection: Connection, statement: LiteralString, **values: Any) -> DictRow | None:
    """The first row of a statement, or None."""
    return await (await connection.execute(statement, values)).fetchone()


async def rows(connection: Connection, statement: LiteralString, **values: Any) -> list[DictRow]:
    """All rows of a statement."""
    return await (await connection.execute(statement, values)).fetchall()


async def run(connection: Connection, statement: LiteralString, **values: Any) -> int:
    """Runs a statement; the number of rows that it touched."""
    return (await connection.execute(statement, values)).rowcount
