"""What a database must be like before anything is entrusted to it (assurance O-08)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row

from keyway_backend.db.engine import one

_DURABLE: Final = ("fsync", "full_page_writes", "synchronous_commit")
_ASK: Final[LiteralString] = """
    SELECT current_setting('server_version_num')::int AS version,
        current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
        current_setting('synchronous_commit') AS synchronous_commit,
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser"""
_OLDEST: Final = 160_000


async def unmet(url: str) -> list[str]:
    """One line for each demand that the database, or the role of DATABASE_URL, does not meet."""
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=5, row_factory=dict_row) as connection:
        row = await one(connection, _ASK)
    return problems(row) if row is not None else ["DATABASE_URL: the database does not answer"]


def problems(row: Mapping[str, Any]) -> list[str]:
    """The lines for what a database says of itself: version, fsync, full_page_writes, synchronous_commit, superuser."""
    found = [
        f"Postgres setting {name} is off: a crash would lose pushes that were acknowledged; turn it on"
        for name in _DURABLE
        if row[name] == "off"
    ]
    if row["superuser"]:
        found.append("DATABASE_URL: its role is a superuser, which could rewrite the audit; use a role without rights")
    if row["version"] < _OLDEST:
        found.append("DATABASE_URL: Postgres 16 or newer is needed")
    return found
