"""Mail over SMTP, by the standard library, in a thread: a slow server keeps nobody waiting."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Literal

from keyway_backend.clients.mail import SECONDS, Mail, MailFailed
from keyway_backend.platform.aside import aside

Tls = Literal["starttls", "tls", "none"]


class Smtp:
    """A server that takes our mail."""

    def __init__(self, host: str, port: int, *, tls: Tls, sender: str, username: str = "", password: str = "") -> None:
        self._host, self._port, self._tls = host, port, tls
        self._sender = sender
        self._username, self._password = username, password

    async def send(self, mail: Mail) -> None:
        """Hands it over. Raises MailFailed."""
        try:
            message = self._message(mail)
            async with asyncio.timeout(SECONDS):
                await aside(lambda: self._send(message))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise MailFailed(type(error).__name__) from None

    def _message(self, mail: Mail) -> EmailMessage:
        """Raises ValueError for an address or a subject that holds a line break."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="keyway")
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message

    def _send(self, message: EmailMessage) -> None:
        with self._connected() as server:
            if self._tls == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self._username:
                server.login(self._username, self._password)
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        if self._tls == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, timeout=SECONDS, context=context)
        return smtplib.SMTP(self._host, self._port, timeout=SECONDS)
