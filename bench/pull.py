"""Pulls beside the floor, their statements and calls, and whether they stay flat while the database grows."""

from __future__ import annotations

import json
import statistics
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from keyway_standalone.processes import Stack

from bench import floor, load
from bench.report import Section, spread
from bench.world import ENVIRONMENT, KEYS, Place, World, in_turn, push, settle

ROUNDS = 21
SECONDS = 1.5
CLIENTS = 16
# Jobs, readiness checks, the place that followers of the audit keep, the note of a credential's use: of no request.
NOBODYS = "procrastinate|alembic_version|pg_is_in_recovery|clock_timestamp|last_used_at = now|LISTEN|audit_positions"
_JSON = {"Accept": "application/vnd.keyway.secrets+json"}


def messages(world: World, places: Sequence[Place]) -> list[bytes]:
    """The request of a pull, once per place."""
    query = f"environment={ENVIRONMENT}"
    return [
        load.request("GET", f"/v1/secrets/pull?repo={place.full_name}&{query}", world.token, headers=_JSON)
        for place in places
    ]


def pulls(world: World, places: Sequence[Place], *, clients: int = CLIENTS, seconds: float = SECONDS) -> load.Result:
    """One measured stretch. Anything but 200 ends the bench: a refused pull is a fast one."""
    result = load.run(world.port, messages(world, places), clients=clients, seconds=seconds)
    if set(result.statuses) != {"200"}:
        raise SystemExit(f"pulls were answered with {result.statuses}")
    return result


def beside_the_floor(world: World) -> Section:
    """Pulls of 100 secrets at 16 clients and at one, in turn with the floor."""
    section = Section("Pull of 100 secrets, beside the floor", "python -m bench pull")
    order = floor_order(world)
    pulls(world, world.places)
    found: dict[str, list[float]] = {"floor": [], "pull": [], "single": []}
    latencies: list[float] = []
    for _, what in in_turn(ROUNDS, "floor", "pull", "single"):
        if what == "floor":
            found[what].append(floor.run(order | {"seconds": SECONDS}))
            continue
        result = pulls(world, world.places, clients=CLIENTS if what == "pull" else 1)
        found[what].append(result.per_second)
        if what == "pull":
            latencies += result.latencies_ms
    middle = {what: statistics.median(values) for what, values in found.items()}
    ratio = statistics.median(a / b for a, b in zip(found["pull"], found["floor"], strict=True))
    section.add("floor, 16 threads", f"{middle['floor']:.0f}/s")
    section.add(
        "pull, 16 clients", f"{middle['pull']:.0f}/s = {ratio:.2f} of the floor", ">= 0.33", holds=ratio >= 1 / 3
    )
    section.add("pull, 1 client", f"{middle['single']:.0f}/s")
    ordered = sorted(latencies)
    section.add(
        "latency at 16 clients, p50 / p99",
        f"{ordered[len(ordered) // 2]:.1f} / {ordered[int(len(ordered) * 0.99)]:.1f} ms",
    )
    return section


def floor_order(world: World) -> dict[str, Any]:
    """What the floor's process is told."""
    with world.client() as http:
        me = http.get("/v1/users/me").raise_for_status().json()["data"]
    with world.database() as connection:
        instance = connection.execute("SELECT id FROM instance").fetchone()
        session = connection.execute(
            "SELECT id FROM sessions WHERE user_id = %s ORDER BY created_at DESC LIMIT 1", (UUID(me["id"]),)
        ).fetchone()
    assert instance is not None
    assert session is not None
    places = [
        {"name": p.full_name, "vault": str(p.vault_id), "vault_hex": p.vault_id.hex, "instance": instance[0].hex,
         "environment": str(p.environment_id), "repository": p.repository_id}
        for p in world.places
    ]  # fmt: skip
    return {
        "database": world.stack.app_database_url,
        "key": world.stack.folder.encryption_key.read_text().strip(),
        "person": int(me["forgeUserId"]), "user": me["id"], "session": str(session[0]),
        "environment": ENVIRONMENT, "places": places, "threads": floor.THREADS,
    }  # fmt: skip


def shape(world: World) -> Section:
    """Statements and calls of one pull, from one secret to a thousand."""
    section = Section("What one pull costs besides time", "python -m bench shape")
    place = world.places[-1]
    seen: dict[str, set[float]] = {"statements": set(), "calls": set()}
    for count in (1, 10, 100, 1000):
        push(world, place, count)
        pulls(world, [place], clients=1, seconds=0.3)
        # What follows the audit in the background can only add: the smallest of a few stretches is the pull's own.
        statements, calls = min(_per_pull(world, place) for _ in range(5))
        seen["statements"].add(statements)
        seen["calls"].add(calls)
        section.add(f"{count:,} secrets", f"{statements:g} statements, {calls:g} crypto calls")
    constant = all(len(values) == 1 for values in seen.values())
    section.add("from 1 to 1,000 secrets", "constant" if constant else "grows", "constant", holds=constant)
    return section


