"""Brings the schema up to date at start: under an advisory lock, in one transaction, or not at all."""

from __future__ import annotations

from functools import partial
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from keyway_backend.db.revision import WANTED

_LOCK: Final = 0x6B657977  # "keyw"


class SchemaTooNew(Exception):
    """The database was migrated by a newer Keyway; this one must not touch it."""


class MigrationFailed(Exception):
    """A migration failed, and nothing was changed. `orig` is the driver's error, if it was the driver's."""

    def __init__(self, orig: BaseException) -> None:
        super().__init__(type(orig).__name__)
        self.orig = orig


FAILURES: Final = (psycopg.Error, MigrationFailed)
"""What a migration may raise besides SchemaTooNew. Nothing was changed then."""


def migrate(owner_url: str, app_url: str, *, audit_days: int = 400) -> str:
    """Runs what is missing and (re)states the application role's rights. The revision that the schema is at.

    `audit_days` is how long the audit is kept: what the application may not decide.

    Two backends that start at once take turns. Raises SchemaTooNew, or one of FAILURES; then nothing was changed and
    the process must not serve.
    """
    settle = partial(_settle, audit_days=audit_days, owner=_user(owner_url), app=_user(app_url))
    with psycopg.connect(owner_url, connect_timeout=5) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if _present(connection) == WANTED:
            settle(connection)
            return WANTED
    # What migrating loads takes longer than all the rest of a start; most starts find nothing to do.
    from keyway_backend.db.upgrade import upgrade  # noqa: PLC0415

    return upgrade(owner_url, _LOCK, settle)


def _settle(connection: psycopg.Connection, *, audit_days: int, owner: str, app: str) -> None:
    connection.execute("UPDATE audit_retention SET days = %s", (audit_days,))
    _state_rights(connection, owner=owner, app=app)


def _present(connection: psycopg.Connection) -> str | None:
    """The revision that the schema is at; None of a database that has none."""
    if connection.execute("SELECT to_regclass('alembic_version') IS NULL").fetchone() == (True,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return row[0] if row else None


def _user(url: str) -> str:
    return urlsplit(url).username or ""


def _state_rights(connection: psycopg.Connection, *, owner: str, app: str) -> None:
    """The application reads and writes rows, and can neither change the schema nor rewrite the audit."""
    if not app or app == owner:
        return
    role = sql.Identifier(app)
    statements = (
        sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role),
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}").format(role),
        sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(role),
        sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON audit_events FROM {}").format(role),
        sql.SQL("REVOKE INSERT, UPDATE, DELETE ON alembic_version, audit_retention, reads FROM {}").format(role),
        sql.SQL("GRANT EXECUTE ON FUNCTION purge_audit_events TO {}").format(role),
    )
    for statement in statements:
        connection.execute(statement)
