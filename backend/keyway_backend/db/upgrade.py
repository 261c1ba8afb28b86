"""Runs the migrations that a database lacks, with Alembic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import alembic.util
import psycopg
import sqlalchemy
import sqlalchemy.exc
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from keyway_backend.db.migrate import MigrationFailed, SchemaTooNew
from keyway_backend.db.revision import WANTED

SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(owner_url: str, lock: int, settle: Callable[[psycopg.Connection], None]) -> str:
    """Runs what is missing, then `settle`, in one transaction that holds the lock. The revision of the schema.

    Raises SchemaTooNew or MigrationFailed; then nothing was changed.
    """
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(owner_url, connect_timeout=5),
        poolclass=sqlalchemy.NullPool,
    )
    try:
        with engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (lock,))
            _refuse_newer(connection)
            config = Config()
            config.set_main_option("script_location", str(SCRIPTS))
            config.attributes["connection"] = connection
            command.upgrade(config, WANTED)
            raw = connection.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)  # noqa: S101 - the creator above makes nothing else
            settle(raw)
            return WANTED
    except (sqlalchemy.exc.SQLAlchemyError, alembic.util.CommandError) as error:
        raise MigrationFailed(getattr(error, "orig", None) or error) from error


def _refuse_newer(connection: Connection) -> None:
    known = {script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()}
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in known:
        raise SchemaTooNew(
            f"the database is at schema revision {present}, which this version does not know; run the newer version"
        )
