"""The client on the wire: pages, deadlines, hosts, what is left of the rate limit, what an unchanged answer costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from keyway_backend.clients.github import GitHub as Client
from keyway_backend.clients.github import (
    GitHubUnknown,
    InstallationTokens,
    PermissionMissing,
    StoredToken,
    TokenRejected,
)
from keyway_backend.clients.github.answers import Account, Installation, Person, ReachedRepository
from keyway_backend.clients.github.transport import Transport
from keyway_backend.platform.settings import load
from keyway_core.sensitive import Sensitive
from keyway_standalone.processes import Stack

from tests.oracle.stage import GitHub

Answer = TypeVar("Answer")


@pytest.fixture
def github(stack: Stack) -> GitHub:
    """The stand-in's world, its calls forgotten."""
    found = GitHub(stack)
    found.do("reset-calls")
    return found


def ask(stack: Stack, question: Callable[[Transport], Awaitable[Answer]], prefix: str = "") -> Answer:
    """The answer to a question of a transport of its own; `prefix` is that of an Enterprise Server."""

    async def go() -> Answer:
        transport = Transport(api=stack.github_url + prefix, web=stack.github_url)
        try:
            return await question(transport)
        finally:
            await transport.close()

    return asyncio.run(go())


def token_of(github: GitHub, login: str) -> str:
    """The header of a person's token."""
    return f"token {github.do('mint-token', login=login)['token']}"


class TestRefuses:
    """What is no answer."""

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "status", "status": 500},
            {"kind": "reset"},
            {"kind": "truncate"},
            {"kind": "not_json"},
            {"kind": "wrong_shape"},
            {"kind": "redirect"},
            {"kind": "rate_limit"},
            {"kind": "secondary_limit"},
        ],
        ids=lambda fault: str(fault["kind"]),
    )
    def test_a_fault_is_unknown(self, stack: Stack, github: GitHub, fault: dict[str, object]) -> None:
        """Never a person, and never nobody."""
        auth = token_of(github, github.user("faulty"))
        github.do("fault", pattern="GET /user", **fault)
        with pytest.raises(GitHubUnknown):
            ask(stack, lambda transport: transport.get("user", Person, auth=auth))
        github.do("clear-faults")

    def test_a_token_of_nobody(self, stack: Stack) -> None:
        """401 is about the token alone."""
        with pytest.raises(TokenRejected):
            ask(stack, lambda transport: transport.get("user", Person, auth="token ghu_nobody"))

    def test_a_permission_that_is_missing_is_named(self, stack: Stack, github: GitHub) -> None:
        """Configuration, not outage."""
        login = github.user("least")
        org, _ = github.org("least", login)
        github.do("install", login=org, permissions={"metadata": "read"})
        auth = token_of(github, login)
        with pytest.raises(PermissionMissing, match="members"):
            ask(
                stack,
                lambda transport: transport.get(
                    f"user/memberships/orgs/{org}", Account, auth=auth, needs="Organization / members"
                ),
            )

    def test_an_empty_purse_is_not_opened_again(self, stack: Stack, github: GitHub) -> None:
        """GitHub said until when: until then nothing is asked with that token, and others go on."""
        auth, other = (token_of(github, github.user("spender")) for _ in range(2))
        reset = str(int(time.time()) + 600)
        github.do("fault", kind="rate_limit", pattern="GET /user", headers={"x-ratelimit-reset": reset})

        async def go(transport: Transport) -> list[int]:
            waits = []
            for _ in range(3):
                with pytest.raises(GitHubUnknown) as told:
                    await transport.get("user", Person, auth=auth)
                waits.append(told.value.retry_after_seconds)
            assert await transport.get("user", Person, auth=other) is not None
            return waits

        assert all(500 < seconds <= 600 for seconds in ask(stack, go))
        assert github.calls().count("GET /user") == 2
        github.do("clear-faults")


