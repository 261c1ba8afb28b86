"""API keys and further sessions of people on a running stack, written as the backend writes them: with the instance's
secret."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import jwt
import psycopg
from keyway_backend.access import api_keys
from keyway_backend.access.actor import Binding, Scope
from keyway_backend.access.macs import Macs
from keyway_standalone.processes import Stack
from psycopg.rows import dict_row

from oracle import database

ALL: frozenset[Scope] = frozenset(Scope) - {Scope.SESSION}


@dataclass(frozen=True)
class Given:
    """A key, and its row's id."""

    token: str
    id: UUID


def give(
    stack: Stack,
    session: str,
    scopes: Collection[Scope] = ALL,
    *,
    vaults: Collection[str] | None = None,
    environments: Collection[str] = (),
    addresses: Collection[str] = (),
    days: float = 1,
) -> Given:
    """A key of the person whose session token this is. `vaults` and `environments` are ids."""
    limits: dict[str, Any] = {"vaults": vaults, "environments": environments, "addresses": addresses, "days": days}
    return give_alike(stack, session, 1, scopes, **limits)[0]


def give_alike(
    stack: Stack,
    session: str,
    count: int,
    scopes: Collection[Scope] = ALL,
    *,
    vaults: Collection[str] | None = None,
    environments: Collection[str] = (),
    addresses: Collection[str] = (),
    days: float = 1,
) -> list[Given]:
    """So many keys that may do the same. The arguments are those of `give`."""
    claims = jwt.decode(session, options={"verify_signature": False})
    binding = None
    if vaults is not None:
        binding = Binding(frozenset(map(UUID, vaults)), frozenset(map(UUID, environments)))
    moment = datetime.now(UTC)
    made = [
        api_keys.NewKey(
            uuid4(),
            UUID(claims["sub"]),
            int(claims["forgeUserId"]),
            "of a test",
            "live",
            api_keys.mint("live"),
            frozenset(scopes),
            binding,
            tuple(addresses),
            moment,
            moment + timedelta(days=days),
        )
        for _ in range(count)
    ]
    asyncio.run(_insert(stack, made))
    return [Given(one.token.reveal(), one.id) for one in made]


def sessions_like(stack: Stack, token: str, count: int) -> list[str]:
    """More sessions of the same person, each with its own share of the limits: rows like that of the first."""
    claims = jwt.decode(token, options={"verify_signature": False})
    numbers = [str(uuid4()) for _ in range(count)]
    sql(
        stack,
        "INSERT INTO sessions SELECT (jsonb_populate_record(s, jsonb_build_object('id', number))).*"
        " FROM sessions s, unnest(%s::text[]) AS number WHERE s.id = %s",
        numbers,
        claims["sid"],
    )
    return [jwt.encode(claims | {"sid": number}, stack.instance.jwt_secret, algorithm="HS256") for number in numbers]


def sql(stack: Stack, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
    """Runs a statement as the database's administrator."""
    return database.sql(stack, statement, *values)


def environment_ids(stack: Stack, vault_id: str) -> dict[str, str]:
    """Environments of a vault: name and id."""
    found = sql(stack, "SELECT name, id FROM environments WHERE vault_id = %s AND deleted_at IS NULL", vault_id)
    return {name: str(id_) for name, id_ in found}


async def _insert(stack: Stack, made: Collection[api_keys.NewKey]) -> None:
    async with await psycopg.AsyncConnection.connect(
        stack.superuser_database_url, autocommit=True, row_factory=dict_row
    ) as connection:
        for key in made:
            await api_keys.insert(connection, Macs(stack.instance.jwt_secret), key)
