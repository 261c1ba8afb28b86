"""Pushes of 1,000 new secrets."""

from __future__ import annotations

import statistics
import time

import orjson

from bench import load
from bench.pull import crypto_calls, statements_run
from bench.report import Section
from bench.world import ENVIRONMENT, World, names

ROUNDS = 21
COUNT = 1000


def measure(world: World) -> Section:
    """Time to the answer, the client's own work excluded: its bytes are made before, and nothing is parsed within."""
    section = Section("Push of 1,000 new secrets", "python -m bench push")
    milliseconds, shapes = [], set()
    for number in range(ROUNDS):
        world.create_vaults(1)
        place = world.places[-1]
        secrets = {name: f"value-of-{name}-{number:030}" for name in names(COUNT)}
        body = {"repoFullName": place.full_name, "environment": ENVIRONMENT, "mode": "merge", "secrets": secrets}
        message = load.request("POST", "/v1/secrets/push", world.token, body=orjson.dumps(body))
        with world.database() as connection:
            connection.execute("SELECT statistics.pg_stat_statements_reset()")
        before = crypto_calls(world)
        result = load.run(world.port, [message], clients=1, seconds=30, requests=1)
        if result.statuses != {"200": 1}:
            raise SystemExit(f"a push was answered with {result.statuses}")
        milliseconds.append(result.latencies_ms[0])
        shapes.add((statements_run(world), crypto_calls(world) - before))
        time.sleep(0.05)
    middle = statistics.median(milliseconds)
    rate = COUNT / middle * 1000
    section.add("median of 21", f"{middle:.0f} ms = {rate:,.0f} secrets/s", ">= 10,000/s", holds=rate >= 10_000)
    section.add("fastest / slowest", f"{min(milliseconds):.0f} / {max(milliseconds):.0f} ms")
    statements, calls = max(shapes)
    section.add("statements and crypto calls", f"{statements:g} and {calls:g}", "constant, 1 call", holds=calls == 1)
    return section
