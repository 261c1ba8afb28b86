"""Rows of billing. An owner is a person or an organisation, by GitHub's number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from keyway_backend.db.engine import Connection, one, rows, run
from keyway_backend.features.billing.rules import Owner


async def subscriptions(connection: Connection, owner: Owner) -> list[DictRow]:
    """What an owner has bought."""
    return await subscriptions_of(connection, owner.kind, [owner.number])


async def subscriptions_of(connection: Connection, kind: str, numbers: Sequence[int]) -> list[DictRow]:
    """What owners of a kind have bought."""
    return await rows(
        connection,
        """SELECT id, github_owner_id, customer_id, plan, status, current_period_end, cancel_at_period_end
           FROM subscriptions WHERE owner_kind = %(kind)s AND github_owner_id = ANY(%(numbers)s) ORDER BY id""",
        kind=kind,
        numbers=list(numbers),
    )


async def subscription(connection: Connection, subscription_id: str) -> DictRow | None:
    """One subscription, with the names of `put_subscription` and its owner."""
    return await one(
        connection,
        """SELECT id, owner_kind, github_owner_id, customer_id AS customer, plan, status, current_period_end AS ends,
               cancel_at_period_end AS cancels FROM subscriptions WHERE id = %(id)s""",
        id=subscription_id,
    )


async def put_subscription(connection: Connection, owner: Owner, row: dict[str, Any]) -> bool:
    """Keeps what Stripe said, unless a later question was answered already. False then."""
    return (
        await run(
            connection,
            """INSERT INTO subscriptions AS s (id, owner_kind, github_owner_id, customer_id, plan, status,
                   current_period_end, cancel_at_period_end, asked_at)
               VALUES (%(id)s, %(kind)s, %(number)s, %(customer)s, %(plan)s, %(status)s, %(ends)s, %(cancels)s,
                   %(asked_at)s)
               ON CONFLICT (id) DO UPDATE SET plan = excluded.plan, status = excluded.status,
                   customer_id = excluded.customer_id, current_period_end = excluded.current_period_end,
                   cancel_at_period_end = excluded.cancel_at_period_end, asked_at = excluded.asked_at
               WHERE s.asked_at <= excluded.asked_at
                   AND (s.owner_kind, s.github_owner_id) = (excluded.owner_kind, excluded.github_owner_id)""",
            **row,
            kind=owner.kind,
            number=owner.number,
        )
        == 1
    )


async def lock_owner(connection: Connection, owner: Owner) -> None:
    """Changes of what an owner has take turns until the transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))",
        {"name": f"keyway/billing/{owner.kind}/{owner.number}"},
    )


async def customers(connection: Connection, kind: str, numbers: Sequence[int]) -> dict[int, str]:
    """The customers that Stripe knows owners as."""
    found = await rows(
        connection,
        """SELECT github_owner_id, customer_id FROM billing_customers
           WHERE owner_kind = %(kind)s AND github_owner_id = ANY(%(numbers)s)""",
        kind=kind,
        numbers=list(numbers),
    )
    return {row["github_owner_id"]: row["customer_id"] for row in found}


async def put_customer(connection: Connection, owner: Owner, customer_id: str) -> None:
    """Remembers a customer; the first one stays."""
    await run(
        connection,
        """INSERT INTO billing_customers (owner_kind, github_owner_id, customer_id, created_at)
           VALUES (%(kind)s, %(number)s, %(customer)s, now()) ON CONFLICT DO NOTHING""",
        kind=owner.kind,
        number=owner.number,
        customer=customer_id,
    )


async def trials(connection: Connection, numbers: Sequence[int]) -> dict[int, DictRow]:
    """The trials of organisations: started_at, ends_at, converted_at."""
    found = await rows(
        connection,
        """SELECT github_org_id, started_at, ends_at, converted_at FROM organization_trials
           WHERE github_org_id = ANY(%(numbers)s)""",
        numbers=list(numbers),
    )
    return {row["github_org_id"]: row for row in found}


async def start_trial(
    connection: Connection, number: int, user_id: UUID | None, moment: datetime, ends_at: datetime
) -> bool:
    """Begins the one trial of an organisation. False when it had its trial."""
    return (
        await run(
            connection,
            """INSERT INTO organization_trials (github_org_id, started_by, started_at, ends_at)
               VALUES (%(number)s, %(user)s, %(now)s, %(ends)s) ON CONFLICT DO NOTHING""",
            number=number,
            user=user_id,
            now=moment,
            ends=ends_at,
        )
        == 1
    )


async def convert_trial(connection: Connection, number: int, moment: datetime) -> bool:
    """A running trial became a purchase. False when none runs."""
    return (
        await run(
            connection,
            """UPDATE organization_trials SET converted_at = %(now)s
               WHERE github_org_id = %(number)s AND converted_at IS NULL AND ends_at > %(now)s""",
            number=number,
            now=moment,
        )
        == 1
    )


