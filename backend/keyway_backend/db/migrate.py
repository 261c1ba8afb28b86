"""Brings the schema up to date at start: under an advisory lock, in one transaction, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import alembic.util
import psycopg
import sqlalchemy
import sqlalchemy.exc
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection

from keyway_backend.db.revision import WANTED

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x6B657977  # "keyw"


FAILURES: Final = (psycopg.Error, sqlalchemy.exc.SQLAlchemyError, alembic.util.CommandError)
"""What a migration may raise besides SchemaTooNew. Nothing was changed then."""


class SchemaTooNew(Exception):
    """The database was migrated by a newer Keyway; this one must not touch it."""


def migrate(owner_url: str, app_url: str, *, audit_days: int = 400) -> str:
    """Runs what is missing and (re)states the application role's rights. The revision that the schema is at.

    `audit_days` is how long the audit is kept: what the application may not decide.

    Two backends that start at once take turns. Raises SchemaTooNew, or the driver's error when a migration fails; then
    nothing was changed and the process must not serve.
    """
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(owner_url, connect_timeout=5),
        poolclass=sqlalchemy.NullPool,
    )
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        _refuse_newer(connection)
        config = Config()
        config.set_main_option("script_location", str(_SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, WANTED)
        connection.exec_driver_sql("UPDATE audit_retention SET days = %s", (audit_days,))
        _state_rights(connection, owner=_user(owner_url), app=_user(app_url))
        return _present(connection) or ""


def _present(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(connection: Connection) -> None:
    known = {script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions()}
    present = _present(connection)
    if present is not None and present not in known:
        raise SchemaTooNew(
            f"the database is at schema revision {present}, which this version does not know; run the newer version"
        )


def _user(url: str) -> str:
    return urlsplit(url).username or ""


def _state_rights(connection: Connection, *, owner: str, app: str) -> None:
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
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)  # noqa: S101 - the creator above makes nothing else
    for statement in statements:
        raw.execute(statement)
