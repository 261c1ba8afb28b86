"""Background work that is never lost: jobs lie in Postgres and are made in the transaction that wants them.

`defer` is what features call. `Jobs` is the worker's side: it runs handlers, again and later when they fail. A job runs
at least once, so a handler must come to the same end when it runs twice, also at the same time as itself.

Arguments are ids and labels. A handler reads everything else from where it lies, as it is then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, LiteralString

import orjson
import procrastinate
import psycopg
from procrastinate.jobs import Job
from procrastinate.worker import Worker
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from keyway_backend.db.engine import Connection, run
from keyway_backend.platform import log, metrics

Handler = Callable[..., Awaitable[None]]

_ARGUMENT_BYTES: Final = 2_048
_NAME_CHARACTERS: Final = 40
_CREDENTIAL: Final = re.compile(r'"(kw_|kwci_|gh[opsur]_|github_pat_|eyJ|sk_|re_|whsec_)')
# Each kind of job has a queue of its own, so that a worker of an older version leaves alone what it does not know.
_DEFER: Final[LiteralString] = """
    SELECT procrastinate_defer_jobs_v1(array_agg(
        ROW(%(task)s, %(task)s, %(priority)s, NULL, NULL, one.arguments, NULL)::procrastinate_job_to_defer_v1))
    FROM jsonb_array_elements(%(each)s::jsonb) AS one (arguments)"""
# One statement, so that two workers which do it at once take different jobs. A job that was given back that often
# brought its workers down and is left as failed.
_RECLAIM: Final[LiteralString] = """
    UPDATE procrastinate_jobs AS j SET
        status = (CASE WHEN attempts < 25 THEN 'todo' ELSE 'failed' END)::procrastinate_job_status,
        attempts = attempts + 1, scheduled_at = NULL, worker_id = NULL, abort_requested = false
    WHERE j.status = 'doing' AND (
        j.worker_id IS NULL
        OR EXISTS (
            SELECT FROM procrastinate_workers AS w
            WHERE w.id = j.worker_id AND w.last_heartbeat < now() - make_interval(secs => %(stalled)s))
        OR (SELECT max(e.at) FROM procrastinate_events AS e WHERE e.job_id = j.id AND e.type = 'started')
            < now() - make_interval(secs => %(longest)s))"""
_LONGEST_SECONDS: Final = 600.0
_LANE_AT_ONCE: Final = 2
_DRAIN_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 2.0
_RESTART_SECONDS: Final = 1.0
_KEEP_FAILED_HOURS: Final = 30 * 24
_OPTIONS: Final = "-c statement_timeout=10000 -c lock_timeout=5000 -c timezone=UTC"

# What the database's list of connections calls the worker's, apart from those of requests.
_APPLICATION: Final = "keyway-jobs"

_log = log.logger("jobs")
# The library writes arguments and the text of exceptions into its lines; ours say what is needed.
logging.getLogger("procrastinate").setLevel(logging.CRITICAL + 1)


async def defer(connection: Connection, task: str, /, **arguments: Any) -> None:
    """Makes a job in the caller's transaction: it exists if, and only if, that commits. A worker is told at once."""
    await _defer(connection, task, [arguments], priority=0)


async def defer_quietly(connection: Connection, task: str, /, **arguments: Any) -> None:
    """The same, found at the next poll and sending no NOTIFY: for what every pull or push leaves behind."""
    await _defer(connection, task, [arguments], priority=-1)


async def defer_each(connection: Connection, task: str, every: Sequence[Mapping[str, Any]]) -> None:
    """Many jobs in one statement."""
    if every:
        await _defer(connection, task, every, priority=0)


async def _defer(connection: Connection, task: str, every: Sequence[Mapping[str, Any]], *, priority: int) -> None:
    texts = [_encoded(arguments) for arguments in every]
    await run(connection, _DEFER, task=task, priority=priority, each=f"[{','.join(texts)}]")


