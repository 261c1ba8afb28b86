"""Mail: what is written, how it gets out, and what a dead server does to those who wait."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from keyway_backend import jobs, notify
from keyway_backend.clients.mail import Mail, MailFailed
from keyway_backend.clients.mail.resend import Resend
from keyway_backend.clients.mail.smtp import Smtp
from keyway_backend.db.engine import Database
from keyway_backend.notify import TEMPLATES, Notifications
from keyway_standalone.processes import Stack
from oracle import stage
from stack import running_stack, sign_in

from tests.standins.mailbox import taking_mail
from tests.standins.web import serving

HOSTILE = {
    "type": "new_device",
    "repository": "acme/app",
    "ip": "203.0.113.7",
    "location": "<img src=x onerror=alert(1)>",
    "user_agent": '"><script>alert(1)</script>{login}',
    "at": "2026-01-01T00:00:00.000Z",
}
MAIL = Mail("person@example.org", "A subject", "Text.", "<p>Text.</p>")


def filled(template: str, fields: dict[str, str]) -> tuple[str, str, str]:
    """A template with these fields and the two that every mail has."""
    return TEMPLATES[template].fill({"login": "ada", "dashboard_url": "https://app.example.org", **fields})


class TestWhatIsWritten:
    def test_everything_from_outside_is_escaped(self) -> None:
        """A User-Agent is data in the HTML, also one that looks like a place for a field."""
        _, text, page = filled("security_alert", HOSTILE)
        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{login}" in page
        assert "{login}" in text

    def test_a_missing_field_takes_its_line_along(self) -> None:
        """What is not known is not mentioned."""
        _, text, page = filled("security_alert", {"type": "new_device", "repository": "acme/app"})
        assert "Place:" not in text
        assert "Place:" not in page
        assert "acme/app" in text

    @pytest.mark.parametrize("template", sorted(TEMPLATES))
    def test_every_template_says_the_same_in_both_forms(self, template: str) -> None:
        """No field is left open, and the address of the dashboard is in both."""
        fields = {**HOSTILE, "organization": "acme", "ends_at": "soon", "key_name": "deploy"}
        subject, text, page = filled(template, fields)
        assert subject.startswith(("Keyway", "Welcome to Keyway"))
        assert "https://app.example.org" in text
        assert "https://app.example.org" in page

    def test_a_field_that_no_template_has_goes_nowhere(self) -> None:
        """A value, a token or a secret's name has no field."""
        assert "hunter2" not in "".join(
            filled("key_leaked", {"value": "hunter2", "token": "hunter2", "key": "hunter2"})
        )


class TestSmtp:
    def test_a_message_arrives(self) -> None:
        """Sender, recipient, subject, and both forms."""
        with taking_mail() as server:
            sender = Smtp("127.0.0.1", server.port, tls="none", sender="Keyway <keyway@example.org>")
            asyncio.run(sender.send(MAIL))
        [(recipient, message)] = server.taken
        assert (recipient, message["Subject"], message["From"]) == (
            "person@example.org", "A subject", "Keyway <keyway@example.org>",
        )  # fmt: skip
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]

    @pytest.mark.parametrize("to", ["a@example.org\r\nBcc: b@example.org", "a@example.org\nX: y"])
    def test_an_address_with_a_line_break_is_no_header(self, to: str) -> None:
        """It fails before anything is sent."""
        with taking_mail() as server:
            sender = Smtp("127.0.0.1", server.port, tls="none", sender="keyway@example.org")
            with pytest.raises(MailFailed):
                asyncio.run(sender.send(Mail(to, "s", "t", "h")))
        assert server.taken == []

    def test_a_dead_server_is_a_failure_that_names_no_address(self) -> None:
        """Nothing listens there."""
        with taking_mail() as server:
            port = server.port
        with pytest.raises(MailFailed) as failed:
            asyncio.run(Smtp("127.0.0.1", port, tls="none", sender="keyway@example.org").send(MAIL))
        assert "person" not in str(failed.value)


