"""Who saw what, and what was done, with a million reads in the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx

from bench.ground import good
from bench.report import Section
from bench.routes import connect
from bench.world import PEOPLE, World, open_world, write_history

PLACES, SECRETS, REVISIONS, EVENTS = 200, 100, 20, 1_000_000
ROUNDS: Final = 15
# A page that a person waits for.
MOST_MS: Final = 300
_SUM_SECONDS: Final = 600


def measure(folder: Path, events: int = EVENTS) -> Section:
    """On a stack that is stopped afterwards."""
    title = f"Exposure: {events:,} reads by {PEOPLE} people, {PLACES * SECRETS:,} secrets with {REVISIONS} revisions"
    section = Section(title, "python -m bench exposure")
    with ExitStack() as kept:
        world = open_world(kept, folder / "exposure", login="bench-many", organization="bench-many-org")
        connect(world, None)
        world.create_vaults(PLACES)
        write_history(world, revisions=REVISIONS, fillers=0, events=events, keys=SECRETS)
        section.add("summed up from the log", f"{summed(world):.0f} s")
        http = kept.enter_context(world.client())
        for name, path in _paths(world, http).items():
            _add(section, name, path, http)
    return section


def summed(world: World) -> float:
    """Seconds until reads and secrets are summed up, by the job that does it every minute."""
    started = time.monotonic()
    behind = """SELECT (SELECT count(*) FROM audit_positions AS p WHERE p.follower = 'exposure'
            AND EXISTS (SELECT FROM reads AS r WHERE r.tx >= p.tx AND (r.tx, r.id) > (p.tx, p.event_id)))
        + (SELECT count(*) FROM environments AS e LEFT JOIN exposure_lives AS l ON l.environment_id = e.id
            WHERE e.head_revision > 0 AND l.revision IS DISTINCT FROM e.head_revision)"""
    with world.database() as connection:
        while time.monotonic() < started + _SUM_SECONDS:
            row = connection.execute(behind).fetchone()
            if row is not None and not row[0]:
                connection.commit()
                connection.autocommit = True
                connection.execute("VACUUM (ANALYZE)")
                return time.monotonic() - started
            connection.commit()
            time.sleep(0.5)
    raise SystemExit("the reads were not summed up")


def _paths(world: World, http: httpx.Client) -> Mapping[str, str]:
    vault = f"/v1/vaults/{world.places[0].full_name}"
    secret = good(http.get(f"{vault}/secrets")).json()["data"][0]["id"]
    organization = f"/v1/orgs/{world.organization}/exposure"
    return {
        "GET /v1/users/me/exposure": "/v1/users/me/exposure",
        "... page 2": "/v1/users/me/exposure?offset=100",
        "... of a month": "/v1/users/me/exposure?startDate=2026-08-01&endDate=2026-08-31",
        "GET /v1/users/me/exposure/{username}": "/v1/users/me/exposure/person-1",
        "GET /v1/orgs/{org}/exposure": organization,
        "GET /v1/orgs/{org}/exposure/{username}": f"{organization}/person-1",
        "GET /v1/vaults/{owner}/{repo}/exposure": f"{vault}/exposure",
        "... 500 people": f"{vault}/exposure?limit=500",
        "GET /v1/vaults/{owner}/{repo}/secrets/{secretId}/access-history": f"{vault}/secrets/{secret}/access-history",
        "GET /v1/users/me/security/overview": "/v1/users/me/security/overview",
        "GET /v1/users/me/security/access-log": "/v1/users/me/security/access-log",
        "... page 1,000": "/v1/users/me/security/access-log?limit=50&offset=50000",
        "GET /v1/activity": "/v1/activity",
        "GET /v1/vaults/{owner}/{repo}/activity": f"{vault}/activity",
    }


def _add(section: Section, name: str, path: str, http: httpx.Client) -> None:
    answers, times = [], []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        answers.append(good(http.get(path)))
        times.append((time.perf_counter() - started) * 1000)
    warm = sorted(times[1:])
    middle, slow = warm[len(warm) // 2], warm[int(len(warm) * 0.95)]
    size = len(answers[0].content) / 1000
    section.add(name, f"{middle:.0f}/{slow:.0f} ms, {size:,.0f} kB", f"p50 <= {MOST_MS} ms", holds=middle <= MOST_MS)
