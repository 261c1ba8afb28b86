"""Rate limits: who is counted against what, what a refusal looks like, and what happens when the shared counters go."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import redis
from fakeredis import TcpFakeServer
from keyway_backend.platform.address import networks
from keyway_backend.platform.errors import TooManyRequests
from keyway_backend.platform.limits import WINDOW_SECONDS, Limit, Limits, Memory, Plan, Shared, network_of, plan_of
from keyway_standalone.ports import free_port
from keyway_standalone.processes import Stack
from limits.aio.storage.redis.redispy import RedispyBridge
from oracle import stage
from oracle.policy import Policy
from oracle.wire import Answer, Call, bearer, send
from stack import running_stack, sign_in

FEW = Limit("few", 3)
_NUMBERS = itertools.count(1)


def address() -> str:
    """A loopback address that no other test counts requests from: theirs are below 127.251."""
    return f"127.254.0.{next(_NUMBERS)}"


def scope(peer: str = "203.0.113.7", *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """A request as the server hands it on."""
    return {"type": "http", "client": (peer, 1), "headers": list(headers), "query_string": b""}


async def count_of(limits: Limits, plan: Plan, *scopes: dict[str, Any]) -> list[bool]:
    """For each request whether it was admitted."""
    found = []
    for one in scopes:
        try:
            await limits.admit(one, plan)
            found.append(True)
        except TooManyRequests:
            found.append(False)
    return found


def asked(limits: Limits, plan: Plan, *scopes: dict[str, Any]) -> list[bool]:
    """The same, from outside of an event loop."""
    return asyncio.run(count_of(limits, plan, *scopes))


class TestWhoIsCounted:
    def test_an_address_gets_what_it_gets_and_others_do_not_feel_it(self) -> None:
        """The fourth of three is refused, and the neighbour's first is not."""
        limits = Limits(Memory(), per_address=3)
        plan = Plan("/x", public=True)
        assert asked(limits, plan, *[scope()] * 4, scope("203.0.113.8")) == [True, True, True, False, True]

    def test_of_ipv6_the_network_is_counted(self) -> None:
        """A customer has 2^64 addresses and one bucket."""
        assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") != network_of("2001:db8:1:3::1")
        assert network_of("203.0.113.7") == "203.0.113.7"

    def test_a_header_of_a_stranger_makes_no_new_bucket(self) -> None:
        """X-Forwarded-For counts from trusted proxies only."""
        limits = Limits(Memory(), trusted_proxies=networks(["10.0.0.1"]), per_address=1)
        plan, spoofed = Plan("/x", public=True), [(b"x-forwarded-for", b"1.2.3.%d" % n) for n in range(2)]
        assert asked(limits, plan, *(scope("203.0.113.7", line) for line in spoofed)) == [True, False]
        assert asked(limits, plan, *(scope("10.0.0.1", line) for line in spoofed)) == [True, True]

    def test_a_credential_has_its_own_on_guarded_routes_and_none_on_public_ones(self) -> None:
        """Two credentials behind one address do not share; where nobody looks at a credential, none is counted."""
        limits = Limits(Memory(), per_address=1, per_credential=2)
        one, other = ((b"authorization", b"Bearer " + name) for name in (b"a", b"b"))
        guarded = [scope("203.0.113.7", header) for header in (one, other, one, other, one)]
        assert asked(limits, Plan("/x"), *guarded) == [True, True, True, True, False]
        assert asked(limits, Plan("/y", public=True), scope("203.0.113.7", one)) == [True]
        assert asked(limits, Plan("/y", public=True), scope("203.0.113.7", other)) == [False]

    def test_a_credential_is_one_however_it_is_sent(self) -> None:
        """Neither the scheme's letters nor spaces nor a second cookie make a new bucket: value routes stay at 10."""
        token = b"a.b.c"
        headers = [
            (b"authorization", b"Bearer " + token),
            (b"authorization", b"bEARER   " + token + b" "),
            (b"cookie", b"__Host-keyway_session=" + token),
            (b"cookie", b"keyway_session=1; __Host-keyway_session=" + token),
            (b"cookie", b"__Host-keyway_session=" + token + b"; keyway_session=2"),
        ]
        found = asked(Limits(Memory(), per_credential=1), Plan("/x"), *(scope("203.0.113.7", one) for one in headers))
        assert found == [True, False, False, False, False]

    def test_memory_stays_bounded(self) -> None:
        """However many addresses a flood invents, and the one that is used all the time is not forgotten."""

        async def flood() -> tuple[int, int]:
            memory = Memory(most=100)
            for number in range(1_000):
                await memory.incr(f"address/{number}", WINDOW_SECONDS)
                kept = await memory.incr("failed/one", WINDOW_SECONDS)
            return len(memory._windows), kept

        assert asyncio.run(flood()) == (100, 1_000)


