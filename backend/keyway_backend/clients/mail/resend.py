"""Mail through Resend, by its own library, which is imported where it is configured and nowhere else."""

from __future__ import annotations

import asyncio

import resend
from resend.exceptions import ResendError
from resend.http_client_requests import RequestsClient

from keyway_backend.clients.mail import SECONDS, Mail, MailFailed
from keyway_backend.platform.aside import aside


class Resend:
    """An account there."""

    def __init__(self, url: str, api_key: str, *, sender: str) -> None:
        resend.api_url, resend.api_key = url.rstrip("/"), api_key
        resend.default_http_client = RequestsClient(timeout=int(SECONDS))
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Hands it over. Raises MailFailed."""
        params: resend.Emails.SendParams = {
            "from": self._sender,
            "to": [mail.to],
            "subject": mail.subject,
            "text": mail.text,
            "html": mail.html,
        }
        try:
            async with asyncio.timeout(SECONDS):
                await aside(lambda: resend.Emails.send(params))
        except (ResendError, OSError, ValueError) as error:
            raise MailFailed(type(error).__name__) from None
