"""What is asked of the database to decide: with many environments and many overrides, the sum of them is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from keyway_backend.access import store
from keyway_backend.access.actor import Person
from keyway_backend.db.engine import Database
from keyway_standalone.processes import Stack
from oracle import stage

from tests.backend.permissions.desk import ask
from tests.oracle.cast import NEW_VAULT

MORE = ("qa", "preview", "sandbox")
RULE = {"permissions": {"read": "maintain", "write": "admin"}}


@pytest.fixture(scope="module")
def home(stack: Stack) -> stage.Home:
    """A vault with six environments, each with a rule of its own."""
    made = stage.home(stack, "ruled")
    for name in MORE:
        assert ask(made, "POST", "/environments", {"name": name}).status == 201
    for name in (*NEW_VAULT, *MORE):
        assert ask(made, "PUT", f"/permissions/{name}", RULE).status == 200
    return made


def places(home: stage.Home) -> dict[str, store.Where]:
    """The vault by its label, by its number, and in a list."""
    owner, _, name = home.full_name.partition("/")
    return {
        "named": store.Named(owner, name),
        "numbered": store.Numbered(home.repo_id),
        "listed": store.Listed([home.repo_id]),
    }


def looked_up(home: stage.Home, where: store.Where) -> list[dict[str, Any]]:
    """The rows for somebody."""

    async def look() -> list[dict[str, Any]]:
        database = Database(home.stack.app_database_url, size=2)
        await database.open()
        try:
            async with database.read() as connection:
                return await store.look_up(connection, Person(1, "somebody"), where)
        finally:
            await database.close()

    return asyncio.run(look())


@pytest.mark.parametrize("how", ["named", "numbered", "listed"])
def test_overrides_are_told_with_one_environment_of_a_vault(home: stage.Home, how: str) -> None:
    """All of them, once: told with each environment, they were the product of both numbers."""
    found = looked_up(home, places(home)[how])
    assert len(found) == len(NEW_VAULT) + len(MORE)
    [overrides] = [row["overrides"] for row in found if row["overrides"] is not None]
    assert {one["environment_id"] for one in overrides} == {str(row["environment_id"]) for row in found}


def test_they_hold_in_every_environment(home: stage.Home) -> None:
    """Whoever is below the lowest role may nothing in any of them; whoever has it reads in all."""
    for role, may in (("read", False), ("maintain", True)):
        told = ask(home, "GET", "/permissions/effective", token=home.with_role(role)).json()["data"]["permissions"]
        assert told == {name: {"read": may, "write": False} for name in (*NEW_VAULT, *MORE)}