class TestThePolicy:
    def test_every_figure_is_the_policys(self) -> None:
        """The limits of each route are those of policy.yaml."""
        rate = Policy.load().document["limits"]["rate"]
        vault = "/v1/vaults/{owner}/{repo}"
        figures = {
            ("POST", "/v1/auth/device/verify"): rate["device_verify_per_address"],
            ("GET", "/v1/auth/device/verify"): rate["device_verify_per_address"],
            ("POST", "/v1/auth/oidc/github"): rate["oidc_exchange_per_address"],
            ("POST", "/v1/auth/session/exchange"): rate["session_exchange_per_address"],
            ("POST", "/v1/api-keys/leak-reports"): rate["leak_report_per_address"],
            ("POST", "/v1/auth/device/start"): rate["device_start"]["per_address"],
        }
        for (method, path), figure in figures.items():
            plan = plan_of([method], path, public=True)
            assert plan is not None
            assert [limit.amount for limit in plan.by_address] == [figure], path
        start = plan_of(["POST"], "/v1/auth/device/start", public=True)
        assert start is not None
        assert [limit.amount for limit in start.all_together] == [rate["device_start"]["whole_instance"]]
        for method, path, name in [
            ("GET", f"{vault}/secrets/{{secretId}}/value", "value_routes"),
            ("GET", f"{vault}/secrets/{{secretId}}/versions/{{versionId}}/value", "value_routes"),
            ("GET", f"{vault}/compare", "digests_and_compare"),
            ("POST", f"{vault}/environments/{{name}}/digests", "digests_and_compare"),
        ]:
            plan = plan_of([method], path, public=False)
            assert plan is not None
            assert plan.by_credential is not None
            assert plan.by_credential.amount == rate[name]

    def test_every_route_with_a_limit_of_its_own_is_one_of_the_policy(self) -> None:
        """A path that is written wrongly here would limit nothing."""
        from keyway_backend.platform import limits  # noqa: PLC0415 - its tables

        known = set(Policy.load().routes)
        assert {*limits._BY_ADDRESS, *limits._BY_CREDENTIAL, *limits._ALL_TOGETHER, limits._POLL} <= known
        assert known >= limits._EXEMPT

    def test_what_is_exempt_is_never_limited(self) -> None:
        """Health and the two webhooks have no plan."""
        for entry in Policy.load().document["limits"]["rate"]["exempt"][:3]:
            method, path = entry.split()
            assert plan_of([method], path, public=True) is None
        assert plan_of(["POST"], "/v1/github/webhook", public=True) is None
        assert plan_of(["POST"], "/v1/billing/webhook", public=True) is None


def until_refused(stack: Stack, call: Call, most: int, *, source: str | None = None) -> list[Answer]:
    """The same request until it is refused, at most so many times."""
    answers: list[Answer] = []
    while len(answers) < most and not (answers and answers[-1].status == 429):
        answers.append(send(stack.api_url, call, source=source))
    return answers


def assert_refused(answer: Answer, limit: int) -> None:
    """A refusal of the promised shape."""
    body = answer.json()
    assert answer.status == body["status"] == 429
    assert (body["title"], body["type"].rsplit("/", 1)[1]) == ("Too Many Requests", "rate-limited")
    assert 1 <= int(answer.header("retry-after")) <= WINDOW_SECONDS
    assert answer.header("ratelimit-limit") == str(limit)
    assert answer.header("ratelimit-remaining") == "0"
    assert answer.header("ratelimit-reset") == answer.header("retry-after")