class TestResend:
    def test_its_library_posts_one_message(self) -> None:
        """To /emails, with the key in the header and nothing else of ours."""
        with serving(lambda _: (200, {"id": str(uuid4())})) as standin:
            asyncio.run(Resend(standin.url, "re_key", sender="keyway@example.org").send(MAIL))
        [asked] = standin.asked
        assert (asked.method, asked.path, asked.headers["authorization"]) == ("POST", "/emails", "Bearer re_key")
        assert asked.json() == {
            "from": "keyway@example.org", "to": ["person@example.org"], "subject": "A subject",
            "text": "Text.", "html": "<p>Text.</p>",
        }  # fmt: skip

    @pytest.mark.parametrize("answer", [(500, {"message": "no"}), (422, {"message": "no", "name": "x"}), (200, b"??")])
    def test_every_refusal_is_a_failure(self, answer: tuple[int, Any]) -> None:
        """Upon which the job is tried again."""
        with serving(lambda _: answer) as standin, pytest.raises(MailFailed):
            asyncio.run(Resend(standin.url, "re_key", sender="keyway@example.org").send(MAIL))


def user_of(stack: Stack, login: str, address: str | None) -> UUID:
    """A signed-in person's id, with this mail address."""
    sign_in(stack, login)
    with psycopg.connect(stack.superuser_database_url) as connection:
        row = connection.execute(
            "UPDATE users SET email = %s WHERE login = %s RETURNING id", (address, login)
        ).fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


async def told(stack: Stack, template: str, to: UUID, **fields: str) -> None:
    """A notification, as a feature sends it."""
    database = Database(stack.app_database_url, size=2)
    await database.open()
    try:
        async with database.transaction() as connection:
            await notify.send(connection, template, to, **fields)
    finally:
        await database.close()


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not condition():
        time.sleep(0.05)
    return condition()


class TestTheJob:
    def test_a_person_gets_the_mail_and_one_without_an_address_gets_none(self) -> None:
        """Made in a transaction, posted by the worker of the backend; the welcome comes with the first sign-in."""
        with taking_mail() as server:
            mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(server.port), "SMTP_TLS": "none", "MAIL_FROM": "k@e.org"}
            with running_stack(backend_env=mail) as stack:
                github = stage.GitHub(stack)
                silent = user_of(stack, github.user("silent"), None)
                person = user_of(stack, github.user("told"), "told@example.org")
                asyncio.run(told(stack, "key_leaked", silent, key_name="deploy"))
                asyncio.run(told(stack, "security_alert", person, **HOSTILE))
                alerts = lambda: [m for to, m in server.taken if to == "told@example.org" and "unusual" in m["Subject"]]  # noqa: E731
                assert eventually(lambda: len(alerts()) == 1)
                assert not any("revoked" in message["Subject"] for _, message in server.taken)

    def test_a_job_carries_no_credential(self, stack: Stack) -> None:
        """A field that looks like one is refused where it is sent, and nothing is queued."""
        with pytest.raises(ValueError, match="no credential"):
            asyncio.run(told(stack, "key_leaked", uuid4(), key_name=f"kw_live_{'a' * 40}"))

    def test_without_a_mailer_a_job_ends_at_once(self, stack: Stack) -> None:
        """Mail is off when nothing is configured: the job is done, and nobody is asked."""

        async def deliver() -> None:
            notifications = Notifications(Database(stack.app_database_url, size=2), None, dashboard_url="")
            await notifications.deliver(template="welcome", to=str(uuid4()), fields={})

        asyncio.run(deliver())

    def test_arguments_are_labels_of_bounded_length(self) -> None:
        """Line breaks and what is too long are cut before they are queued."""
        assert "\n" not in notify._label("a\r\nBcc: b")
        assert len(notify._label("x" * 5_000)) == 160
        assert len(jobs._encoded({"fields": json.loads(json.dumps(HOSTILE))})) < 2_048
