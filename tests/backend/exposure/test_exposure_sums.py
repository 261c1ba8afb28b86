"""What is summed up per environment changes no number: while people write, when two sum up at once, when it is late."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from keyway_backend.access.actor import Actor, CredentialKind
from keyway_backend.access.rows import all_rows
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.exposure import lives, store
from keyway_backend.features.exposure.store import Part, Window
from keyway_standalone.processes import Stack
from psycopg.rows import dict_row

from tests.oracle import stage
from tests.oracle.stage import Home

ROUNDS = 12


def test_sums_and_values_say_the_same_while_people_write(stack: Stack) -> None:
    """Pushes, deletions and copies go on while two sum up; whenever somebody looks, the sums change nothing."""
    home = stage.home(stack, "sums", keep=False)
    push(home, "development", {"A": "a", "B": "b", "C": "c"})
    push(home, "staging", {"A": "a"})
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(write, home)
        looking = pool.submit(lambda: asyncio.run(look(stack, home)))
        writing.result()
        met = looking.result()
    last = asyncio.run(look(stack, home, 1))
    assert last[0].known == len(("development", "staging"))
    assert [one.counted for one in met + last] == [one.alone for one in met + last]
    assert last[0].counted["secrets"] > ROUNDS


def test_sums_of_a_former_revision_count_for_nothing(stack: Stack) -> None:
    """A job that read before a change and wrote after it leaves a row that nobody believes, and takes no newer one."""
    home = stage.home(stack, "late", keep=False)
    push(home, "development", {"A": "a"})
    stage.pull(stack, home.token, home.full_name, "development")
    asyncio.run(summed(stack))
    with psycopg.connect(stack.superuser_database_url) as slow, psycopg.connect(stack.superuser_database_url) as other:
        slow.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        slow.execute("DELETE FROM exposure_lives")
        push(home, "development", {"A": "new", "B": "b"})
        slow.execute(lives.SUM_UP, {"most": 1_000_000})
        slow.commit()
        stage.pull(stack, home.token, home.full_name, "development")
        assert people(home)["summary"] == {"users": 1, "secrets": 2, "accesses": 3}
        asyncio.run(summed(stack))
        assert people(home)["summary"] == {"users": 1, "secrets": 2, "accesses": 3}
        row = other.execute(
            """SELECT l.revision, e.head_revision FROM exposure_lives AS l JOIN environments AS e
               ON e.id = l.environment_id WHERE e.vault_id = %s AND e.head_revision > 0""",
            [home.vault_id],
        ).fetchone()
    assert row == (2, 2)


def push(home: Home, environment: str, values: dict[str, str], *delete: str) -> None:
    """One revision."""
    body = {
        "repoFullName": home.full_name, "environment": environment, "mode": "merge", "secrets": values,
        "delete": list(delete),
    }  # fmt: skip
    answer = home.post("/v1/secrets/push", body)
    assert answer.status == 200, answer.body


def write(home: Home) -> None:
    """Keys come, change, go and are copied, and somebody reads."""
    for number in range(ROUNDS):
        push(home, "development", {"B": f"b{number}", f"N{number}": "n"}, *([f"N{number - 1}"] if number else []))
        stage.pull(home.stack, home.token, home.full_name, "development")
        body = {"target": "staging", "keys": ["B"], "overwrite": True}
        assert home.post(f"/v1/vaults/{home.full_name}/environments/development/copy", body).status == 200
        stage.pull(home.stack, home.token, home.full_name, "staging")


@dataclass(frozen=True)
class Met:
    """How many environments were known by their sums, and what was counted with and without."""

    known: int
    counted: Any
    alone: Any


async def look(stack: Stack, home: Home, rounds: int = ROUNDS) -> list[Met]:
    """Sums up twice at once, then counts with the sums and without them in one snapshot; again and again."""
    met = []
    for _ in range(rounds):
        await asyncio.gather(summed(stack), summed(stack))
        met.append(await compared(stack, home))
    return met


async def summed(stack: Stack) -> None:
    """What the job does."""
    database = Database(stack.app_database_url, size=2)
    await database.open()
    try:
        async with database.transaction() as connection:
            await store.sum_lives(connection, 1_000_000)
    finally:
        await database.close()


async def compared(stack: Stack, home: Home) -> Met:
    """The same question with and without the sums, of one moment."""
    async with await Connection.connect(stack.app_database_url, row_factory=dict_row) as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        counted = await asked(connection, home)
        gone = await connection.execute(
            """DELETE FROM exposure_lives AS l USING environments AS e
               WHERE e.id = l.environment_id AND e.head_revision = l.revision AND e.vault_id = %s""",
            [home.vault_id],
        )
        alone = await asked(connection, home)
        await connection.rollback()
    return Met(gone.rowcount, counted, alone)


async def asked(connection: Connection, home: Home) -> Any:
    """Everything that is counted."""
    somebody = Actor(None, 1, "somebody", CredentialKind.SESSION, UUID(int=0))
    shown = all_rows(somebody, [UUID(home.vault_id)])
    return await store.people(connection, shown, Window(), Part(50))


def people(home: Home) -> Any:
    """The list of those who saw something."""
    answer = home.get("/v1/users/me/exposure")
    assert answer.status == 200, answer.body
    return answer.json()["data"]
