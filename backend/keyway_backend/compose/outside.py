"""Clients of services that are off while their variable is empty; each is imported only where it is on."""

from __future__ import annotations

from typing import cast

from keyway_backend.clients.mail import Mailer
from keyway_backend.clients.mail.smtp import Smtp, Tls
from keyway_backend.platform.settings import Settings


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
