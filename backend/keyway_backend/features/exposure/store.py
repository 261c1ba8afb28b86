"""The statements of exposure. A report is one of them, however many people, secrets and reads there are.

Reports run in a transaction, because the hints to the planner hold until its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from keyway_backend.access.grants import VaultGrant
from keyway_backend.access.rows import Rows
from keyway_backend.db.engine import Connection, one, rows, run
from keyway_backend.features.exposure import lives, statements

FOLLOWER: Final = "exposure"
BATCH: Final = 20_000
LIVES_BATCH: Final = 100
_START: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Window:
    """Reads between two moments; None on both sides is all of them."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.since is None and self.until is None

    @property
    def parameters(self) -> dict[str, Any]:
        """For a statement."""
        return {"since": self.since or "-infinity", "until": self.until or "infinity"}


@dataclass(frozen=True, slots=True)
class Part:
    """A page; without a limit, everything."""

    limit: int | None
    offset: int = 0


async def people(connection: Connection, shown: Rows, window: Window, part: Part) -> Mapping[str, Any]:
    """How many people saw how much, and a page of them, last seen first."""
    statement = statements.LIST if window.is_all else statements.LIST_BETWEEN
    values = shown.parameters | window.parameters | {"secret": None, "limit": part.limit, "offset": part.offset}
    await one(connection, statements.HINTS)
    found = await one(connection, statement, **values)
    assert found is not None  # noqa: S101 - a SELECT without FROM has a row
    return found


async def pairs(
    connection: Connection, shown: Rows, part: Part, *, secret_id: UUID | None = None
) -> list[dict[str, Any]]:
    """Who saw which secret: every pair of a page of people, or who of them saw one secret."""
    values = shown.parameters | {"secret": secret_id, "limit": part.limit, "offset": part.offset}
    await one(connection, statements.HINTS)
    return list(await rows(connection, statements.ROWS, **values))


async def report(connection: Connection, shown: Rows, username: str, part: Part) -> list[dict[str, Any]]:
    """What one person saw, a part of it, with sums over all of it in every row."""
    values = shown.parameters | {"secret": None, "username": username}
    if (known := await _person(connection, username, values)) is not None:
        if values["person"] not in {None, known}:
            return []
        values["person"] = known
    await one(connection, statements.HINTS)
    found = await rows(connection, statements.REPORT, **values, rows=part.limit, skip=part.offset)
    return list(found)


async def _person(connection: Connection, username: str, shown: Mapping[str, Any]) -> int | None:
    """The number of who has this name, or had it when reading; None unless that is one person."""
    found = await one(
        connection,
        "SELECT github_user_id FROM users WHERE lower(login) = lower(%(login)s) ORDER BY updated_at DESC LIMIT 1",
        login=username,
    )
    if found is not None:
        return int(found["github_user_id"])
    called = await rows(connection, statements.CALLED, **shown, login=username)
    return int(called[0]["github_user_id"]) if len(called) == 1 else None


async def place_of(connection: Connection, grant: VaultGrant, user_id: UUID, secret_id: UUID) -> dict[str, Any] | None:
    """The environment of a secret of the vault and its present or last name; None unless both it and the person are."""
    return await one(
        connection,
        """SELECT v.environment_id, v.key FROM secrets AS s JOIN secret_values AS v ON v.secret_id = s.id
           WHERE s.id = %(secret)s AND s.vault_id = %(vault)s AND EXISTS (SELECT FROM users WHERE id = %(user)s)
           ORDER BY v.from_revision DESC LIMIT 1""",
        secret=secret_id,
        vault=grant.vault.id,
        user=user_id,
    )


async def tick(connection: Connection, grant: VaultGrant, user_id: UUID, secret_id: UUID, at: datetime) -> None:
    """Notes that what the person saw of a secret was dealt with."""
    await run(
        connection,
        """INSERT INTO exposure_ticks (user_id, secret_id, vault_id, ticked_by, ticked_at)
           VALUES (%(user)s, %(secret)s, %(vault)s, %(by)s, %(at)s)
           ON CONFLICT (user_id, secret_id) DO UPDATE SET
               ticked_by = excluded.ticked_by, ticked_at = excluded.ticked_at""",
        user=user_id,
        secret=secret_id,
        vault=grant.vault.id,
        by=grant.actor.user_id,
        at=at,
    )


async def untick(connection: Connection, grant: VaultGrant, user_id: UUID, secret_id: UUID) -> None:
    """Takes such a note back."""
    await run(
        connection,
        "DELETE FROM exposure_ticks WHERE user_id = %(user)s AND secret_id = %(secret)s AND vault_id = %(vault)s",
        user=user_id,
        secret=secret_id,
        vault=grant.vault.id,
    )


async def roll_up(connection: Connection, most: int = BATCH) -> bool:
    """Sums up the next reads, in the caller's transaction. Whether there are more."""
    position = await one(connection, statements.LOCK_POSITION, follower=FOLLOWER)
    if position is None:
        return False
    batch = await one(connection, statements.ROLL_UP, most=most, **position)
    full = batch is not None and batch["taken"] == most
    reached = batch if full and batch is not None else {"tx": position["horizon"], "event_id": _START}
    tx, event_id = reached["tx"], reached["event_id"]
    await run(connection, statements.ADVANCE, follower=FOLLOWER, tx=tx, event_id=event_id)
    return full


async def sum_lives(connection: Connection, most: int = LIVES_BATCH) -> bool:
    """Sums up environments that went on since the last time, in the caller's transaction. Whether there are more."""
    batch = await one(connection, lives.SUM_UP, most=most)
    return batch is not None and batch["taken"] == most


async def vaults_of(connection: Connection, github_owner_id: int) -> list[UUID]:
    """The vaults of an organisation by its number, deleted ones too."""
    found = await rows(connection, "SELECT id FROM vaults WHERE github_owner_id = %(owner)s", owner=github_owner_id)
    return [row["id"] for row in found]


async def environments_of(connection: Connection, vaults: list[UUID]) -> list[UUID]:
    """The environments of these vaults that are not deleted, in vaults that are not."""
    found = await rows(
        connection,
        """SELECT e.id FROM environments AS e JOIN vaults AS v ON v.id = e.vault_id
           WHERE e.vault_id = ANY(%(vaults)s) AND e.deleted_at IS NULL AND v.deleted_at IS NULL""",
        vaults=vaults,
    )
    return [row["id"] for row in found]
