"""Clients of services that are off while their variable is empty; each is imported only where it is on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, cast

from keyway_backend import VERSION
from keyway_backend.audit import Action, heard
from keyway_backend.clients.mail import Mailer
from keyway_backend.clients.mail.smtp import Smtp, Tls
from keyway_backend.platform import log
from keyway_backend.platform.settings import Settings

_PARTING_SECONDS: Final = 1.0

_log = log.logger("outside")


def told(settings: Settings, key: bytes, opened: AsyncExitStack) -> None:
    """Who hears of errors, and who counts, until `opened` is closed. `key` hides who people are."""
    partings: list[Callable[[], Awaitable[None]]] = []
    opened.push_async_callback(_part, partings)
    if dsn := settings.sentry_dsn.get_secret_value():
        from keyway_backend.clients.sentry import Sentry  # noqa: PLC0415 - only where it is configured

        sentry = Sentry(dsn, release=VERSION)
        log.report_to(sentry.report)
        partings.append(sentry.close)
        opened.callback(log.report_no_more, sentry.report)
    if project := settings.posthog_key.get_secret_value():
        from keyway_backend.clients.posthog import Counting  # noqa: PLC0415 - only where it is configured

        counting = Counting(project, settings.posthog_host, actions=list(Action), version=VERSION, key=key)
        heard.hear(counting.count)
        partings.append(counting.close)
        opened.callback(heard.forget, counting.count)


async def _part(partings: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Each has its second, and they are the same one. Whoever fails takes nothing from the others."""
    outcomes = await asyncio.gather(*(_in_time(part) for part in partings), return_exceptions=True)
    for error in outcomes:
        if error is not None and not isinstance(error, TimeoutError):
            _log.warning("parting_failed", kind=type(error).__name__)


async def _in_time(part: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(_PARTING_SECONDS):
        await part()


def mailer(settings: Settings) -> Mailer | None:
    """Who takes our mail; None when nobody does."""
    if api_key := settings.resend_api_key.get_secret_value():
        from keyway_backend.clients.mail.resend import Resend  # noqa: PLC0415 - only where it is configured

        return Resend(settings.resend_url, api_key, sender=settings.mail_from)
    if not settings.smtp_host:
        return None
    return Smtp(
        settings.smtp_host,
        settings.smtp_port,
        tls=cast(Tls, settings.smtp_tls),
        sender=settings.mail_from,
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value(),
    )
