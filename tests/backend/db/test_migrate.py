"""The schema: brought up to date once, equal to its description, and out of the application's hands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from keyway_backend.db import migrate, revision, upgrade
from keyway_backend.db.tables import metadata
from keyway_standalone.postgres import APP, OWNER, Postgres


@pytest.fixture
def empty(new_database: Callable[[], str]) -> str:
    """The name of a database with nothing in it."""
    return new_database()


@pytest.fixture(scope="module")
def schema(server: Postgres, new_database: Callable[[], str]) -> str:
    """The name of a database with the schema."""
    name = new_database()
    up(server, name)
    return name


def is_ours(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
    """Whether a table, or what belongs to it, is described by us: the job library brings its own."""
    table = name if kind == "table" else parents.get("table_name")
    return not (table or "").startswith("procrastinate_")


def up(server: Postgres, database: str) -> str:
    """Migrates a database as a backend does at its start."""
    return migrate.migrate(server.url(OWNER, database), server.url(APP, database))


class TestRefuses:
    """What must not happen."""

    def test_a_newer_schema_is_left_alone(self, server: Postgres, empty: str) -> None:
        """A database that a newer version migrated is refused, naming the revision, and nothing changes in it."""
        up(server, empty)
        with psycopg.connect(server.url(OWNER, empty)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(migrate.SchemaTooNew, match="9999"):
            up(server, empty)
        with psycopg.connect(server.url(OWNER, empty)) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]

    def test_a_migration_that_fails_leaves_nothing_behind(self, server: Postgres, empty: str) -> None:
        """All or nothing: a table of the same name stops the first migration, and no other table is there."""
        with psycopg.connect(server.url(OWNER, empty)) as connection:
            connection.execute("CREATE TABLE vaults (here_first integer)")
        with pytest.raises(migrate.FAILURES):
            up(server, empty)
        with psycopg.connect(server.url(OWNER, empty)) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert tables == [("vaults",)]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_events SET action = 'x'",
            "DELETE FROM audit_events",
            "TRUNCATE audit_events",
            "DELETE FROM reads",
            "UPDATE audit_retention SET days = 30",
            "DELETE FROM audit_retention",
            "INSERT INTO audit_retention (days) VALUES (30)",
            "DROP TABLE audit_events",
            "ALTER TABLE audit_events ADD COLUMN x integer",
            "CREATE TABLE mine (x integer)",
            "UPDATE alembic_version SET version_num = '0'",
            "DELETE FROM alembic_version",
            "INSERT INTO alembic_version VALUES ('0')",
            "ALTER TABLE secret_values OWNER TO keyway_app",
            "CREATE TRIGGER t BEFORE INSERT ON audit_events EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "SET ROLE keyway_owner",
        ],
    )
    def test_the_application_cannot(self, server: Postgres, schema: str, statement: str) -> None:
        """The role that serves requests rewrites no audit and changes no schema."""
        with (
            psycopg.connect(server.url(APP, schema)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


class TestMigrates:
    """What a start does."""

    def test_two_at_once_take_turns(self, server: Postgres, empty: str) -> None:
        """Backends that start together on an empty database end with one schema, and none of them fails."""
        with ThreadPoolExecutor(4) as pool:
            ends = list(pool.map(lambda _: up(server, empty), range(4)))
        assert ends == [revision.WANTED] * 4

    def test_again_changes_nothing(self, server: Postgres, schema: str) -> None:
        """A second start finds nothing to do."""
        assert up(server, schema) == revision.WANTED

    def test_the_wanted_revision_is_the_newest(self) -> None:
        """The number that readiness compares with is that of the newest migration."""
        assert ScriptDirectory(str(upgrade.SCRIPTS)).get_current_head() == revision.WANTED

    def test_the_database_equals_its_description(self, server: Postgres, schema: str) -> None:
        """Tables, columns, types, indexes and constraints are those of `db.tables`, and no others."""
        engine = sqlalchemy.create_engine(
            "postgresql+psycopg://", creator=lambda: psycopg.connect(server.url(OWNER, schema))
        )
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True, "include_name": is_ours}
            )
            differences = compare_metadata(context, metadata)
        engine.dispose()
        assert differences == []
