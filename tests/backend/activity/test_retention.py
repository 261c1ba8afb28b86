"""What is forgotten for its age, and what nobody can make forgotten earlier."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from keyway_backend.db import migrate
from keyway_backend.db.engine import Database
from keyway_backend.features.activity.retention import AuditRetention
from keyway_standalone.postgres import APP, OWNER, Postgres
from keyway_standalone.processes import Stack
from psycopg import sql

EVENT = """INSERT INTO audit_events (id, at, action, platform, source, request_id)
           VALUES (%s, now() - make_interval(days => %s), 'user_login', 'cli', 'cli', 'x')"""
DAYS = 40


@pytest.fixture
def name(stack: Stack) -> Iterator[str]:
    """A database of its own, where the audit is kept for 40 days."""
    name, server = f"retention{uuid4().hex[:8]}", stack.postgres
    with psycopg.connect(server.url(database="postgres"), autocommit=True) as connection:
        made = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER))
        connection.execute(made)
        migrate.migrate(server.url(OWNER, name), server.url(APP, name), audit_days=DAYS)
        yield name
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def forget(server: Postgres, name: str, *, days: int = DAYS) -> None:
    """What the job does, with the application's role, in steps of three rows."""

    async def work() -> None:
        database = Database(server.url(APP, name), size=2)
        await database.open()
        try:
            await AuditRetention(database, days=days, at_once=3).forget_old()
        finally:
            await database.close()

    asyncio.run(work())


def count(server: Postgres, name: str, table: str) -> int:
    """How many rows there are."""
    with psycopg.connect(server.url(database=name)) as connection:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0


def test_the_audit_is_kept_as_long_as_the_owner_said(stack: Stack, name: str) -> None:
    """Older rows go, however many; younger ones stay, also when the application asks for less."""
    server = stack.postgres
    with psycopg.connect(server.url(APP, name)) as connection:
        for age in [0, 1, DAYS - 1] + [DAYS + 1] * 8:
            connection.execute(EVENT, [uuid4(), age])
    forget(server, name, days=0)
    assert count(server, name, "audit_events") == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_retention SET days = 30",
        "DELETE FROM audit_events",
        "DELETE FROM reads",
        "UPDATE reads SET login = 'x'",
        "CREATE OR REPLACE FUNCTION purge_audit_events(most integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION purge_audit_events(integer) SET search_path = public",
    ],
)
def test_the_application_cannot_shorten_it(stack: Stack, statement: str) -> None:
    """Neither the days nor the function nor the view is a way around."""
    with (
        psycopg.connect(stack.app_database_url) as connection,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)),
    ):
        connection.execute(statement.encode())


def test_short_lived_rows_go_when_they_ended(stack: Stack, name: str) -> None:
    """Each kind: the old one goes, the young one stays."""
    server, user = stack.postgres, uuid4()
    with psycopg.connect(server.url(APP, name)) as connection:
        connection.execute(
            "INSERT INTO users (id, github_user_id, login, created_at, updated_at) VALUES (%s, 1, 'x', now(), now())",
            [user],
        )
        for age in (0, DAYS + 1):
            values = {"id": uuid4(), "user": user, "days": age, "text": str(age)}
            for statement in ROWS:
                connection.execute(statement.encode(), values)
    forget(server, name)
    assert {table: count(server, name, table) for table in TABLES} == dict.fromkeys(TABLES, 1)


TABLES = (
    "alerts", "ip_locations", "alert_places", "idempotency_keys", "device_logins", "sessions", "exposure_reads",
)  # fmt: skip
AT = "now() - make_interval(days => %(days)s)"
ROWS = (
    f"""INSERT INTO alerts (id, type, message, created_at, event_id, vault_id, environment_id, user_id, device_id)
        VALUES (%(id)s, 'new_device', 'x', {AT}, %(id)s, %(id)s, %(id)s, %(id)s, 'x')""",
    f"INSERT INTO ip_locations (ip, looked_up_at) VALUES (%(text)s, {AT})",
    f"""INSERT INTO alert_places (user_id, credential_kind, ip, latitude, longitude, seen_at)
        VALUES (%(id)s, 'session', 'x', 0, 0, {AT})""",
    f"""INSERT INTO idempotency_keys (credential_id, key, fingerprint, result, created_at)
        VALUES (%(id)s, 'x', 'x', '{{}}', {AT})""",
    f"""INSERT INTO device_logins (id, code_hash, interval_seconds, next_poll_at, created_at, expires_at, status)
        VALUES (%(id)s, %(text)s::bytea, 5, {AT}, {AT}, {AT}, 'pending')""",
    f"INSERT INTO sessions (id, user_id, kind, created_at, expires_at) VALUES (%(id)s, %(user)s, 'cli', {AT}, {AT})",
    f"""INSERT INTO exposure_reads (vault_id, github_user_id, environment_id, revision, part, platform, first_at,
            last_at, reads)
        VALUES (%(id)s, 1, %(id)s, 1, '', 'cli', {AT}, {AT}, 1)""",
)