def _encoded(arguments: Mapping[str, Any]) -> str:
    """Raises TypeError for what is no JSON, Sensitive among it, and ValueError for what no job should carry."""
    text = orjson.dumps(arguments).decode()
    if len(text) > _ARGUMENT_BYTES or _CREDENTIAL.search(text):
        raise ValueError("the arguments of a job are ids and labels: no text of any length, no credential")
    return text


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a job is tried, and how long it waits in between: `first`, then `factor` times as long each time."""

    attempts: int = 10
    first_seconds: float = 2.0
    factor: float = 3.0
    longest_seconds: float = 3_600.0

    def wait(self, failed: int) -> float | None:
        """Seconds until the next attempt after so many that failed; None when that was the last."""
        if failed >= self.attempts:
            return None
        return min(self.first_seconds * self.factor ** (failed - 1), self.longest_seconds)


class JobFailed(Exception):
    """What the library sees of a handler's error: the sentence of an error may quote what it was about."""


class _Strategy(procrastinate.BaseRetryStrategy):
    def __init__(self, retry: Retry) -> None:
        self._retry = retry

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError):
            return procrastinate.RetryDecision(retry_in={"seconds": 0})
        wait = self._retry.wait(job.attempts + 1)
        return None if wait is None else procrastinate.RetryDecision(retry_in={"milliseconds": int(wait * 1000)})


@dataclass(frozen=True, slots=True)
class _Task:
    name: str
    handler: Handler
    retry: Retry
    cron: str | None = None
    lane: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError: Postgres cuts no name of a channel short, it refuses the job instead."""
        if len(self.name) > _NAME_CHARACTERS:
            raise ValueError(f"the name of a task is at most {_NAME_CHARACTERS} characters long")


class Jobs:
    """A worker: register tasks, then `start` it; `stop` it before what its handlers need is closed.

    Tasks that ask an outside service have a lane named after it, two jobs wide: while that service hangs, its own jobs
    wait for each other and no others for them.
    """

    def __init__(self, url: str, *, at_once: int = 4, stalled_seconds: float = 30.0) -> None:
        self._url = url
        self._at_once = at_once
        self._stalled_seconds = stalled_seconds
        self._tasks: list[_Task] = []
        self._workers: Sequence[Worker] = ()
        self._told = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    # what there is to do ---------------------------------------------------------------------------------------------

    def task(self, name: str, handler: Handler, retry: Retry = Retry(), *, lane: str = "") -> None:
        """Says who does jobs of a name. The handler gets the arguments of `defer` as keywords."""
        self._tasks.append(_Task(name, handler, retry, lane=lane))

    def every(
        self, cron: str, name: str, handler: Handler, retry: Retry = Retry(attempts=3), *, lane: str = ""
    ) -> None:
        """Runs a handler without arguments at the times of a cron line (UTC), once however many workers there are."""
        self._tasks.append(_Task(name, handler, retry, cron, lane))

    # life ------------------------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether jobs are being taken."""
        return bool(self._workers) and all(worker.worker_id is not None for worker in self._workers)

    def start(self) -> None:
        """Begins to take jobs."""
        self._running = asyncio.create_task(self._run(), name="jobs")

    def retire(self) -> None:
        """From now on none is taken; those under way have 5 seconds, and what is not done by then is given back.

        Returns at once: `stop` waits for them.
        """
        self._told.set()
        for worker in self._workers:
            worker.stop()  # type: ignore[no-untyped-call]

    async def stop(self) -> None:
        """Retires, and returns when that is done."""
        self.retire()
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        """A worker as long as nobody says stop: the library's own ends with the first word that the database misses."""
        while not self._told.is_set():
            try:
                await self._work()
            except Exception as error:  # noqa: BLE001  # house: broad-except without a worker every job would lie undone
                _log.warning("worker_interrupted", exc_info=error)
            self._workers = ()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _RESTART_SECONDS)

    async def _work(self) -> None:
        lanes = sorted({"", *(task.lane for task in self._tasks)})
        options = {"options": _OPTIONS, "connect_timeout": 3, "application_name": _APPLICATION}
        size = 1 + 2 * len(lanes)  # each listens on one
        pool = AsyncConnectionPool(self._url, min_size=1, max_size=size, timeout=5.0, open=False, kwargs=options)
        async with pool, AsyncExitStack() as opened:
            self._workers = [await self._new_worker(pool, lane, opened) for lane in lanes]
            if self._told.is_set():
                return
            reclaiming = asyncio.create_task(self._reclaim(pool), name="jobs-reclaim")
            try:
                await _together(self._workers)
            finally:
                reclaiming.cancel()
                await asyncio.wait([reclaiming])

    async def _new_worker(self, pool: AsyncConnectionPool[Any], lane: str, opened: AsyncExitStack) -> Worker:
        app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        await opened.enter_async_context(app.open_async(pool))
        tasks = [task for task in self._tasks if task.lane == lane]
        if not lane:
            tasks.append(_Task("jobs.purge", partial(_purge, app), Retry(attempts=3), "20 4 * * *"))
        for task in tasks:
            _register(app, task)
        return Worker(
            app,
            queues=[task.name for task in tasks],
            concurrency=_LANE_AT_ONCE if lane else self._at_once,
            fetch_job_polling_interval=_POLL_SECONDS,
            abort_job_polling_interval=60.0,
            shutdown_graceful_timeout=_DRAIN_SECONDS,
            delete_jobs="successful",
            install_signal_handlers=False,
            update_heartbeat_interval=self._stalled_seconds / 3,
            stalled_worker_timeout=self._stalled_seconds,
        )

    async def _reclaim(self, pool: AsyncConnectionPool[Any]) -> None:
        """Gives back, again and again, the jobs of workers that were killed."""
        while True:
            try:
                async with pool.connection() as connection:
                    values = {"stalled": self._stalled_seconds, "longest": _LONGEST_SECONDS * 1.5}
                    given_back = (await connection.execute(_RECLAIM, values)).rowcount
                if given_back:
                    _log.warning("jobs_given_back", count=given_back)
            except (psycopg.Error, PoolTimeout) as error:
                _log.warning("reclaim_failed", exc_info=error)
            await asyncio.sleep(self._stalled_seconds / 2)


