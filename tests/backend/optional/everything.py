"""An installation with every optional service on, each behind a door that tests can turn."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from fakeredis import TcpFakeServer
from keyway_standalone.ports import free_port
from keyway_standalone.processes import Stack
from limits.aio.storage.redis.redispy import RedispyBridge
from oracle.stage import GitHub, Home, create_vault
from oracle.wire import Answer, Call, Header, bearer, send
from stack import running_stack, sign_in

from tests.standins import ipinfo
from tests.standins.door import Door, door_to
from tests.standins.mailbox import MailServer, taking_mail
from tests.standins.providers import Providers, providers
from tests.standins.stripe import KEY, SECRET, Stripe, running_stripe
from tests.standins.web import Asked, Standin, serving

DEADLINE_SECONDS: Final = 60.0
POSTHOG_KEY: Final = "phc_project_key_of_a_test"
RESEND_KEY: Final = "re_key_of_a_test"


@dataclass
class Everything:
    """The installation, its doors by service, and what stands behind them."""

    stripe: Stripe
    there: Providers
    world: ipinfo.World
    ipinfo: Standin
    posthog: Standin
    sentry: Standin
    resend: Standin
    mail: MailServer
    doors: dict[str, Door] = field(default_factory=dict)
    running: Stack | None = None

    @property
    def stack(self) -> Stack:
        """The processes."""
        assert self.running is not None
        return self.running

    def environment(self) -> dict[str, str | None]:
        """The backend's variables, with mail over Resend."""
        at = {name: door.url for name, door in self.doors.items()}
        return {
            **self.there.environment(),
            **dict.fromkeys(("VERCEL_API_URL", "VERCEL_URL", "NETLIFY_API_URL", "NETLIFY_URL"), at["providers"]),
            "RAILWAY_API_URL": f"{at['providers']}/graphql",
            "BILLING_ENABLED": "true",
            "STRIPE_SECRET_KEY": KEY,
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": at["stripe"],
            "MAIL_FROM": "keyway@example.org",
            "RESEND_API_KEY": RESEND_KEY,
            "RESEND_URL": at["resend"],
            "POSTHOG_KEY": POSTHOG_KEY,
            "POSTHOG_HOST": at["posthog"],
            "SENTRY_DSN": at["sentry"].replace("://", "://publickey@") + "/1",
            "IPINFO_TOKEN": ipinfo.TOKEN,
            "IPINFO_URL": at["ipinfo"],
            "TRUSTED_PROXIES": "127.0.0.0/8",
            "REDIS_URL": f"redis://127.0.0.1:{self.doors['redis'].port}/0",
        }

    def smtp(self) -> dict[str, str | None]:
        """What changes when mail goes over SMTP."""
        port = str(self.doors["smtp"].port)
        return {"RESEND_API_KEY": None, "SMTP_HOST": "127.0.0.1", "SMTP_PORT": port, "SMTP_TLS": "none"}

    def ask(self, method: str, path: str, token: str | None = None, body: Any = None, *more: Header) -> Answer:
        """A request."""
        headers: tuple[Header, ...] = (bearer(token), *more) if token else more
        return send(self.stack.api_url, Call(method, path, headers, body))

    def home(self, stem: str) -> Home:
        """A vault on a private repository of an organisation that pays for it."""
        github = GitHub(self.stack)
        admin = github.user("boss")
        org, number = github.org(stem, admin)
        github.do("install", login=org)
        token = sign_in(self.stack, admin)
        assert self.ask("POST", "/v1/orgs/connect", token, {"orgLogin": org}).status == 200
        bought = self.stripe.put({"keyway_org_id": str(number)}, "business", "active")
        payload = self.stripe.event("customer.subscription.updated", bought)
        headers = (("Content-Type", "application/json"), ("Stripe-Signature", self.stripe.sign(payload)))
        paid = send(self.stack.api_url, Call("POST", "/v1/billing/webhook", headers, form=payload))
        assert paid.status == 200, paid.body
        full_name = f"{org}/app-of-{stem}"
        repo_id = github.repo(full_name, {admin: "admin"})
        vault_id = create_vault(self.stack, token, full_name)
        return Home(self.stack, full_name, repo_id, number, admin, token, vault_id)

    def counted(self) -> list[dict[str, Any]]:
        """The events that PostHog was given."""
        return [event for one in self.posthog.asked for event in json.loads(plain(one))["batch"]]

    def reported(self) -> list[dict[str, Any]]:
        """The events that Sentry was given."""
        found = []
        for one in self.sentry.asked:
            lines = plain(one).splitlines()
            found += [
                json.loads(body) for head, body in zip(lines[1::2], lines[2::2], strict=False) if b"event" in head
            ]
        return found

    def mails(self) -> list[dict[str, Any]]:
        """What Resend was given."""
        return [one.json() for one in self.resend.asked if one.path == "/emails"]


def plain(asked: Asked) -> bytes:
    """A body as it was before it was compressed."""
    return gzip.decompress(asked.raw) if asked.headers.get("content-encoding") == "gzip" else asked.raw


def eventually(holds: Callable[[], Any]) -> None:
    """Until it holds; it must in the end."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


@contextmanager
def counters() -> Iterator[int]:
    """The port of something that speaks the protocol of Redis."""
    port = free_port()
    server = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with redis.Redis(port=port) as client:  # it hangs up where Redis says that it does not know a script
        client.script_load(RedispyBridge.SCRIPT_INCR_EXPIRE)
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def everything() -> Iterator[Everything]:
    """All of it, until the block ends."""
    world = ipinfo.World({"8.8.8.1": {"country": "FR", "city": "Paris", "loc": "48.8,2.3"}})
    with ExitStack() as opened:
        enter = opened.enter_context
        made = Everything(
            enter(running_stripe()),
            enter(providers()),
            world,
            enter(ipinfo.running(world)),
            enter(serving(lambda _: (200, {"status": 1}))),
            enter(serving(lambda _: (200, {}))),
            enter(serving(lambda _: (200, {"id": "sent"}))),
            enter(taking_mail()),
        )
        ports = {
            "stripe": urlsplit(made.stripe.url).port,
            "providers": urlsplit(made.there.web.url).port,
            "ipinfo": urlsplit(made.ipinfo.url).port,
            "posthog": urlsplit(made.posthog.url).port,
            "sentry": urlsplit(made.sentry.url).port,
            "resend": urlsplit(made.resend.url).port,
            "smtp": made.mail.port,
            "redis": enter(counters()),
        }
        made.doors = {name: enter(door_to(port or 0)) for name, port in ports.items()}
        made.running = enter(running_stack(backend_env=made.environment()))
        yield made
