"""Optional services that are there, that hang, that are slow, and that are gone: nobody who wants something else waits
for them, and whoever wants them is told in the end.

Whether somebody waited is told by structure: the answer is there, and the service's door still holds the connection, or
will, and nobody gave one up before.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from keyway_backend import notify
from keyway_backend.db.engine import Database
from keyway_backend.platform import limits
from keyway_backend.platform.limits import Shared
from oracle.stage import SECRETS_JSON, GitHub, Home
from oracle.wire import Answer
from stack import sign_in

from tests.backend.optional.everything import POSTHOG_KEY, RESEND_KEY, Everything, eventually
from tests.backend.webhooks.github_post import Post
from tests.standins import ipinfo
from tests.standins.door import Door, Way
from tests.standins.providers import TOKEN
from tests.standins.stripe import price_id

_NUMBERS: Final = itertools.count(1)
AWAY: Final[tuple[Way, ...]] = ("silent", "slow", "closed")
MAILS: Final = 12


@dataclass
class Life:
    """What people do who want nothing of a service; each gets its answer."""

    on: Everything
    home: Home
    connections: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, *more: tuple[str, str]) -> Answer:
        """A request of the vault's administrator."""
        return self.on.ask(method, path, self.home.token, body, *more)

    def pushes(self) -> None:
        """Counted by PostHog."""
        assert self.home.push({"PUSHED": str(next(_NUMBERS))}, "development").status == 200

    def reads(self) -> None:
        """From a new place, which ipinfo would know."""
        path = f"/v1/secrets/pull?repo={self.home.full_name}&environment=development"
        address = f"8.8.{next(_NUMBERS)}.{next(_NUMBERS) % 250}"
        more = (("Accept", SECRETS_JSON), ("X-Forwarded-For", address))
        assert self.ask("GET", path, None, *more).status == 200

    def signs_in(self) -> None:
        """For the first time, so that there is a welcome."""
        sign_in(self.on.stack, GitHub(self.on.stack).user("fresh"))

    def errs(self) -> None:
        """Into an error of ours, of which Sentry hears."""
        with broken(self.on):
            assert self.ask("GET", "/v1/integrations/netlify/authorize").status == 503

    def is_counted(self) -> None:
        """Against its limit, after the one request that finds out that the counters are away."""
        assert self.ask("GET", "/v1/users/me").status == 200

    def sells(self) -> None:
        """What was bought is known here."""
        assert self.ask("GET", "/v1/billing/subscription").json()["data"]["plan"] == "free"
        org = self.home.full_name.partition("/")[0]
        assert self.ask("GET", f"/v1/orgs/{org}").json()["data"]["plan"] == "business"

    def lists(self) -> None:
        """Vaults with their syncs, and connections."""
        assert self.ask("GET", f"/v1/vaults/{self.home.full_name}").json()["data"]["syncs"]
        assert self.ask("GET", "/v1/integrations/connections").json()["data"]["connections"]