async def expire_trials(connection: Connection, moment: datetime, *, most: int) -> list[DictRow]:
    """Marks trials that are over, once each: github_org_id, ends_at, login."""
    return await rows(
        connection,
        """UPDATE organization_trials AS t SET expired_at = %(now)s
           FROM (SELECT github_org_id FROM organization_trials
                 WHERE converted_at IS NULL AND expired_at IS NULL AND ends_at <= %(now)s
                 ORDER BY ends_at LIMIT %(most)s FOR UPDATE SKIP LOCKED) AS due
           WHERE t.github_org_id = due.github_org_id
           RETURNING t.github_org_id, t.ends_at,
               (SELECT o.login FROM organizations AS o WHERE o.github_org_id = t.github_org_id) AS login""",
        now=moment,
        most=most,
    )


async def person(connection: Connection, number: int) -> DictRow | None:
    """The account of a person: id, login."""
    return await one(connection, "SELECT id, login FROM users WHERE github_user_id = %(number)s", number=number)


async def number_of(connection: Connection, user_id: UUID) -> DictRow | None:
    """A person's number: github_user_id."""
    return await one(connection, "SELECT github_user_id FROM users WHERE id = %(id)s", id=user_id)


async def private_vaults(connection: Connection, owners: Sequence[int]) -> list[DictRow]:
    """The private vaults of owners, oldest first: id, github_owner_id."""
    return await rows(
        connection,
        """SELECT id, github_owner_id FROM vaults
           WHERE github_owner_id = ANY(%(owners)s) AND private AND deleted_at IS NULL
           ORDER BY github_owner_id, created_at, id""",
        owners=list(owners),
    )


async def owner_kinds(connection: Connection, owners: Sequence[int]) -> set[int]:
    """Those of these numbers that are organisations."""
    found = await rows(
        connection,
        "SELECT github_org_id FROM organizations WHERE github_org_id = ANY(%(owners)s)",
        owners=list(owners),
    )
    return {row["github_org_id"] for row in found}


async def begin_event(connection: Connection, event_id: str, kind: str, moment: datetime) -> bool:
    """Takes an event to work on it, until the transaction ends. False when it is done already.

    A second delivery that comes meanwhile waits here for the outcome of the first.
    """
    await run(
        connection,
        """INSERT INTO stripe_events (id, type, attempts, received_at) VALUES (%(id)s, %(type)s, 0, %(now)s)
           ON CONFLICT (id) DO NOTHING""",
        id=event_id,
        type=kind,
        now=moment,
    )
    row = await one(connection, "SELECT processed_at FROM stripe_events WHERE id = %(id)s FOR UPDATE", id=event_id)
    return row is not None and row["processed_at"] is None


async def end_event(connection: Connection, event_id: str, moment: datetime) -> None:
    """An event is done; its content is not needed any more."""
    await run(
        connection,
        """UPDATE stripe_events SET processed_at = %(now)s, payload = NULL, attempts = attempts + 1
           WHERE id = %(id)s""",
        id=event_id,
        now=moment,
    )


async def is_done(connection: Connection, event_id: str) -> bool:
    """Whether an event was worked on to its end."""
    row = await one(
        connection,
        "SELECT processed_at IS NOT NULL AS done FROM stripe_events WHERE id = %(id)s",
        id=event_id,
    )
    return row is not None and bool(row["done"])


async def keep_event(
    connection: Connection, event_id: str, kind: str, content: dict[str, Any], moment: datetime
) -> bool:
    """Keeps an event that failed, for a job. False when it is done already."""
    return (
        await run(
            connection,
            """INSERT INTO stripe_events AS e (id, type, payload, attempts, received_at)
               VALUES (%(id)s, %(type)s, %(payload)s, 1, %(now)s)
               ON CONFLICT (id) DO UPDATE SET payload = excluded.payload, attempts = e.attempts + 1
               WHERE e.processed_at IS NULL""",
            id=event_id,
            type=kind,
            payload=Jsonb(content),
            now=moment,
        )
        == 1
    )


async def waiting_event(connection: Connection, event_id: str) -> DictRow | None:
    """An event that failed before: id, type, payload."""
    return await one(
        connection,
        """SELECT id, type, payload FROM stripe_events
           WHERE id = %(id)s AND processed_at IS NULL AND payload IS NOT NULL""",
        id=event_id,
    )


async def waiting_events(connection: Connection, before: datetime, *, most: int) -> list[str]:
    """The ids of events that failed that long ago and are not done."""
    found = await rows(
        connection,
        """SELECT id FROM stripe_events
           WHERE processed_at IS NULL AND payload IS NOT NULL AND received_at < %(before)s
           ORDER BY received_at LIMIT %(most)s""",
        before=before,
        most=most,
    )
    return [row["id"] for row in found]


async def forget_events(connection: Connection, before: datetime) -> int:
    """Forgets the ids of events that were done so long ago that Stripe sends them no more."""
    return await run(connection, "DELETE FROM stripe_events WHERE processed_at < %(before)s", before=before)


async def database_time(connection: Connection) -> datetime:
    """The clock that answers of Stripe are compared by."""
    row = await one(connection, "SELECT clock_timestamp() AS at")
    assert row is not None  # noqa: S101 - a SELECT without FROM has a row
    moment: datetime = row["at"]
    return moment
