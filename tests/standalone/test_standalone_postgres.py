"""The embedded PostgreSQL: who may do what in it, and what is left after the worst."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from keyway_standalone.processes import Stack
from psycopg import errors
from stack import running_stack


@pytest.fixture(scope="module")
def database() -> Iterator[Stack]:
    """PostgreSQL alone."""
    with running_stack(only={"postgres"}) as running:
        yield running


def test_wrong_passwords_are_refused(database: Stack) -> None:
    """Loopback is not authentication: each role needs its own password."""
    for url in (database.app_database_url, database.owner_database_url, database.superuser_database_url):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace(url.split(":")[2].split("@")[0], "wrong"))


def test_the_application_cannot_change_the_schema(database: Stack) -> None:
    """keyway_app has no DDL, sees no statistics and cannot read server files."""
    with psycopg.connect(database.app_database_url, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE mine (a int)",
            "CREATE SCHEMA mine",
            "SELECT * FROM statistics.pg_stat_statements",
            "SELECT pg_read_file('pg_hba.conf')",
            "CREATE ROLE mine",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_no_password_is_kept_in_statistics_or_logs(database: Stack) -> None:
    """Making the roles left neither their passwords nor a way to replay them."""
    with psycopg.connect(database.superuser_database_url) as connection:
        statements = connection.execute("SELECT query FROM statistics.pg_stat_statements").fetchall()
    kept = "".join(row[0] for row in statements) + Path(database.postgres.log_path).read_text()
    passwords = database.instance.passwords
    assert not [True for secret in (passwords.owner, passwords.app, passwords.superuser) if secret in kept]


def test_writes_are_durable_and_statements_counted(database: Stack) -> None:
    """fsync is on unless a test says otherwise, and the schema's owner may count statements and reset the count."""
    with psycopg.connect(database.owner_database_url) as connection:
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("fsync", "synchronous_commit")]
        assert shown == [("on",), ("on",)]
        connection.execute("SELECT pg_stat_statements_reset()")
        connection.execute("SELECT 41 + 1")
        row = connection.execute("SELECT calls FROM pg_stat_statements WHERE query = 'SELECT $1 + $2'").fetchone()
        assert row == (1,)


def test_committed_rows_survive_kill_9(database: Stack) -> None:
    """After SIGKILL to the server and all its backends a start recovers everything that was committed."""
    with psycopg.connect(database.owner_database_url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        connection.commit()
        connection.execute("INSERT INTO kept VALUES (-1)")
        database.postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    database.postgres.start()
    with psycopg.connect(database.owner_database_url) as connection:
        assert connection.execute("SELECT count(*), min(n) FROM kept").fetchone() == (1000, 1)


def test_a_server_whose_children_outlive_it_starts_again(database: Stack) -> None:
    """A backend that is busy does not notice its postmaster's death at once; the new server waits until it does."""
    with psycopg.connect(database.superuser_database_url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        os.kill(row[0], signal.SIGSTOP)
        os.kill(database.postgres.pid, signal.SIGKILL)
        waker = threading.Timer(1.0, os.kill, (row[0], signal.SIGCONT))
        waker.start()
        database.postgres.kill()
        database.postgres.start()
        waker.join()
    with psycopg.connect(database.superuser_database_url) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)
    assert "pre-existing shared memory block" in database.postgres.log_path.read_text()


def test_a_frozen_server_comes_back(database: Stack) -> None:
    """SIGSTOP holds a statement, SIGCONT lets it finish."""
    with psycopg.connect(database.owner_database_url) as connection:
        database.postgres.suspend()
        assert not database.postgres.ready()
        database.postgres.resume()
        assert connection.execute("SELECT 1").fetchone() == (1,)