class TestAsks:
    """What it asks, and how often."""

    @pytest.mark.parametrize("prefix", ["", "/api/v3"], ids=["github", "enterprise"])
    def test_every_page(self, stack: Stack, github: GitHub, prefix: str) -> None:
        """Two hundred and thirty repositories, in three calls; also below the prefix of an Enterprise Server."""
        login = github.user("many")
        names = {f"{login}/r{number}" for number in range(230)}
        for name in names:
            github.repo(name, {})
        made = github.do("install", login=login)
        auth = token_of(github, login)
        github.do("reset-calls")
        path = f"user/installations/{made['id']}/repositories"

        async def go(transport: Transport) -> tuple[set[str], int]:
            found = await transport.get_pages(path, ReachedRepository, auth=auth, within="repositories")
            shown = await transport.get_pages("user/installations", Installation, auth=auth, within="installations")
            assert found is not None
            assert shown is not None
            assert [one.id for one in shown] == [made["id"]]
            return {one.full_name for one in found}, len(found)

        assert ask(stack, go, prefix) == (names, 230)
        assert github.calls().count(f"GET /{path}") == 3

    def test_an_unchanged_answer_is_not_sent_again(self, stack: Stack, github: GitHub) -> None:
        """GitHub answers 304, which it does not count; another credential, or a change, gets an answer of its own."""
        login, other = github.user("same"), github.user("other")
        auth, theirs = token_of(github, login), token_of(github, other)

        async def go(transport: Transport) -> list[str]:
            seen = []
            for header in (auth, auth, theirs, auth):
                person = await transport.get("user", Person, auth=header)
                assert person is not None
                seen.append(person.login)
            github.do("rename-account", login=login, new=f"{login}-now")
            person = await transport.get("user", Person, auth=auth)
            assert person is not None
            return [*seen, person.login]

        assert ask(stack, go) == [login, login, other, login, f"{login}-now"]
        statuses = [call["status"] for call in stack.control.calls() if call["path"] == "/user"]
        assert statuses == [200, 304, 200, 304, 200]


class Kept:
    """A store of one token, which was made half an hour ago as far as it knows."""

    def __init__(self, token: str, minutes: int) -> None:
        self.kept = StoredToken(Sensitive(token), datetime.now(UTC) + timedelta(minutes=minutes))

    async def load(self, installation_id: int) -> StoredToken | None:  # noqa: ARG002
        """That token."""
        return self.kept

    async def save(self, installation_id: int, token: StoredToken) -> None:  # noqa: ARG002
        """The next one."""
        self.kept = token


@pytest.mark.parametrize("minutes", [30, 58], ids=["older", "new"])
def test_a_permission_that_was_granted_since_counts_at_once(stack: Stack, github: GitHub, minutes: int) -> None:
    """A token has the permissions of its making: one that may be older than the grant is replaced, a new one not."""
    login = github.user("granting")
    org, _ = github.org("granting", login)
    made = github.do("install", login=org, permissions={"metadata": "read"})
    given = stack.backend.command().environment

    async def go(transport: Transport) -> str:
        def tokens(store: Any) -> InstallationTokens:
            key = load(given).private_key_pem
            return InstallationTokens(transport, app_id=given["GITHUB_APP_ID"], private_key=key, store=store)

        class Nothing(Kept):
            async def load(self, installation_id: int) -> StoredToken | None:  # noqa: ARG002
                return None

        old = Nothing("", 0)
        assert await tokens(old).of(made["id"]) is not None
        github.do("install", login=org)
        store = Kept(old.kept.token.reveal(), minutes)
        client = Client(transport, tokens(store), client_id="", client_secret=Sensitive(""))
        membership = await client.membership(made["id"], org, login)
        return membership.role if membership is not None else ""

    if minutes == 30:
        assert ask(stack, go) == "admin"
    else:
        with pytest.raises(PermissionMissing):
            ask(stack, go)
