"""The statements of the watch: the next reads of the log, what was before them, and what came of them.

A batch is a constant number of statements. Whoever moved the position first has judged the batch; another process that
judged the same one writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

import orjson

from keyway_backend.db.engine import Connection, one, rows, run
from keyway_backend.features.alerts.rules import (
    RATE_READS,
    RATE_WINDOW,
    REPEAT,
    TRAVEL_WINDOW,
    Finding,
    History,
    Place,
    Read,
    Stop,
)
from keyway_backend.platform.ids import new_id

FOLLOWER: Final = "alerts"
_IDLE_TRANSACTIONS: Final = 2_000
_START: Final = UUID(int=0)

_POSITION: Final[LiteralString] = """
    SELECT tx, event_id, (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint AS horizon
    FROM audit_positions WHERE follower = %(follower)s"""
_BATCH: Final[LiteralString] = """
    SELECT id, tx, at, action, actor_user_id, credential_kind, ip, user_agent, device_id, vault_id, repository,
        environment_id, environment
    FROM reads
    WHERE tx >= %(tx)s AND (tx, id) > (%(tx)s, %(event_id)s) AND tx < %(horizon)s
    ORDER BY tx, id LIMIT %(most)s"""
_MOVE: Final[LiteralString] = """
    UPDATE audit_positions SET tx = %(to_tx)s, event_id = %(to_event)s
    WHERE follower = %(follower)s AND tx = %(tx)s AND event_id = %(event_id)s"""
_SIGHTED: Final[LiteralString] = """
    SELECT s.vault_id, s.kind, s.what FROM alert_sightings AS s
    WHERE (s.vault_id, s.kind, s.what) IN (
        SELECT v, k, w FROM unnest(%(vaults)s::uuid[], %(kinds)s::text[], %(whats)s::text[]) AS n (v, k, w))"""
_STOPS: Final[LiteralString] = """
    SELECT user_id, credential_kind, ip, latitude, longitude, seen_at FROM alert_places
    WHERE user_id = ANY(%(people)s) AND seen_at > %(since)s"""
# The last reads of each person in each vault before the batch: as many as could still matter, from the index on people.
_TIMES: Final[LiteralString] = """
    SELECT n.vault_id, n.person, t.at FROM unnest(%(vaults)s::uuid[], %(people)s::uuid[], %(before)s::timestamptz[])
        AS n (vault_id, person, before)
    CROSS JOIN LATERAL (
        SELECT r.at FROM reads AS r
        WHERE r.actor_user_id = n.person AND r.vault_id = n.vault_id AND r.at > n.before - %(window)s::interval
            AND r.at <= n.before AND (r.tx, r.id) <= (%(tx)s, %(event_id)s)
        ORDER BY r.at DESC LIMIT %(most)s) AS t
    ORDER BY t.at"""
_LOCATED: Final[LiteralString] = """
    SELECT ip, country, city, latitude, longitude FROM ip_locations
    WHERE ip = ANY(%(addresses)s) AND looked_up_at > %(since)s"""
_LOCATE: Final[LiteralString] = """
    INSERT INTO ip_locations (ip, country, city, latitude, longitude, looked_up_at)
    SELECT ip, country, city, latitude, longitude, now() FROM json_to_recordset(%(rows)s::json) AS n (
        ip text, country text, city text, latitude double precision, longitude double precision)
    ON CONFLICT (ip) DO UPDATE SET country = excluded.country, city = excluded.city, latitude = excluded.latitude,
        longitude = excluded.longitude, looked_up_at = excluded.looked_up_at"""
_SIGHT: Final[LiteralString] = """
    INSERT INTO alert_sightings (vault_id, kind, what, first_seen_at)
    SELECT v, k, w, a FROM unnest(%(vaults)s::uuid[], %(kinds)s::text[], %(whats)s::text[], %(ats)s::timestamptz[])
        AS n (v, k, w, a)
    ON CONFLICT DO NOTHING"""
_STOP: Final[LiteralString] = """
    INSERT INTO alert_places (user_id, credential_kind, ip, latitude, longitude, seen_at)
    SELECT user_id, credential_kind, ip, latitude, longitude, seen_at FROM json_to_recordset(%(rows)s::json) AS n (
        user_id uuid, credential_kind text, ip text, latitude double precision, longitude double precision,
        seen_at timestamptz)
    ON CONFLICT (user_id, credential_kind) DO UPDATE SET ip = excluded.ip, latitude = excluded.latitude,
        longitude = excluded.longitude, seen_at = excluded.seen_at"""
_RAISE: Final[LiteralString] = """
    INSERT INTO alerts (
        id, type, message, created_at, event_id, vault_id, repository, environment_id, user_id, ip, country, city,
        device_id)
    SELECT id, type, message, now(), event_id, vault_id, repository, environment_id, user_id, ip, country, city,
        device_id
    FROM json_to_recordset(%(rows)s::json) AS n (
        id uuid, type text, message text, event_id uuid, vault_id uuid, repository text, environment_id uuid,
        user_id uuid, ip text, country text, city text, device_id text)
    WHERE NOT EXISTS (
        SELECT FROM alerts AS a WHERE a.vault_id = n.vault_id AND a.device_id = n.device_id AND a.type = n.type
            AND a.created_at > now() - %(repeat)s::interval)
    RETURNING event_id, type"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Reads that were committed since the position, in the order of time, and where the position goes after them."""

    position: Mapping[str, Any]
    reads: Sequence[Read]
    reached: tuple[int, UUID]
    full: bool

    @property
    def worth_noting(self) -> bool:
        """Whether the position should move: not for every transaction in which nobody read anything."""
        lag = abs(self.reached[0] - self.position["tx"])
        return self.full or bool(self.reads) or lag > _IDLE_TRANSACTIONS


async def next_batch(connection: Connection, most: int) -> Batch:
    """The next reads by people; workflows come from new places all the time and are nobody's devices."""
    position = await one(connection, _POSITION, follower=FOLLOWER)
    assert position is not None  # noqa: S101 - the migration makes it
    found = await rows(connection, _BATCH, most=most, **position)
    full = len(found) == most
    reached = (found[-1]["tx"], found[-1]["id"]) if full else (position["horizon"], _START)
    reads = sorted((_read(row) for row in found if row["actor_user_id"] is not None), key=lambda read: read.at)
    return Batch(position, reads, reached, full)


def _read(row: Mapping[str, Any]) -> Read:
    return Read(
        id=row["id"],
        at=row["at"],
        action=row["action"],
        user_id=row["actor_user_id"],
        credential_kind=row["credential_kind"] or "",
        ip=row["ip"] or "",
        user_agent=row["user_agent"] or "",
        device_id=row["device_id"] or "",
        vault_id=row["vault_id"],
        repository=row["repository"],
        environment_id=row["environment_id"],
        environment=row["environment"],
    )


async def located(connection: Connection, addresses: Iterable[str], since: datetime) -> dict[str, Place]:
    """What is known of addresses since then."""
    found = await rows(connection, _LOCATED, addresses=list(addresses), since=since)
    return {row["ip"]: Place(row["country"], row["city"], row["latitude"], row["longitude"]) for row in found}


async def locate(connection: Connection, places: Mapping[str, Place]) -> None:
    """Keeps where addresses are."""
    if places:
        told = [
            {"ip": ip, "country": p.country, "city": p.city, "latitude": p.latitude, "longitude": p.longitude}
            for ip, p in places.items()
        ]
        await run(connection, _LOCATE, rows=orjson.dumps(told).decode())


async def history(connection: Connection, batch: Batch, places: Mapping[str, Place]) -> History:
    """What was before a batch, as far as it matters for its reads."""
    found = History()
    devices = {(read.vault_id, "device", read.device_id) for read in batch.reads}
    countries = {
        (read.vault_id, "country", country) for read in batch.reads if (country := places.get(read.ip, Place()).country)
    }
    vaults, kinds, whats = _columns(devices | countries)
    sighted = await rows(connection, _SIGHTED, vaults=vaults, kinds=kinds, whats=whats)
    found.sighted |= {(row["vault_id"], row["kind"], row["what"]) for row in sighted}
    first = {(read.vault_id, read.user_id): read.at for read in reversed(batch.reads)}
    people = list({read.user_id for read in batch.reads})
    oldest = min(read.at for read in batch.reads) - TRAVEL_WINDOW
    for row in await rows(connection, _STOPS, people=people, since=oldest):
        stop = Stop(row["ip"], row["latitude"], row["longitude"], row["seen_at"])
        found.stops[row["user_id"], row["credential_kind"]] = stop
    times = await rows(
        connection,
        _TIMES,
        vaults=[vault for vault, _ in first],
        people=[person for _, person in first],
        before=list(first.values()),
        window=RATE_WINDOW,
        most=RATE_READS,
        tx=batch.position["tx"],
        event_id=batch.position["event_id"],
    )
    for row in times:
        found.times[row["vault_id"], row["person"]].append(row["at"])
    return found


async def move(connection: Connection, batch: Batch) -> bool:
    """Moves the position behind the batch; False when another process was first."""
    to_tx, to_event = batch.reached
    position = {"tx": batch.position["tx"], "event_id": batch.position["event_id"]}
    return await run(connection, _MOVE, follower=FOLLOWER, to_tx=to_tx, to_event=to_event, **position) == 1


async def learn(connection: Connection, after: History) -> None:
    """Keeps what the batch added to the history."""
    if after.new_sightings:
        vaults, kinds, whats = _columns(after.new_sightings)
        ats = list(after.new_sightings.values())
        await run(connection, _SIGHT, vaults=vaults, kinds=kinds, whats=whats, ats=ats)
    if after.new_stops:
        told = [
            {
                "user_id": user,
                "credential_kind": kind,
                "ip": stop.ip,
                "latitude": stop.latitude,
                "longitude": stop.longitude,
                "seen_at": stop.at,
            }
            for (user, kind), stop in after.new_stops.items()
        ]
        await run(connection, _STOP, rows=orjson.dumps(told).decode())


async def raise_alerts(connection: Connection, findings: Sequence[Finding]) -> list[Finding]:
    """Writes alerts, each at most once a day for a vault and a device; those that are new."""
    if not findings:
        return []
    told = orjson.dumps([_row(finding) for finding in findings]).decode()
    written = await rows(connection, _RAISE, rows=told, repeat=REPEAT)
    new = {(row["event_id"], row["type"]) for row in written}
    return [finding for finding in findings if (finding.read.id, finding.type.value) in new]


def _row(finding: Finding) -> dict[str, Any]:
    read = finding.read
    return {
        "id": new_id(),
        "type": finding.type.value,
        "message": finding.message,
        "event_id": read.id,
        "vault_id": read.vault_id,
        "repository": read.repository,
        "environment_id": read.environment_id,
        "user_id": read.user_id,
        "ip": read.ip,
        "country": finding.place.country,
        "city": finding.place.city,
        "device_id": read.device_id,
    }


def _columns(sightings: Iterable[tuple[UUID, str, str]]) -> tuple[list[UUID], list[str], list[str]]:
    every = list(sightings)
    return [one[0] for one in every], [one[1] for one in every], [one[2] for one in every]


LOCATED_FOR: Final = timedelta(days=7)
"""How long an address is believed to stay where it is."""
