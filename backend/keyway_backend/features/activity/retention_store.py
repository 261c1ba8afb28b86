"""What is forgotten for its age, a bounded number of rows at a time."""

from __future__ import annotations

from typing import Final, LiteralString

from keyway_backend.db.engine import Connection, one, run

# The function has the rights of the schema's owner, and knows by itself how old is old enough.
_AUDIT: Final[LiteralString] = "SELECT purge_audit_events(%(most)s) AS gone"
# Each of these has an index on what it asks, or is a table that stays small.
_FORGOTTEN: Final[dict[str, LiteralString]] = {
    "exposure_reads": """
        DELETE FROM exposure_reads WHERE ctid IN (
            SELECT ctid FROM exposure_reads WHERE last_at < now() - make_interval(days => %(days)s) LIMIT %(most)s)""",
    "alerts": """
        DELETE FROM alerts WHERE ctid IN (
            SELECT ctid FROM alerts WHERE created_at < now() - make_interval(days => %(days)s) LIMIT %(most)s)""",
    "ip_locations": """
        DELETE FROM ip_locations WHERE ctid IN (
            SELECT ctid FROM ip_locations WHERE looked_up_at < now() - make_interval(days => %(days)s)
            LIMIT %(most)s)""",
    "alert_places": """
        DELETE FROM alert_places WHERE ctid IN (
            SELECT ctid FROM alert_places WHERE seen_at < now() - interval '1 day' LIMIT %(most)s)""",
    "idempotency_keys": """
        DELETE FROM idempotency_keys WHERE ctid IN (
            SELECT ctid FROM idempotency_keys WHERE created_at < now() - interval '24 hours' LIMIT %(most)s)""",
    "device_logins": """
        DELETE FROM device_logins WHERE ctid IN (
            SELECT ctid FROM device_logins WHERE expires_at < now() - interval '1 hour' LIMIT %(most)s)""",
    # A session that was ended stays as long as its token would have lasted: the row is what refuses it.
    "sessions": """
        DELETE FROM sessions WHERE ctid IN (
            SELECT ctid FROM sessions WHERE expires_at < now() - interval '1 day' LIMIT %(most)s)""",
}
TABLES: Final = tuple(_FORGOTTEN)


async def forget_audit(connection: Connection, most: int) -> int:
    """Removes audit rows that are older than the retention. How many."""
    row = await one(connection, _AUDIT, most=most)
    return 0 if row is None else int(row["gone"])


async def forget(connection: Connection, table: str, *, days: int, most: int) -> int:
    """Removes old rows of one of TABLES. How many."""
    return await run(connection, _FORGOTTEN[table], days=days, most=most)