async def _together(workers: Sequence[Worker]) -> None:
    """Until one of them ends; then the others do. Raises what ended it."""
    running = [asyncio.create_task(worker.run(), name="jobs-worker") for worker in workers]  # type: ignore[no-untyped-call]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for worker in workers:
            worker.stop()  # type: ignore[no-untyped-call]
        await asyncio.gather(*running)


def _register(app: procrastinate.App, task: _Task) -> None:
    async def guarded(**arguments: Any) -> None:
        await _attempt(task, arguments)

    registered = app.task(name=task.name, queue=task.name, retry=_Strategy(task.retry))(guarded)
    if task.cron is not None:
        app.periodic(cron=task.cron, periodic_id=task.name, lock=task.name)(registered)  # type: ignore[arg-type]


async def _purge(app: procrastinate.App) -> None:
    """Forgets jobs that failed for good a month ago."""
    await app.job_manager.delete_old_jobs(
        nb_hours=_KEEP_FAILED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )


async def _attempt(task: _Task, arguments: Mapping[str, Any]) -> None:
    """One attempt. What goes wrong is told by the kind of its error."""
    given = {} if task.cron is not None else arguments  # the library tells a task its time, which ours do not ask for
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            await task.handler(**given)
    except Exception as error:  # noqa: BLE001 - whatever it is, the job is tried again
        metrics.JOBS.labels(task.name, "failed").inc()
        _log.warning("job_failed", task=task.name, exc_info=error)
        raise JobFailed(type(error).__name__) from None
    metrics.JOBS.labels(task.name, "done").inc()
