"""A hundred people are removed, with default settings: how long each is let in at most (assurance D-07, I8)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Final

import pytest
from github_post import Post, post_of, process, sql
from keyway_standalone.processes import Stack
from leaving import Company, Leaver, Removal, trial, trials_with_look_ups_under_way
from oracle.report import Record
from stack import running_stack
from test_storm import Storm

from tests.oracle.stage import GitHub

TRIALS: Final = 100
WITH_DELIVERY: Final = 5.0
WITHOUT_DELIVERY: Final = 60.0
_WAITING: Final = "SELECT count(*) FROM webhook_deliveries WHERE applied_at IS NULL"


@dataclass(frozen=True)
class Site:
    """Two replicas on one database, with default settings but for tokens of GitHub, which are off by default."""

    stack: Stack
    github: GitHub
    urls: tuple[str, str]
    posts: tuple[Post, Post]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """No replica does jobs, so that deliveries wait for as long as a test wants."""
    changes = {"GITHUB_PAT_LOGIN": "true", "WORKER_IN_PROCESS": "false"}
    log = tmp_path_factory.mktemp("second") / "backend.log"
    with running_stack(backend_env=changes) as stack, process(stack, log, **changes) as (_, url):
        yield Site(stack, GitHub(stack), (stack.api_url, url), (post_of(stack), post_of(stack, url)))


def say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Progress of a long run, as it goes."""
    with capsys.disabled():
        print(f"\n  {time.strftime('%H:%M:%S')} {line}", end="", flush=True)


def arrive(site: Site, storm: Storm, stop: Event) -> int:
    """Deliveries of a storm, until it is over or somebody says stop; how many were taken."""
    taken = 0
    for (event, payload, delivery), post in zip(storm.once(), cycle(site.posts), strict=False):
        if stop.is_set():
            break
        assert post(event, payload, delivery).status == 200
        taken += 1
    return taken


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_hundred_with_a_delivery(
    site: Site, tmp_path: Path, record_property: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four credentials on two replicas, while ten thousand other deliveries wait and more arrive; for every second
    person a look-up is under way that GitHub answered before the removal."""
    company = Company.founded(site.stack)
    people = company.hire_many(TRIALS)
    say(capsys, f"{TRIALS} people have credentials")
    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(lambda _: arrive(site, Storm(1_700), Event()), range(8)))
    waiting = sql(site.stack, _WAITING)[0][0]
    say(capsys, f"{taken} other deliveries were taken, {waiting} wait")
    assert waiting >= 10_000
    calm: list[Removal] = []
    overtaken: list[Removal] = []
    stop = Event()
    with ExitStack() as opened, ThreadPoolExecutor(2) as pool:
        opened.callback(stop.set)
        arriving = [pool.submit(arrive, site, Storm(20_000), stop) for _ in range(2)]
        for number, leaver in enumerate(people[: TRIALS // 2]):
            elsewhere = site.urls[1 - number % 2]  # where it is not delivered to
            where = site.urls if number % 4 < 2 else (elsewhere,)
            calm.append(trial(site.github, site.posts[number % 2], where, leaver))
        say(capsys, f"{len(calm)} removals, {sql(site.stack, _WAITING)[0][0]} deliveries wait")
        opened.enter_context(process(site.stack, tmp_path / "worker.log", "worker"))
        for first in range(TRIALS // 2, TRIALS, 10):
            some = people[first : first + 10]
            overtaken += trials_with_look_ups_under_way(site.github, site.posts[first // 10 % 2], site.urls, some)
        left = sql(site.stack, _WAITING)[0][0]
        stop.set()
        more = sum(one.result() for one in arriving)
    say(capsys, f"{len(calm) + len(overtaken)} removals, {more} deliveries arrived meanwhile, {left} wait still\n")
    for name, removals in (("roles remembered", calm), ("look-ups under way", overtaken)):
        _report(record_property, f"removed with a delivery, {name}", removals)
    assert len(calm) + len(overtaken) == TRIALS
    assert max(one.value_after for one in calm + overtaken) <= WITH_DELIVERY


def _report(record: Record, name: str, removals: list[Removal]) -> None:
    figures = {
        "trials": len(removals),
        "last let in": max(one.let_in_after for one in removals),
        "last value": max(one.value_after for one in removals),
        "delivery answered": max(one.answered for one in removals),
    }
    shown = ", ".join(f"{what} {value:.2f} s" if isinstance(value, float) else f"{what} {value}"
                      for what, value in figures.items())  # fmt: skip
    record(f"{name}, 4 credentials, 2 replicas, at most", shown)


@dataclass
class Unheard:
    """Somebody who was removed while no delivery told it."""

    leaver: Leaver
    turns: Iterator[tuple[str, str]]
    removed: float = 0.0
    let_in: float = 0.0
    value_left: float = 0.0
    refused: bool = False
    statuses: list[tuple[float, int]] = field(default_factory=list)

    def attempt(self) -> None:
        """One pull with the next credential on the next replica. Who was refused once stays out."""
        began, (kind, url) = time.monotonic(), next(self.turns)
        status = self.leaver.pull(kind, url)
        if status == 200:
            assert not self.refused, f"{kind}: let in again"
            self.let_in, self.value_left = began, time.monotonic()
        self.refused |= status == 403


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_hundred_without_a_delivery(site: Site, record_property: Record, capsys: pytest.CaptureFixture[str]) -> None:
    """The same people at the same time, just after GitHub was asked about each; a request of each every second."""
    company = Company.founded(site.stack)
    people = company.hire_many(TRIALS)
    say(capsys, f"{TRIALS} people have credentials")
    ways = [(kind, url) for kind in people[0].credentials for url in site.urls]
    unheard = [Unheard(leaver, cycle(ways[number % 8 :] + ways[: number % 8])) for number, leaver in enumerate(people)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: _remove_unheard(site, one), unheard))
        say(capsys, "all were removed just after they were let in")
        while any(not one.refused for one in unheard):
            begun = time.monotonic()
            assert begun < unheard[0].removed + 1.5 * WITHOUT_DELIVERY, "somebody is let in for ever"
            list(pool.map(Unheard.attempt, [one for one in unheard if not one.refused]))
            time.sleep(max(0.0, begun + 1 - time.monotonic()))
        say(capsys, "all were refused\n")
        everywhere = list(pool.map(lambda one: one.leaver.everywhere(site.urls), unheard))
    last = max(one.let_in - one.removed for one in unheard)
    value = max(one.value_left - one.removed for one in unheard)
    soonest = min(one.let_in - one.removed for one in unheard)
    record_property(
        "removed without a delivery, 4 credentials, 2 replicas, at most",
        f"trials {len(unheard)}, last let in {last:.2f} s, last value {value:.2f} s, soonest out {soonest:.2f} s",
    )
    assert everywhere == [{403}] * TRIALS
    assert last <= WITHOUT_DELIVERY


def _remove_unheard(site: Site, one: Unheard) -> None:
    """GitHub is asked anew, and the person is removed at once."""
    leaver = one.leaver
    sql(site.stack, "DELETE FROM role_cache WHERE github_user_id = %s", leaver.github_id)
    assert leaver.pull(*next(one.turns)) == 200
    site.github.do("set-role", repo=leaver.full_name, login=leaver.login, role=None)
    one.removed = time.monotonic()
