"""Background jobs: made with what wants them, done in spite of everything, and carrying nothing that must not leak."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import psycopg
import pytest
from keyway_backend import jobs
from keyway_backend.db.engine import Database
from keyway_backend.jobs import Jobs, Retry
from keyway_core.sensitive import Sensitive
from keyway_standalone.processes import Stack

_SECONDS: Final = 90.0
SOON: Final = Retry(attempts=3, first_seconds=0.01, factor=1.0)


@pytest.fixture
def name() -> str:
    """A task that no other test and no backend knows."""
    return f"test.{uuid.uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker soon finds what it was not told of: what is tried again, and what was made before it listened."""
    monkeypatch.setattr(jobs, "_POLL_SECONDS", 0.1)


@asynccontextmanager
async def database(stack: Stack) -> AsyncIterator[Database]:
    """The suite's database, as the application role."""
    opened = Database(stack.app_database_url, size=4)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def worker(stack: Stack, *tasks: tuple[str, jobs.Handler], **options: Any) -> AsyncIterator[Jobs]:
    """A worker of these tasks."""
    working = Jobs(stack.app_database_url, **options)
    for task, handler in tasks:
        working.task(task, handler, SOON)
    working.start()
    try:
        yield working
    finally:
        await working.stop()


async def until(true: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Returns when it is so."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        answer = true()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass")


async def defer(stack: Stack, task: str, **arguments: Any) -> None:
    """One job, in a transaction of its own."""
    async with database(stack) as opened, opened.transaction() as connection:
        await jobs.defer(connection, task, **arguments)


def statuses(stack: Stack, task: str) -> list[str]:
    """How the jobs of a task stand."""
    with psycopg.connect(stack.app_database_url) as connection:
        query = "SELECT status::text FROM procrastinate_jobs WHERE task_name = %s ORDER BY id"
        return [status for (status,) in connection.execute(query, [task])]


def silent_for_long(stack: Stack, task: str) -> None:
    """Whoever is at a job of this task gave its last sign of life a minute ago."""
    with psycopg.connect(stack.app_database_url) as connection:
        connection.execute(
            """UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute' WHERE id IN (
                   SELECT worker_id FROM procrastinate_jobs WHERE task_name = %s AND status = 'doing')""",
            [task],
        )


class TestRefuses:
    """What no job carries, and what makes none."""

    @pytest.mark.parametrize(
        "arguments",
        [
            {"token": "ghs_abcdefghijklmnopqrstuvwxyz0123456789"},
            {"a": {"deep": ["kw_live_0123456789"]}},
            {"jwt": "eyJhbGciOiJIUzI1NiJ9.e30.x"},
            {"text": "x" * 3000},
        ],
    )
    def test_credentials_and_texts(self, stack: Stack, name: str, arguments: dict[str, Any]) -> None:
        """A credential or a long text among the arguments: no job."""
        with pytest.raises(ValueError, match="ids and labels"):
            asyncio.run(defer(stack, name, **arguments))
        assert statuses(stack, name) == []

    @pytest.mark.parametrize("value", [Sensitive("s3cret"), b"bytes", object()])
    def test_what_is_no_json(self, stack: Stack, name: str, value: object) -> None:
        """Plaintext in its wrapper, bytes and objects are no arguments."""
        with pytest.raises(TypeError):
            asyncio.run(defer(stack, name, value=value))
        assert statuses(stack, name) == []

    def test_a_transaction_that_fails_leaves_no_job(self, stack: Stack, name: str) -> None:
        """The job belongs to what wanted it."""

        async def fail() -> None:
            async with database(stack) as opened, opened.transaction() as connection:
                await jobs.defer(connection, name)
                raise LookupError

        with pytest.raises(LookupError):
            asyncio.run(fail())
        assert statuses(stack, name) == []

    def test_a_task_that_the_worker_does_not_know_is_left_for_one_that_does(self, stack: Stack, name: str) -> None:
        """An older version beside a newer one takes none of its jobs."""
        done: list[int] = []

        async def handler(number: int) -> None:
            done.append(number)

        async def go() -> None:
            await defer(stack, f"{name}.new", number=1)
            await defer(stack, name, number=2)
            async with worker(stack, (name, handler)):
                await until(lambda: done == [2])

        asyncio.run(go())
        assert statuses(stack, f"{name}.new") == ["todo"]


