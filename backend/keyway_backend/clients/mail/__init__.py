"""Mail: over SMTP or through Resend, off when neither is configured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

SECONDS = 10.0


class MailFailed(Exception):
    """It could not be handed over. The text is the kind of fault: never an address, never what was written."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to one person, as text and as HTML that says the same."""

    to: str
    subject: str
    text: str
    html: str


class Mailer(Protocol):
    """Somebody who takes mail."""

    async def send(self, mail: Mail) -> None:
        """Hands it over, within 10 seconds. Raises MailFailed."""