@contextmanager
def broken(on: Everything) -> Iterator[None]:
    """One table refuses rows."""
    with psycopg.connect(on.stack.superuser_database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE provider_states ADD CONSTRAINT planted CHECK (false) NOT VALID")
        try:
            yield
        finally:
            connection.execute("ALTER TABLE provider_states DROP CONSTRAINT planted")


@pytest.fixture(scope="module")
def life(all_on: Everything) -> Life:
    """A vault that is linked with all three providers."""
    made = Life(all_on, all_on.home("hangs"))
    made.pushes()
    assert made.ask("POST", "/v1/integrations/railway/connect", {"token": TOKEN}).status == 200
    found = made.ask("GET", "/v1/integrations/connections").json()["data"]["connections"]
    made.connections = {one["provider"]: one["id"] for one in found}
    link = {"connectionId": made.connections["railway"], "projectId": "rp", "serviceId": "svc"}
    assert made.ask("POST", f"/v1/integrations/vaults/{made.home.full_name}/sync/link", link).status == 200
    return made


class TestThere:
    """Each stand-in sees the calls that it should."""

    def test_posthog_counts(self, life: Life) -> None:
        """In the background, with the project's key."""
        life.pushes()
        eventually(lambda: "secrets_pushed" in {event["event"] for event in life.on.counted()})
        assert POSTHOG_KEY.encode() in life.on.posthog.asked[-1].raw

    def test_sentry_hears(self, life: Life) -> None:
        """Of an error, and where."""
        life.errs()
        eventually(
            lambda: "/v1/integrations/{provider}/authorize" in {e["tags"].get("route") for e in life.on.reported()}
        )

    def test_resend_posts_a_welcome(self, life: Life) -> None:
        """Once, to whoever signed in for the first time."""
        before = len(life.on.mails())
        life.signs_in()
        eventually(lambda: len(life.on.mails()) > before)
        assert life.on.mails()[-1]["subject"] == "Welcome to Keyway"
        assert life.on.resend.asked[-1].headers["authorization"] == f"Bearer {RESEND_KEY}"

    def test_ipinfo_is_asked(self, life: Life) -> None:
        """About an address, with its token."""
        before = len(life.on.ipinfo.asked)
        life.reads()
        eventually(lambda: len(life.on.ipinfo.asked) > before)
        assert life.on.ipinfo.asked[-1].path.startswith("/8.8.")
        assert life.on.ipinfo.asked[-1].headers["authorization"] == f"Bearer {ipinfo.TOKEN}"

    def test_the_others_answer(self, life: Life) -> None:
        """Stripe sells, providers show what they have, and the counters are shared."""
        assert {purpose(life, name).status for name in PURPOSES} == {200}
        assert life.on.stripe.calls
        assert life.on.there.web.calls()


# Who wants something that a service would hear of, by service. Stripe and providers hear of nothing but what people
# want of them, so that with them it is everything else that goes on.
LIVES: Final[dict[str, Callable[[Life], None]]] = {
    "posthog": Life.pushes,
    "resend": Life.signs_in,
    "ipinfo": Life.reads,
    "sentry": Life.errs,
    "redis": Life.is_counted,
    "stripe": Life.sells,
    "providers": Life.lists,
}
ASKED_ABOUT: Final = ("posthog", "resend", "ipinfo", "sentry")


def cells() -> Iterator[Any]:
    """Every service in every way. ipinfo is left alone for a while after it failed, so that it takes a new process."""
    for service, way in itertools.product(LIVES, AWAY):
        long = service == "ipinfo" and way != "silent"
        yield pytest.param(service, way, marks=[pytest.mark.prove] if long else [])


@pytest.mark.parametrize(("service", "way"), list(cells()))
def test_nobody_waits(life: Life, service: str, way: Way) -> None:
    """The answer is there; the service was asked, and has not answered yet."""
    door = life.on.doors[service]
    if service == "ipinfo" and way != "silent":
        life.on.stack.backend.restart()
    door.be(way)
    if service == "redis":
        life.is_counted()  # who finds out that it is away
    before = door.given_up
    LIVES[service](life)
    assert door.given_up == before, "somebody waited until they gave up"
    if service in ASKED_ABOUT and way != "closed":
        eventually(lambda: door.held or door.given_up)


PURPOSES: Final = {
    "prices": ("stripe", 503),
    "checkout": ("stripe", 503),
    "connect": ("providers", 503),
    "projects": ("providers", 503),
    "all projects": ("providers", 200),
    "status": ("providers", 503),
    "diff": ("providers", 503),
    "preview": ("providers", 503),
    "sync": ("providers", 200),
}


def purpose(life: Life, name: str) -> Answer:
    """A request whose very purpose is to talk to a service."""
    at, id_ = f"/v1/integrations/vaults/{life.home.full_name}/sync", life.connections["railway"]
    query = f"connectionId={id_}&projectId=rp&serviceId=svc"
    back = f"{life.on.stack.dashboard_url}/upgrade"
    order = {"priceId": price_id("pro"), "successUrl": back, "cancelUrl": back}
    body = {"connectionId": id_, "projectId": "rp", "serviceId": "svc", "keywayEnvironment": "development",
            "providerEnvironment": "production"}  # fmt: skip
    method, path, sent = {
        "prices": ("GET", "/v1/billing/prices", None),
        "checkout": ("POST", "/v1/billing/create-checkout-session", order),
        "connect": ("POST", "/v1/integrations/railway/connect", {"token": TOKEN}),
        "projects": ("GET", f"/v1/integrations/connections/{id_}/projects", None),
        "all projects": ("GET", "/v1/integrations/providers/railway/all-projects", None),
        "status": ("GET", f"{at}/status?{query}", None),
        "diff": ("GET", f"{at}/diff?{query}", None),
        "preview": ("GET", f"{at}/preview?{query}&keywayEnvironment=development", None),
        "sync": ("POST", at, body),
    }[name]
    return life.ask(method, path, sent)


@contextmanager
def told_in_the_end(life: Life, way: Way) -> Iterator[None]:
    """Those who want the service: 503 with Retry-After, or an answer that says so. Where it is silent they wait for it
    as long as the block goes on with something else.
    """
    for service in ("stripe", "providers"):
        life.on.doors[service].be(way)
    with ThreadPoolExecutor(len(PURPOSES)) as pool:
        waiting = {name: pool.submit(purpose, life, name) for name in PURPOSES if name != "prices"}
        if way == "silent":
            eventually(lambda: life.on.doors["stripe"].held and life.on.doors["providers"].held >= 5)
            life.pushes()
            life.sells()
            life.lists()
            assert not any(future.done() for name, future in waiting.items() if name != "checkout")
        yield
        answers = {name: future.result() for name, future in waiting.items()}
    assert {name: answer.status for name, answer in answers.items()} == {name: PURPOSES[name][1] for name in waiting}
    assert all(answer.header("retry-after") for answer in answers.values() if answer.status == 503)
    assert answers["all projects"].json()["data"]["projects"] == []
    assert answers["sync"].json()["data"]["success"] is False


def test_who_wants_the_service_is_told_in_the_end(life: Life) -> None:
    """At once when nobody listens; `TestJobs` has those who wait."""
    with told_in_the_end(life, "closed"):
        pass


def queue_mails(life: Life) -> None:
    """As many as would fill every place for jobs several times."""

    async def send() -> None:
        database = Database(life.on.stack.app_database_url, size=2)
        await database.open()
        try:
            async with database.transaction() as connection:
                for _ in range(MAILS):
                    await notify.send(connection, "key_leaked", person, key_name="deploy")
        finally:
            await database.close()

    with psycopg.connect(life.on.stack.superuser_database_url) as connection:
        row = connection.execute(
            "UPDATE users SET email = 'somebody@example.org' WHERE login = %s RETURNING id", (life.home.admin,)
        ).fetchone()
    assert row is not None
    person: UUID = row[0]
    asyncio.run(send())


def unapplied(life: Life) -> int:
    """Deliveries of GitHub's that wait for their job."""
    with psycopg.connect(life.on.stack.superuser_database_url) as connection:
        row = connection.execute("SELECT count(*) FROM webhook_deliveries WHERE applied_at IS NULL").fetchone()
    assert row is not None
    return int(row[0])


def hanging(life: Life, mail: Door) -> None:
    """Mail hangs and everything else does: other jobs go on, and the process ends when it is told to. Who waits for
    Stripe or a provider is answered as ever, before it ends.
    """
    doors = [life.on.doors[name] for name in ("posthog", "sentry", "ipinfo", "redis")]
    for door in (*doors, mail):
        door.be("silent")
    with told_in_the_end(life, "silent"):
        for live in (Life.pushes, Life.errs, Life.reads):
            live(life)
        queue_mails(life)
        eventually(lambda: mail.held)
        payload = {"action": "created", "installation": {"id": 1, "account": {"id": life.home.owner_id}}}
        stack = life.on.stack
        assert Post(stack.api_url, stack.instance.webhook_secret)("installation", payload).status < 300
        eventually(lambda: unapplied(life) == 0)
        assert mail.given_up < MAILS // 2, "the delivery waited until mail had given up"
        eventually(lambda: mail.held and doors[0].held)
        stack.backend.stop()
        assert stack.backend.exit_code == 0


class TestJobs:
    """A service that hangs has its own places for jobs."""

    def test_what_hangs_stops_no_other_job_and_no_shutdown(self, life: Life) -> None:
        """With mail over Resend."""
        try:
            hanging(life, life.on.doors["resend"])
        finally:
            life.on.stack.backend.start()

    @pytest.mark.prove
    def test_nor_does_it_over_smtp(self, life: Life) -> None:
        """With mail over SMTP; a person who signs in does not wait for it either."""
        backend, door = life.on.stack.backend, life.on.doors["smtp"]
        try:
            backend.restart(life.on.smtp())
            before = len(life.on.mail.taken)
            life.signs_in()
            eventually(lambda: len(life.on.mail.taken) > before)
            for way in AWAY:
                door.be(way)
                life.signs_in()
                assert door.given_up == 0
            hanging(life, door)
        finally:
            backend.restart({"SMTP_HOST": None, **life.on.environment()})


class TestCounters:
    def test_nobody_asks_for_a_server_that_did_not_answer(self, all_on: Everything, monkeypatch: Any) -> None:
        """Once it is away, a request is counted without waiting for anything, also when it is time to look again."""
        monkeypatch.setattr(limits, "_AWAY_SECONDS", 0.01)
        door = all_on.doors["redis"]

        async def counted() -> int:
            shared = Shared(f"redis://127.0.0.1:{door.port}/0")
            await shared.open()
            for _ in range(20):
                await asyncio.sleep(0.02)
                with pytest.raises(StopIteration):
                    shared.incr("key", 60).send(None)
            door.be("open")
            async with asyncio.timeout(30):
                while shared.away:  # noqa: ASYNC110 - it has no event for tests
                    await asyncio.sleep(0.02)
            there = await shared.incr("key", 60)
            await shared.close()
            return there

        door.be("silent")
        assert asyncio.run(counted()) == 1