class TestOnTheWire:
    def test_every_answer_says_what_is_left(self, stack: Stack, tokens: dict[str, str]) -> None:
        """Also one of 200: limit, remaining and the seconds until the window ends."""
        answer = send(stack.api_url, Call("GET", "/v1/users/me", (bearer(tokens["founder"]),)))
        assert answer.status == 200
        assert answer.header("ratelimit-limit") == "600"
        assert 0 <= int(answer.header("ratelimit-remaining")) < 600
        assert 1 <= int(answer.header("ratelimit-reset")) <= WINDOW_SECONDS

    def test_device_starts_of_one_address(self, stack: Stack) -> None:
        """Ten a minute, the eleventh is 429; polling is not touched by it, and neither is another address."""
        here = address()
        call = Call("POST", "/v1/auth/device/start", (), {})
        answers = until_refused(stack, call, 30, source=here)
        assert [answer.status for answer in answers[:10]] == [200] * 10
        assert_refused(answers[10], 10)
        poll = Call("POST", "/v1/auth/device/poll", (), {"deviceCode": answers[0].json()["deviceCode"]})
        assert send(stack.api_url, poll, source=here).status == 200
        assert send(stack.api_url, call).status == 200

    def test_health_is_never_refused(self, stack: Stack) -> None:
        """More requests than any limit of an address, and no header that speaks of one."""
        here = address()
        answers = [send(stack.api_url, Call("HEAD", "/v1/health"), source=here) for _ in range(310)]
        assert {answer.status for answer in answers} == {200}
        assert answers[0].header("ratelimit-limit") == ""

    def test_failed_credentials_lock_out_guesses_and_nobody_else(self, stack: Stack) -> None:
        """Ten refusals a minute, then 429; a good credential of that address goes on, and so do anonymous calls."""
        here, token = address(), sign_in(stack, stage.GitHub(stack).user("neighbour"))
        me = "/v1/users/me"
        guesses = [Call("GET", me, (bearer(f"guess-{number}"),)) for number in range(30)]
        statuses = []
        for guess in guesses:
            statuses.append(send(stack.api_url, guess, source=here))
            if statuses[-1].status == 429:
                break
        assert [answer.status for answer in statuses] == [401] * 10 + [429]
        assert_refused(statuses[-1], 10)
        assert send(stack.api_url, Call("GET", me, (bearer(token),)), source=here).status == 200
        assert send(stack.api_url, Call("GET", me), source=here).status == 401
        assert send(stack.api_url, guesses[0]).status == 401, "another address"

    def test_questions_about_installations_of_one_person(self, stack: Stack) -> None:
        """Sixty a minute with all credentials of a person together; the next is 429, another person's is not."""
        github, most = stage.GitHub(stack), Policy.load().document["limits"]["rate"]["check_installation_per_person"]
        person, other = github.user("asks"), github.user("asks-too")
        mine = [sign_in(stack, person) for _ in range(2)]
        path = "/v1/github/check-installation"
        calls = [Call("POST", path, (bearer(mine[number % 2]),), {}) for number in range(most + 1)]
        answers = [send(stack.api_url, call) for call in calls]
        assert [answer.status for answer in answers] == [400] * most + [429]
        assert_refused(answers[-1], most)
        assert send(stack.api_url, Call("POST", path, (bearer(sign_in(stack, other)),), {})).status == 400

    def test_a_refusal_comes_before_the_credential_is_looked_at(self, stack: Stack) -> None:
        """Order of policy.yaml: unknown paths stay 404, and over the limit a worthless credential is 429, not 401."""
        here = address()
        until_refused(stack, Call("GET", "/v1/auth/device/verify"), 20, source=here)
        refused = send(stack.api_url, Call("POST", "/v1/auth/device/verify"), source=here)
        assert_refused(refused, 5)
        assert send(stack.api_url, Call("GET", "/v1/nothing"), source=here).status == 404
        assert send(stack.api_url, Call("PUT", "/v1/auth/device/verify"), source=here).status == 405


@contextmanager
def shared_server(port: int) -> Iterator[TcpFakeServer]:
    """A server that speaks the Redis protocol, Lua included, on this port: fakeredis, over TCP.

    It hangs up after every error, which Redis does not, so that the library's script is loaded before it is missed.
    """
    server = TcpFakeServer(("127.0.0.1", port))
    server.daemon_threads = True
    thread = threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True)
    thread.start()
    try:
        with redis.Redis(port=port) as client:
            client.script_load(RedispyBridge.SCRIPT_INCR_EXPIRE)
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class TestSharedCounters:
    def test_two_replicas_count_together(self) -> None:
        """Of two processes' limiters each admits what the other left, exactly."""
        port = free_port()

        async def replicas() -> list[bool]:
            counters = [Shared(f"redis://127.0.0.1:{port}/0") for _ in range(2)]
            both = [Limits(one, per_address=7) for one in counters]
            found = []
            for number in range(10):
                found += await count_of(both[number % 2], Plan("/x", public=True), scope())
            for one in counters:
                await one.close()
            return found

        with shared_server(port):
            assert asyncio.run(replicas()) == [True] * 7 + [False] * 3

    @pytest.mark.parametrize("url", ["redis://127.0.0.1:{}/0", "valkey://127.0.0.1:{}/0"])
    def test_without_the_server_each_counts_alone_and_nobody_is_refused_for_it(self, url: str) -> None:
        """Nothing listens there: requests are counted in memory, within the limits."""

        async def alone() -> list[bool]:
            counters = Shared(url.format(free_port()))
            found = await count_of(Limits(counters, per_address=3), Plan("/x", public=True), *[scope()] * 5)
            await counters.close()
            return found

        assert asyncio.run(alone()) == [True] * 3 + [False] * 2

    def test_a_backend_whose_server_goes_away_goes_on(self) -> None:
        """With REDIS_URL the counters are in that server; when it ends, answers go on, and the log says so."""
        port = free_port()
        with running_stack(backend_env={"REDIS_URL": f"redis://127.0.0.1:{port}/0"}) as stack:
            call = Call("GET", "/v1/users/me")
            with shared_server(port):
                here = address()
                first = send(stack.api_url, call, source=here)
                assert (first.status, first.header("ratelimit-remaining")) == (401, "299")
            later = send(stack.api_url, call, source=here)
            assert (later.status, later.header("ratelimit-limit")) == (401, "300")
            assert "shared_counters_away" in (stack.log_dir / "backend.log").read_text()
