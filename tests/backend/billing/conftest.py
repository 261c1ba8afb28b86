"""A stack of its own with billing on, and the Stripe that it talks to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from keyway_standalone.processes import Stack
from stack import running_stack, sign_in

from tests.oracle.stage import GitHub
from tests.oracle.wire import Answer, Call, bearer, send
from tests.standins.stripe import KEY, SECRET, Stripe, running_stripe


@dataclass
class Shop:
    """An installation that sells plans."""

    stack: Stack
    stripe: Stripe

    @property
    def github(self) -> GitHub:
        """GitHub's side."""
        return GitHub(self.stack)

    @property
    def back(self) -> str:
        """An address that a browser may come back to."""
        return f"{self.stack.dashboard_url}/upgrade"

    def ask(self, method: str, path: str, token: str | None = None, body: Any = None) -> Answer:
        """A request."""
        headers = (bearer(token),) if token else ()
        return send(self.stack.api_url, Call(method, path, headers, body))

    def deliver(self, payload: bytes, signature: str | None = None) -> Answer:
        """A delivery of Stripe's; signed, unless a signature is given."""
        signed = self.stripe.sign(payload) if signature is None else signature
        headers = (("Content-Type", "application/json"), ("Stripe-Signature", signed))
        return send(self.stack.api_url, Call("POST", "/v1/billing/webhook", headers, form=payload))

    def person(self, stem: str) -> tuple[str, str, int]:
        """Somebody new: login, session, number."""
        login = self.github.user(stem)
        number = next(one["id"] for one in self.github_users() if one["login"] == login)
        self.github.do("install", login=login)
        return login, sign_in(self.stack, login), number

    def github_users(self) -> list[dict[str, Any]]:
        """Everybody on GitHub's side."""
        return list(self.stack.control.world()["users"].values())

    def team(self, stem: str) -> tuple[str, str, int]:
        """A connected organisation: its login, its owner's session, its number."""
        owner = self.github.user("boss")
        login, number = self.github.org(stem, owner)
        self.github.do("install", login=login)
        token = sign_in(self.stack, owner)
        answer = self.ask("POST", "/v1/orgs/connect", token, {"orgLogin": login})
        assert answer.status == 200, answer.body
        return login, token, number


def until(true: Callable[[], bool], what: str) -> None:
    """Waits for what somebody else does."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    """Billing on."""
    with running_stripe() as stripe:
        on = {
            "BILLING_ENABLED": "true",
            "STRIPE_SECRET_KEY": KEY,
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": stripe.url,
        }
        with running_stack(backend_env=on) as running:
            yield Shop(running, stripe)


@pytest.fixture(autouse=True)
def up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stripe answers again when a test is over."""
    yield
    if "shop" in request.fixturenames:
        request.getfixturevalue("shop").stripe.be_up()
