"""Rows of deliveries, and the labels that they change."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final, LiteralString

import orjson

from keyway_backend.db.engine import Connection, one, run
from keyway_backend.features.webhooks.rules import Facts

_TAKE: Final[LiteralString] = """
    INSERT INTO webhook_deliveries (delivery_id, event, action, facts, received_at)
    VALUES (%(delivery)s, %(event)s, %(action)s, %(facts)s::jsonb, now()) ON CONFLICT DO NOTHING"""
_WAITING: Final[LiteralString] = """
    SELECT facts FROM webhook_deliveries WHERE delivery_id = %(delivery)s AND applied_at IS NULL"""
_APPLY: Final[LiteralString] = """
    UPDATE webhook_deliveries SET applied_at = now(), applied = applied + 1, facts = NULL
    WHERE delivery_id = %(delivery)s AND applied_at IS NULL"""
_PURGE: Final[LiteralString] = """
    DELETE FROM webhook_deliveries WHERE delivery_id IN (
        SELECT delivery_id FROM webhook_deliveries
        WHERE received_at < now() - make_interval(days => %(days)s) AND applied_at IS NOT NULL LIMIT 10000)"""
_VAULT: Final[LiteralString] = """
    SELECT 1 AS here FROM vaults WHERE github_repo_id = %(repository)s AND deleted_at IS NULL"""
_RELABEL_OWNER: Final[LiteralString] = """
    UPDATE vaults SET owner_login = %(login)s
    WHERE github_owner_id = %(owner)s AND deleted_at IS NULL AND owner_login <> %(login)s"""


async def take(connection: Connection, delivery: str, facts: Facts) -> bool:
    """Writes a delivery down; False when it is there already. Waits for another one of that id to end."""
    kept = orjson.dumps(asdict(facts)).decode()
    taken = await run(connection, _TAKE, delivery=delivery, event=facts.event, action=facts.action, facts=kept)
    return taken == 1


async def waiting(connection: Connection, delivery: str) -> Facts | None:
    """What a delivery says that was not applied yet."""
    row = await one(connection, _WAITING, delivery=delivery)
    if row is None or row["facts"] is None:
        return None
    return Facts(**row["facts"] | {"removed": tuple(row["facts"]["removed"])})


async def apply(connection: Connection, delivery: str) -> bool:
    """Marks a delivery as applied, in the transaction of its effects; False when it was before."""
    return await run(connection, _APPLY, delivery=delivery) == 1


async def purge(connection: Connection, days: int) -> int:
    """Forgets applied deliveries of that age; how many."""
    return await run(connection, _PURGE, days=days)


async def has_vault(connection: Connection, repository: int) -> bool:
    """Whether a repository has a vault."""
    return await one(connection, _VAULT, repository=repository) is not None


async def relabel_owner(connection: Connection, owner: int, login: str) -> None:
    """Vaults of an account bear its present name."""
    await run(connection, _RELABEL_OWNER, owner=owner, login=login)