def _per_pull(world: World, place: Place, count: int = 10) -> tuple[float, float]:
    with world.database() as connection:
        connection.execute("SELECT statistics.pg_stat_statements_reset()")
    before = crypto_calls(world)
    result = load.run(world.port, messages(world, [place]), clients=1, seconds=20, requests=count)
    after = crypto_calls(world)
    return statements_run(world) / result.answers, (after - before) / result.answers


def statements_run(world: World) -> float:
    """Statements of the application role since the last reset, as Postgres counted them."""
    with world.database() as connection:
        return statements_on(connection)


def statements_on(connection: psycopg.Connection[Any]) -> float:
    """The same, by a connection that is there."""
    return float(sum(said(connection).values()))


def said(connection: psycopg.Connection[Any], nobodys: str = NOBODYS) -> Counter[str]:
    """Statements of the application role, and how often; without those that match `nobodys`."""
    rows = connection.execute(
        """SELECT s.query, s.calls FROM statistics.pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
           WHERE r.rolname = 'keyway_app' AND s.query !~* %s""",
        (nobodys,),
    ).fetchall()
    found: Counter[str] = Counter()
    for query, calls in rows:
        found[" ".join(query.split())] += calls
    return found


def crypto_calls(world: World) -> int:
    """Calls that the crypto service says it answered."""
    return crypto_calls_of(world.stack)


def crypto_calls_of(stack: Stack) -> int:
    """The same, of an installation."""
    return sum(
        int(value) for name, value in _metrics(stack).items() if name.startswith("keyway_crypto_call_seconds_count")
    )


def _metrics(stack: Stack) -> Mapping[str, float]:
    with urllib.request.urlopen(f"{stack.ops_url}/metrics") as answer:  # noqa: S310 - loopback, our own
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def flat(small: World, large: World) -> Section:
    """The same pulls from a small database and from a large one, in turn."""
    section = Section("Pull, from 100 vaults to 10,000 with history and a million events", "python -m bench flat")
    worlds = {"small": small, "large": large}
    for world in worlds.values():
        pulls(world, world.places, seconds=6)
    found: dict[str, list[float]] = {"small": [], "large": []}
    for _, which in in_turn(ROUNDS, "small", "large"):
        settle(0.2)
        found[which].append(pulls(worlds[which], worlds[which].places).per_second)
    ratios = [big / little for big, little in zip(found["large"], found["small"], strict=True)]
    ratio, noise = statistics.median(ratios), max(spread(values) for values in found.values())
    allowed = max(0.25, 2 * noise)
    section.add("100 vaults, no history", f"{statistics.median(found['small']):.0f}/s")
    section.add("10,000 vaults, 500 revisions, 1,000,000 events", f"{statistics.median(found['large']):.0f}/s")
    section.add("noise of the run", f"{noise:.0%}")
    section.add("large / small", f"{ratio:.2f}", f">= {1 - allowed:.2f}", holds=ratio >= 1 - allowed)
    section.add("pages read per pull of 100 keys, large", f"{_pages(large):.1f}", "<= 12", holds=_pages(large) <= 12)
    return section


def _pages(world: World) -> float:
    """Buffers that the values of one pull touch, as Postgres counts them, averaged over the places."""
    total = 0
    with world.database() as connection:
        for place in world.places[:20]:
            row = connection.execute(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT array_agg(key), array_agg(id), array_agg(sealed)"
                " FROM secret_values"
                " WHERE environment_id = %s AND to_revision IS NULL AND octet_length(sealed) <= 1200",
                (place.environment_id,),
            ).fetchone()
            assert row is not None
            plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
            total += plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]
    return total / 20


def memory(world: World, minutes: float) -> Section:
    """Resident memory of backend and crypto under load, at the start and at the end."""
    section = Section(f"Memory after {minutes:g} minutes of load", "python -m bench memory")
    push_load = KEYS
    pulls(world, world.places, seconds=20)
    first = {name: resident(world, name) for name in ("backend", "crypto")}
    left = minutes * 60
    while left > 0:
        pulls(world, world.places, seconds=min(20, left))
        push(world, world.places[0], push_load)
        left -= 20
    for name, most in (("backend", 160), ("crypto", 80)):
        last = resident(world, name)
        section.add(
            name, f"{last:.0f} MB, {last - first[name]:+.0f} MB since warm", f"<= {most} MB", holds=last <= most
        )
    return section


def resident(world: World, name: str) -> float:
    """MB, the process with all its children."""
    import psutil  # noqa: PLC0415 - only here

    process = psutil.Process(getattr(world.stack, name).pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6
