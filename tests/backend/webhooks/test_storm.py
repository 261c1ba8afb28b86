"""Thousands of deliveries, each sent twice, while workers are killed: each has its effect once, and none is lost."""

from __future__ import annotations

import random
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from github_post import Post, post_of, process, sql, until
from keyway_standalone.processes import Stack
from oracle.report import Record
from stack import sign_in

from tests.oracle import stage
from tests.oracle.stage import GitHub
from tests.oracle.wire import Call, bearer, send

QUICK = {"WORKER_STALLED_SECONDS": "1", "WORKER_JOBS_AT_ONCE": "16"}
JOBS_OF_THE_BACKEND = 4


@dataclass
class Storm:
    """Deliveries of many kinds, of numbers that nothing of GitHub's bears."""

    count: int
    first: int = field(default_factory=lambda: 2**50 + secrets.randbelow(2**40))

    def once(self) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Each once: event, payload and id."""
        for index in range(self.count):
            delivery, event, payload = self._delivery(self.first + index)
            yield event, payload, delivery

    def deliveries(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each twice, in no order: id, event and payload."""
        made = [self._delivery(self.first + index) for index in range(self.count)]
        twice = made + made
        random.Random(self.first).shuffle(twice)  # noqa: S311
        yield from twice

    def _delivery(self, number: int) -> tuple[str, str, dict[str, Any]]:
        account = {"id": number, "login": "gone", "type": "User"}
        about: dict[str, Any] = {"installation": {"id": number, "account": account}, "sender": account}
        kinds = (
            ("installation", {"action": "deleted"}),
            ("member", {"action": "removed", "member": account, "repository": {"id": number}}),
            ("installation", {"action": "unsuspend"}),  # of which GitHub knows nothing when the job asks
            ("organization", {"action": "member_added", "organization": {"id": number}}),
        )
        event, payload = kinds[number % len(kinds)]
        return str(uuid.UUID(int=number)), event, about | payload

    @property
    def ids(self) -> list[str]:
        """Every delivery."""
        return [str(uuid.UUID(int=self.first + index)) for index in range(self.count)]

    @property
    def removed(self) -> list[int]:
        """The installations that were removed: by the word of a delivery, or by what its job found."""
        return [number for number in range(self.first, self.first + self.count) if number % 2 == 0]


def sent(post: Post, storm: Storm) -> Counter[int]:
    """Sends everything, from eight places at once; how often each status was answered."""
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda one: post(one[1], one[2], one[0]), storm.deliveries())
        return Counter(answer.status for answer in answers)


def applied(stack: Stack, storm: Storm) -> tuple[int, int, int]:
    """How many were taken, how many of them were applied, and how often altogether."""
    query = "SELECT count(*), count(applied_at), sum(applied) FROM webhook_deliveries WHERE delivery_id = ANY(%s)"
    taken, done, times = sql(stack, query, storm.ids)[0]
    return taken, done, int(times or 0)


def nothing(_line: str) -> None:
    """What a short run tells of its progress."""


def weather(stack: Stack, storm: Storm, folder: Path, kills: int, say: Callable[[str], None] = nothing) -> None:
    """The storm, with workers that are killed in the middle of their jobs, and somebody removed while it goes on."""
    github = GitHub(stack)
    # Slower than deliveries come, so that there is always more to do than what the backend does itself.
    github.do("fault", kind="delay", pattern="GET /app/installations/*", seconds=2.0, times=0)
    home = stage.home(stack, "storm")
    login = github.user("storm")
    github.do("set-role", repo=home.full_name, login=login, role="write")
    token = sign_in(stack, login)
    pull = Call("GET", f"/v1/secrets/pull?repo={home.full_name}&environment=development", (bearer(token),))
    assert send(stack.api_url, pull).status == 200
    with ExitStack() as opened, ThreadPoolExecutor(1) as pool:
        child, _ = opened.enter_context(process(stack, folder / "first.log", "worker", **QUICK))
        sending, torn = pool.submit(sent, post_of(stack), storm), 0
        for number in range(kills):
            until(lambda: doing(stack) > JOBS_OF_THE_BACKEND or over(stack, storm), "the worker in the middle of a job")
            torn += doing(stack) > JOBS_OF_THE_BACKEND
            child.kill()
            say(f"worker {number + 1} killed; {progress(stack, storm)}")
            child, _ = opened.enter_context(process(stack, folder / f"after-{number}.log", "worker", **QUICK))
        assert torn, "no worker was killed in the middle of its jobs"
        github.do("clear-faults")
        github.do("set-role", repo=home.full_name, login=login, role=None, webhook=True)
        assert send(stack.api_url, pull).status == 403
        statuses = sending.result()
        assert statuses == {200: 2 * storm.count}
        say(f"sent, answered {statuses}; {progress(stack, storm)}")
        until(lambda: over(stack, storm), "applied")
    assert applied(stack, storm) == (storm.count,) * 3
    assert ended(stack, storm) == (len(storm.removed),) * 2
    assert raised(stack, storm) == (storm.count // 4, 1, 1)
    said = f"{ended(stack, storm)[0]} ends recorded and {raised(stack, storm)[0]} people's roles ended, each once"
    say(f"{progress(stack, storm)}; {said}")


def over(stack: Stack, storm: Storm) -> bool:
    """Whether nothing is left to do."""
    return applied(stack, storm)[1] == storm.count


def progress(stack: Stack, storm: Storm) -> str:
    """How far it is."""
    taken, done, times = applied(stack, storm)
    return f"{taken} of {storm.count} taken, {done} applied, {times} times"


def ended(stack: Stack, storm: Storm) -> tuple[int, int]:
    """How many ends of installations were recorded, and of how many."""
    query = """SELECT count(*), count(DISTINCT details->>'installationId') FROM audit_events
               WHERE action = 'vcs_app_uninstalled' AND (details->>'installationId')::bigint = ANY(%s)"""
    (found,) = sql(stack, query, storm.removed)
    return found[0], found[1]


def raised(stack: Stack, storm: Storm) -> tuple[Any, ...]:
    """Of how many people the roles were ended, and how often."""
    query = """SELECT count(*), min(generation), max(generation) FROM access_generations
               WHERE kind = 'user' AND github_id BETWEEN %s AND %s"""
    return sql(stack, query, storm.first, storm.first + storm.count - 1)[0]


def doing(stack: Stack) -> int:
    """How many deliveries workers are in the middle of."""
    query = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'webhooks.apply' AND status = 'doing'"
    return int(sql(stack, query)[0][0])


def test_a_storm(stack: Stack, tmp_path: Path) -> None:
    """A hundred and sixty deliveries, each twice, and a worker that is killed."""
    weather(stack, Storm(160), tmp_path, 1)


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_ten_thousand(
    stack: Stack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    record_property: Record,
) -> None:
    """The same at size, with ten workers killed."""
    monkeypatch.setattr("github_post._SECONDS", 600.0)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        with capsys.disabled():
            print(f"\n  {time.strftime('%H:%M:%S')} {line}", end="", flush=True)

    weather(stack, Storm(10_000), tmp_path, 10, say)
    record_property("10,000 deliveries, each sent twice, 10 workers killed", lines[-1])
