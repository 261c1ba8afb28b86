"""The second composition root: which handler does which background job, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keyway_backend import notify
from keyway_backend.app import Services
from keyway_backend.features.organizations.service import ROSTER_JOB
from keyway_backend.features.webhooks.service import APPLY as APPLY_DELIVERY
from keyway_backend.health import Check, CheckFailed
from keyway_backend.jobs import Jobs
from keyway_backend.platform.settings import Settings


@asynccontextmanager
async def working(settings: Settings, running: Services) -> AsyncIterator[Jobs]:
    """Does background jobs until the block ends. What it is doing then is done, or given back."""
    jobs = Jobs(
        settings.database_url.get_secret_value(),
        at_once=settings.worker_jobs_at_once,
        stalled_seconds=settings.worker_stalled_seconds,
    )
    register(jobs, running)
    running.health.watch("jobs", alive(jobs))
    jobs.start()
    try:
        yield jobs
    finally:
        await jobs.stop()


def register(jobs: Jobs, running: Services) -> None:
    """Every task, one line each: `jobs.task(name, handler)`, `jobs.every(cron line in UTC, name, handler)`."""
    jobs.task(APPLY_DELIVERY, running.webhooks.apply)
    jobs.every("40 3 * * *", "webhooks.purge", running.webhooks.purge)
    jobs.task(ROSTER_JOB, running.organizations.refresh_roster)
    running.commerce.register(jobs)
    jobs.task(notify.TASK, running.notifications.deliver, lane="mail")
    jobs.every("41 * * * *", "forget_old_sign_ins", running.sign_ins.forget_old)
    jobs.every("23 * * * *", "forget_old_ci_tokens", running.workflows.purge)
    jobs.every("47 * * * *", "forget_old_device_logins", running.accounts.forget_old)
    jobs.every("17 3 * * *", "purge_old_values", running.retention.purge_old)
    running.insight.register(jobs)
    jobs.every("27 3 * * *", "purge_deleted_environments", running.vaults.purge_deleted)


def alive(jobs: Jobs) -> Check:
    """Background jobs are taken."""

    async def check() -> None:
        if not jobs.alive:
            raise CheckFailed("the worker of background jobs has no database")

    return check