class TestDoes:
    """What is done, and how often."""

    def test_a_job_after_its_transaction(self, stack: Stack, name: str) -> None:
        """Not before the commit; with the arguments; forgotten when it is done."""
        done: list[dict[str, Any]] = []

        async def handler(**arguments: Any) -> None:
            done.append(arguments)

        async def go() -> None:
            async with database(stack) as opened, worker(stack, (name, handler)) as working:
                await until(lambda: working.alive)
                async with opened.transaction() as connection:
                    await jobs.defer_each(connection, name, [{"id": 1, "label": "ümlaut"}, {"id": 2, "label": None}])
                await until(lambda: len(done) == 2)
                await until(lambda: statuses(stack, name) == [])

        asyncio.run(go())
        assert sorted(done, key=lambda one: one["id"]) == [{"id": 1, "label": "ümlaut"}, {"id": 2, "label": None}]

    def test_a_failing_one_again_and_a_hopeless_one_no_more(self, stack: Stack, name: str) -> None:
        """Twice failed and then done is done; failed as often as allowed is kept as failed."""
        tried: list[str] = []

        async def flaky() -> None:
            tried.append("flaky")
            if tried.count("flaky") < 3:
                raise OSError("quotes something")

        async def hopeless() -> None:
            tried.append("hopeless")
            raise KeyError("quotes something")

        async def go() -> None:
            await defer(stack, f"{name}.flaky")
            await defer(stack, f"{name}.hopeless")
            async with worker(stack, (f"{name}.flaky", flaky), (f"{name}.hopeless", hopeless)):
                await until(lambda: statuses(stack, f"{name}.hopeless") == ["failed"])
                await until(lambda: statuses(stack, f"{name}.flaky") == [])

        asyncio.run(go())
        assert (tried.count("flaky"), tried.count("hopeless")) == (3, 3)

    def test_goes_on_when_its_connections_are_cut(self, stack: Stack, name: str) -> None:
        """A database that throws everybody out ends no worker."""
        done: list[int] = []

        async def handler(number: int) -> None:
            done.append(number)

        def cut() -> None:
            with psycopg.connect(stack.superuser_database_url, autocommit=True) as connection:
                workers = "FROM pg_stat_activity WHERE application_name = 'keyway-jobs'"
                assert connection.execute(f"SELECT pg_terminate_backend(pid) {workers}").rowcount > 0

        async def go() -> None:
            async with worker(stack, (name, handler)) as working:
                await until(lambda: working.alive)
                await asyncio.to_thread(cut)
                await defer(stack, name, number=1)
                await until(lambda: done == [1])

        asyncio.run(go())

    def test_two_workers_share_the_work(self, stack: Stack, name: str) -> None:
        """Each job once, whoever does it."""
        done: list[int] = []

        async def handler(number: int) -> None:
            done.append(number)

        async def go() -> None:
            async with worker(stack, (name, handler)), worker(stack, (name, handler)):
                async with database(stack) as opened, opened.transaction() as connection:
                    await jobs.defer_each(connection, name, [{"number": number} for number in range(60)])
                await until(lambda: statuses(stack, name) == [])

        asyncio.run(go())
        assert sorted(done) == list(range(60))

    def test_every_job_of_a_killed_worker_is_done_by_another(self, stack: Stack, name: str, tmp_path: Any) -> None:
        """Killed in the middle of a job: nothing is lost."""
        started = tmp_path / "started"
        child = multiprocessing.get_context("spawn").Process(
            target=_hang, args=(stack.app_database_url, name, str(started))
        )
        child.start()
        done: list[int] = []

        async def handler(number: int) -> None:
            done.append(number)

        async def go() -> None:
            for number in range(3):
                await defer(stack, name, number=number)
            await until(started.exists)
            os.kill(child.pid or 0, signal.SIGKILL)
            child.join()
            assert "doing" in statuses(stack, name)
            silent_for_long(stack, name)
            async with worker(stack, (name, handler)):
                await until(lambda: statuses(stack, name) == [])

        asyncio.run(go())
        assert sorted(done) == [0, 1, 2]

    def test_a_job_under_way_at_a_stop_is_given_back(
        self, stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What does not end in time is somebody else's."""
        monkeypatch.setattr(jobs, "_DRAIN_SECONDS", 0.05)
        begun: list[int] = []

        async def handler() -> None:
            begun.append(1)
            await asyncio.sleep(60)

        async def go() -> None:
            await defer(stack, name)
            async with worker(stack, (name, handler)):
                await until(lambda: len(begun) == 1)

        asyncio.run(go())
        assert statuses(stack, name) == ["todo"]

    def test_who_retires_ends_what_is_begun_and_begins_no_more(
        self, stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What comes afterwards is left for the next worker, though another one finds time to do three jobs."""
        monkeypatch.setattr(jobs, "_DRAIN_SECONDS", _SECONDS)
        begun: list[int] = []
        done: list[int] = []
        beside: list[int] = []

        async def another(number: int) -> None:
            beside.append(number)

        async def go() -> None:
            let = asyncio.Event()

            async def handler(number: int) -> None:
                begun.append(number)
                await let.wait()
                done.append(number)

            await defer(stack, name, number=1)
            async with worker(stack, (name, handler)) as working:
                await until(lambda: begun == [1])
                working.retire()
                await defer(stack, name, number=2)
                async with worker(stack, (f"{name}.beside", another)):
                    for number in range(3):
                        await defer(stack, f"{name}.beside", number=number)
                        await until(partial(beside.__contains__, number))
                let.set()
                await working.stop()
            assert (begun, done) == ([1], [1])

        asyncio.run(go())
        assert statuses(stack, name) == ["todo"]

    def test_what_pulls_leave_behind_sends_no_notification(self, stack: Stack, name: str) -> None:
        """NOTIFY takes a lock of the whole server at commit, so a quiet job waits for the next poll instead."""

        async def heard(make: Callable[..., Awaitable[None]]) -> int:
            async with (
                database(stack) as opened,
                await psycopg.AsyncConnection.connect(stack.app_database_url, autocommit=True) as listening,
            ):
                await listening.execute("LISTEN procrastinate_any_queue_v1")
                async with opened.transaction() as connection:
                    await make(connection, name)
                return len([one async for one in listening.notifies(timeout=0.3)])

        assert asyncio.run(heard(jobs.defer_quietly)) == 0
        assert asyncio.run(heard(jobs.defer)) >= 1
        assert statuses(stack, name) == ["todo", "todo"]

    def test_a_periodic_task_runs_once_for_two_workers(self, stack: Stack, name: str) -> None:
        """At its time, whoever is there."""
        done: list[float] = []

        async def handler() -> None:
            done.append(time.time() // 60)

        async def go() -> None:
            both = [Jobs(stack.app_database_url) for _ in range(2)]
            for one in both:
                one.every("* * * * *", name, handler)
                one.start()
            await until(lambda: len(done) >= 1)
            await until(lambda: statuses(stack, name) == [])
            for one in both:
                await one.stop()

        asyncio.run(go())
        assert len(done) == len(set(done))


def _hang(url: str, name: str, started: str) -> None:
    """A worker whose handler never ends."""

    async def handler(number: int) -> None:  # noqa: ARG001
        open(started, "w").close()  # noqa: ASYNC230, PTH123
        await asyncio.sleep(3600)

    async def go() -> None:
        working = Jobs(url, at_once=1)
        working.task(name, handler)
        working.start()
        await asyncio.sleep(3600)

    asyncio.run(go())


def test_waits_longer_each_time() -> None:
    """The pause grows up to its longest, and ends with the last attempt."""
    retry = Retry(attempts=5, first_seconds=1, factor=10, longest_seconds=50)
    assert [retry.wait(failed) for failed in range(1, 6)] == [1, 10, 50, 50, None]
