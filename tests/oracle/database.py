"""Statements of the database's administrator, over one connection: a new one costs more than most statements."""

from __future__ import annotations

from functools import cache
from typing import Any

import psycopg
from keyway_standalone.processes import Stack


class Database:
    """A connection that is opened when it is needed, and again after the server was killed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._kept: psycopg.Connection[Any] | None = None

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """A statement, committed. Its rows, if it has any."""
        kept = self._kept
        try:
            done = self._connection().execute(statement.encode(), values or None)
        except psycopg.OperationalError:
            if kept is None or not kept.closed:
                raise
            # It was that of a server that is gone.
            done = self._connection().execute(statement.encode(), values or None)
        return done.fetchall() if done.description else []

    def close(self) -> None:
        """Leaves."""
        if self._kept is not None:
            self._kept.close()

    def __del__(self) -> None:
        self.close()

    def _connection(self) -> psycopg.Connection[Any]:
        if self._kept is None or self._kept.closed:
            self._kept = psycopg.connect(self._url, autocommit=True, prepare_threshold=None)
        return self._kept


def sql(stack: Stack, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """A statement on an installation's database, committed. Its rows, if it has any."""
    return _kept(stack.superuser_database_url).sql(statement, *values)


@cache
def _kept(url: str) -> Database:
    return Database(url)
