"""Thousands of deliveries, each sent twice, while workers are killed: each has its effect once, and none is lost."""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from github_post import Post, post_of, process, sql, until
from keyway_standalone.processes import Stack
from stack import sign_in

from tests.oracle import stage
from tests.oracle.stage import GitHub
from tests.oracle.wire import Call, bearer, send

QUICK = {"WORKER_STALLED_SECONDS": "1", "WORKER_JOBS_AT_ONCE": "16"}


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
            ("repository", {"action": "renamed", "repository": {"id": number}}),
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
        """The installations that were removed."""
        return [number for number in range(self.first, self.first + self.count) if number % 4 == 0]


def sent(post: Post, storm: Storm) -> set[int]:
    """Sends everything, from eight places at once; the statuses."""
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda one: post(one[1], one[2], one[0]), storm.deliveries())
        return {answer.status for answer in answers}


def applied(stack: Stack, storm: Storm) -> tuple[Any, ...]:
    """How many were taken, how many of them were applied, and how often altogether."""
    query = "SELECT count(*), count(applied_at), sum(applied) FROM webhook_deliveries WHERE delivery_id = ANY(%s)"
    return sql(stack, query, storm.ids)[0]


def weather(stack: Stack, storm: Storm, folder: Path, kills: int) -> None:
    """The storm, with workers that are killed in the middle of their jobs, and somebody removed while it goes on."""
    github = GitHub(stack)
    github.do("fault", kind="delay", pattern="GET /app/installations/*", seconds=0.05, times=0)
    home = stage.home(stack, "storm")
    login = github.user("storm")
    github.do("set-role", repo=home.full_name, login=login, role="write")
    token = sign_in(stack, login)
    pull = Call("GET", f"/v1/secrets/pull?repo={home.full_name}&environment=development", (bearer(token),))
    assert send(stack.api_url, pull).status == 200
    with ExitStack() as opened, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(sent, post_of(stack), storm)
        for number in range(kills):
            started = opened.enter_context(process(stack, folder / f"killed-{number}.log", "worker", **QUICK))
            until(lambda: doing(stack) or sending.done(), "a job under way")
            started[0].kill()
        github.do("set-role", repo=home.full_name, login=login, role=None, webhook=True)
        assert send(stack.api_url, pull).status == 403
        assert sending.result() == {200}
        github.do("clear-faults")
        opened.enter_context(process(stack, folder / "last.log", "worker", **QUICK))
        until(lambda: applied(stack, storm)[1] == storm.count, "applied")
    assert applied(stack, storm) == (storm.count,) * 3
    query = """SELECT count(*), count(DISTINCT details->>'installationId') FROM audit_events
               WHERE action = 'vcs_app_uninstalled' AND (details->>'installationId')::bigint = ANY(%s)"""
    assert sql(stack, query, storm.removed) == [(len(storm.removed),) * 2]
    query = """SELECT count(*), min(generation), max(generation) FROM access_generations
               WHERE kind = 'user' AND github_id BETWEEN %s AND %s"""
    removals = len([one for one in range(storm.first, storm.first + storm.count) if one % 4 == 1])
    assert sql(stack, query, storm.first, storm.first + storm.count - 1) == [(removals, 1, 1)]


def doing(stack: Stack) -> bool:
    """Whether a worker is in the middle of a delivery."""
    query = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'webhooks.apply' AND status = 'doing'"
    return bool(sql(stack, query)[0][0])


def test_a_storm(stack: Stack, tmp_path: Path) -> None:
    """A hundred and sixty deliveries, each twice, and a worker that is killed."""
    weather(stack, Storm(160), tmp_path, 1)


@pytest.mark.prove
def test_ten_thousand(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same at size, with ten workers killed."""
    monkeypatch.setattr("github_post._SECONDS", 600.0)
    weather(stack, Storm(10_000), tmp_path, 10)
