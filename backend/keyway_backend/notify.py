"""What people are told by mail. `send` makes a job in the caller's transaction; a worker writes and posts the mail.

A field is a label: a repository, an address, a program's name. No value, no token and no secret's name has a field,
and everything that came from outside is escaped where it is put into HTML, a User-Agent as well.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from keyway_backend import jobs
from keyway_backend.clients.mail import Mail, Mailer
from keyway_backend.db.engine import Connection, Database, one

TASK: Final = "notify"
_FIELD_CHARACTERS: Final = 160
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_FIELD: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A mail with places for fields; a line whose field is missing is left out."""

    subject: str
    lines: tuple[str, ...]

    def fill(self, fields: Mapping[str, str]) -> tuple[str, str, str]:
        """Subject, text and HTML."""
        lines = [line for line in self.lines if all(name in fields for name in _FIELD.findall(line))]
        escaped = {name: html.escape(text) for name, text in fields.items()}
        paragraphs = "".join(f"<p>{_filled(html.escape(line), escaped)}</p>" for line in lines)
        text = "\n\n".join(_filled(line, fields) for line in lines)
        return _filled(self.subject, fields), text, f"<!doctype html><html><body>{paragraphs}</body></html>"


TEMPLATES: Final[Mapping[str, Template]] = {
    "welcome": Template(
        "Welcome to Keyway",
        (
            "Hello {login},",
            "you signed in to Keyway for the first time. Whoever can reach a repository on GitHub can reach its "
            "secrets here, and nobody else.",
            "Your vaults: {dashboard_url}",
        ),
    ),
    "security_alert": Template(
        "Keyway: something unusual happened with your account",
        (
            "Hello {login},",
            "secrets were read with your account in a way that we had not seen before: {type}.",
            "Repository: {repository}",
            "Address: {ip}",
            "Place: {location}",
            "Program: {user_agent}",
            "Time: {at}",
            "If this was not you, end your sessions and revoke your API keys: {dashboard_url}",
        ),
    ),
    "trial_started": Template(
        "Keyway: the trial of your organisation began",
        (
            "Hello {login},",
            "the trial of {organization} began.",
            "It ends on {ends_at}. Nothing is deleted then.",
            "Its settings: {dashboard_url}",
        ),
    ),
    "key_leaked": Template(
        "Keyway: one of your API keys was found in public and revoked",
        (
            "Hello {login},",
            "somebody found one of your API keys where others can read it, and told us. It was revoked at once.",
            "Name of the key: {key_name}",
            "Look at what it was used for, and rotate what it could read: {dashboard_url}",
        ),
    ),
}


async def send(connection: Connection, template: str, to_user_id: UUID, **fields: str | None) -> None:
    """Makes a job: the person gets the mail if the caller's transaction commits. Raises KeyError for no template."""
    known = {name for line in TEMPLATES[template].lines for name in _FIELD.findall(line)}
    kept = {name: _label(text) for name, text in fields.items() if text and name in known}
    await jobs.defer(connection, TASK, template=template, to=str(to_user_id), fields=kept)


class Notifications:
    """The worker's side. Without a mailer jobs end at once: mail is off."""

    def __init__(self, database: Database, mailer: Mailer | None, *, dashboard_url: str) -> None:
        self._database = database
        self._mailer = mailer
        self._dashboard_url = dashboard_url

    async def deliver(self, *, template: str, to: str, fields: Mapping[str, str]) -> None:
        """Does one job. Raises MailFailed, upon which it is tried again later."""
        if self._mailer is None:
            return
        async with self._database.read() as connection:
            person = await one(connection, "SELECT login, email FROM users WHERE id = %(id)s", id=UUID(to))
        if person is None or not person["email"]:
            return
        everything = {**fields, "login": _label(person["login"]), "dashboard_url": self._dashboard_url}
        subject, text, page = TEMPLATES[template].fill(everything)
        await self._mailer.send(Mail(person["email"], subject, text, page))


def _label(text: str) -> str:
    """One line, of bounded length."""
    return _CONTROL.sub(" ", str(text)).strip()[:_FIELD_CHARACTERS]


def _filled(line: str, fields: Mapping[str, str]) -> str:
    """In one pass, so that a field which holds braces is not filled again."""
    return _FIELD.sub(lambda found: fields[found[1]], line)
