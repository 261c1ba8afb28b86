"""When GitHub, crypto or the database do not answer, nobody gets in who would not have, and nobody is refused for it.

Every request of the hunt is cold: nothing is remembered of the installation, its token, or the role of the person. The
repository is public and the person was renamed, so that every call is made that a decision can need.
"""

from __future__ import annotations

import itertools
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from keyway_standalone.processes import Stack
from oracle import stage
from oracle.database import Database
from oracle.report import Record
from oracle.wire import Answer, Call, bearer, send
from stack import running_stack, sign_in

from tests.invariants.scene import until

SECONDS: Final = 6.0
UNDECIDED: Final = 503
MOST_CALLS: Final = 12
QUICK: Final[dict[str, dict[str, Any]]] = {
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503},
    "429": {"kind": "status", "status": 429, "headers": {"retry-after": "7"}},
    "primary limit": {"kind": "rate_limit"},
    "secondary limit": {"kind": "secondary_limit"},
    "truncated": {"kind": "truncate"},
    "a page": {"kind": "not_json"},
    "other JSON": {"kind": "wrong_shape"},
    "reset": {"kind": "reset"},
}
SUBTLE: Final = ("500", "truncated", "other JSON", "primary limit")
# What each route answers to each person when GitHub is well, and how many calls that takes.
Decided = dict[tuple[str, str], tuple[int, int]]
ROUTES: Final = ("pull", "view", "push", "vault", "vaults", "create", "installed", "ids")


def call_of(route: str, name: str, token: str) -> Call:
    """The request of a route for a repository."""
    who, (owner, repo) = (bearer(token),), name.split("/")
    return {
        "pull": Call("GET", f"/v1/secrets/pull?repo={name}&environment=development", who),
        "view": Call("GET", f"/v1/secrets/view?repo={name}&environment=development&key=KEPT", who),
        "push": Call(
            "POST",
            "/v1/secrets/push",
            who,
            {"repoFullName": name, "environment": "development", "secrets": {"KEPT": "1"}},
        ),
        "vault": Call("GET", f"/v1/vaults/{name}", who),
        "vaults": Call("GET", "/v1/vaults", who),
        "create": Call("POST", "/v1/vaults", who, {"repoFullName": name}),
        "installed": Call("POST", "/v1/github/check-installation", who, {"repoOwner": owner, "repoName": repo}),
        "ids": Call("GET", f"/v1/github/repo-ids?repo={name}", who),
    }[route]


@dataclass
class Ground:
    """A vault that can be made cold, somebody with a role on it, and somebody without."""

    home: stage.Home
    github: stage.GitHub
    installation: int
    database: Database
    writer: str
    stranger: str
    name: str = ""

    def cool(self) -> None:
        """Whatever the backend remembers of this repository and these people is of no use any more."""
        self.name = f"{self.home.full_name.split('/')[0]}/r{secrets.token_hex(4)}"
        self.github.do("rename-repo", repo=self.home.full_name, name=self.name.split("/")[1])
        self.home.full_name = self.name
        self.github.do("end-tokens", installation=self.installation)
        self.forget()

    def forget(self) -> None:
        """No role on this repository is remembered, as it is after a minute."""
        self.database.sql("DELETE FROM role_cache WHERE github_repo_id = %s", self.home.repo_id)

    def ask(self, route: str, token: str, fault: dict[str, Any] | None = None) -> tuple[Answer, int]:
        """A cold request while GitHub has this fault; the answer, and how many calls met the fault."""
        self.cool()
        if fault:
            self.github.do("fault", **fault)
        answer = send(self.home.base, call_of(route, self.name, token))
        return answer, sum(self.github.do("clear-faults")["met"])

    def calls(self, route: str, token: str) -> int:
        """How many calls a cold request makes."""
        self.cool()
        self.github.do("reset-calls")
        send(self.home.base, call_of(route, self.name, token))
        return len(self.github.calls())


def ground(stack: Stack) -> Ground:
    """A public repository with a vault, a renamed writer and a stranger."""
    github = stage.GitHub(stack)
    home = stage.home(stack, "hunt")
    assert home.push({"KEPT": "1"}, "development").status == 200
    github.do("set-visibility", repo=home.full_name, visibility="public")
    installation = github.do("install", login=home.full_name.split("/")[0])["id"]
    people = []
    for login in (home.login_with("admin"), github.user("stranger")):
        people.append(sign_in(stack, login))
        github.do("rename-account", login=login, new=f"{login}-now")
    return Ground(home, github, installation, Database(stack.superuser_database_url), *people)


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    """An installation whose GitHub, crypto and database may fail."""
    with running_stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def field(own_stack: Stack) -> Ground:
    """Where the hunt takes place."""
    return ground(own_stack)


@pytest.fixture(scope="module")
def decided(field: Ground) -> Decided:
    """What each route answers to each person when GitHub is well, and how many calls that takes."""
    found = {}
    for route, who in itertools.product(ROUTES, ("writer", "stranger")):
        token = getattr(field, who)
        found[route, who] = (field.ask(route, token)[0].status, field.calls(route, token))
    return found


def complaint(what: str, answer: Answer, met: int, well: int) -> str | None:
    """What is wrong with an answer that was given while GitHub failed: anything but 503, if a call met the fault."""
    if answer.seconds > SECONDS:
        return f"{what}: took {answer.seconds:.1f} s"
    expected = UNDECIDED if met else well
    if answer.status != expected:
        return f"{what}: {answer.status} instead of {expected} ({met} calls met the fault, {well} when GitHub is well)"
    if met and not answer.header("retry-after").isdecimal():
        return f"{what}: no Retry-After"
    return None


class TestGitHub:
    def test_decides_when_it_is_well(self, decided: Decided) -> None:
        """Control: without a fault the same cold requests are granted to the one and refused to the other."""
        statuses = {key: status for key, (status, _) in decided.items()}
        assert {statuses[route, "writer"] for route in ROUTES} == {200, 409}
        assert {statuses[route, "stranger"] for route in ("pull", "view", "push", "create")} == {403}
        assert statuses["vault", "stranger"] == 404
        assert all(calls >= 3 for (route, _), (_, calls) in decided.items() if route != "vaults")

    def hunt(
        self,
        field: Ground,
        decided: Decided,
        trials: Iterator[tuple[str, str, int, str]],
    ) -> tuple[list[str], int]:
        """Plays trials of (route, who, k, fault); the complaints, and how many trials met their fault.

        A job may make a call of its own meanwhile and meet the fault in the request's place: what it spoils a few times
        it does not spoil always, as a route would.
        """
        complaints, hits = [], 0
        for route, who, number, name in trials:
            well, _ = decided[route, who]
            for _ in range(5):
                answer, met = field.ask(route, getattr(field, who), QUICK[name] | {"call": number})
                told = complaint(f"{route} as {who}, call {number}: {name}", answer, met, well)
                if told is None:
                    break
            hits += bool(met)
            complaints.append(told)
        return [one for one in complaints if one], hits

    def test_failing_at_any_call_of_any_route(self, field: Ground, decided: Decided, record_property: Record) -> None:
        """Whichever call of whichever route fails, the answer is 503 to everybody."""
        trials = [
            (route, who, number, "500")
            for (route, who), (_, calls) in decided.items()
            for number in range(1, min(calls, MOST_CALLS) + 1)
        ]
        complaints, hits = self.hunt(field, decided, iter(trials))
        assert complaints == []
        assert hits >= 0.9 * len(trials)
        record_property("fail-open hunt, every call", f"{len(trials)} over {len(ROUTES)} routes, {hits} met, 0 grants")

    @pytest.mark.parametrize("who", ["writer", "stranger"])
    def test_failing_in_any_way(self, field: Ground, decided: Decided, who: str, record_property: Record) -> None:
        """Each call of a pull, failing in each way: never a grant, never a refusal that looks decided."""
        ways = QUICK if who == "writer" else SUBTLE
        calls = decided["pull", who][1]
        trials = [("pull", who, number, name) for number in range(1, calls + 1) for name in ways]
        complaints, hits = self.hunt(field, decided, iter(trials))
        assert complaints == []
        assert hits >= 0.9 * len(trials)
        record_property(f"fail-open hunt, every way, {who}", f"{len(trials)} pulls, {hits} met, 0 grants")

    def test_failing_for_good(self, field: Ground, decided: Decided) -> None:
        """While GitHub fails at everything, every route answers 503, and none tells foreign from missing."""
        for route, who in decided:
            answer, met = field.ask(route, getattr(field, who), {"kind": "status", "status": 503, "times": 0})
            assert complaint(f"{route} as {who}", answer, met, decided[route, who][0]) is None

    def test_sending_us_elsewhere(self, field: Ground, decided: Decided) -> None:
        """A redirect to another host is not followed: no call, and so no token, ever arrives there."""
        with listener() as (address, visits):
            fault = {"kind": "redirect", "location": f"{address}/steal"}
            for number in range(1, decided["pull", "writer"][1] + 1):
                answer, met = field.ask("pull", field.writer, fault | {"call": number})
                assert complaint(f"redirect at call {number}", answer, met, 200) is None
            assert visits == []
            send(address, Call("GET", "/control"))
            assert visits == ["GET /control HTTP/1.1"]

    def test_hanging(self, own_stack: Stack, decided: Decided) -> None:
        """Whichever call hangs, the answer is 503 within the deadline; the calls hang side by side."""
        grounds = [ground(own_stack) for _ in range(3)]
        github = grounds[0].github
        for one, path in zip(grounds, ("/installation", "", "/collaborators/*"), strict=True):
            one.cool()
            github.do("fault", kind="hang", pattern=f"* /repos/{one.name}{path}", times=0)
        with ThreadPoolExecutor(len(grounds)) as pool:
            answers = list(pool.map(lambda one: send(one.home.base, call_of("pull", one.name, one.writer)), grounds))
        github.do("clear-faults")
        well = decided["pull", "writer"][0]
        assert [complaint("hanging", answer, 1, well) for answer in answers] == [None] * len(grounds)

    def test_being_asked_again_recovers(self, field: Ground) -> None:
        """Nothing of an outage is remembered as a refusal: the next request after it is granted."""
        field.ask("pull", field.writer, {"kind": "status", "status": 500, "times": 0})
        assert send(field.home.base, call_of("pull", field.name, field.writer)).status == 200

    def test_a_missing_vault_tells_nothing_during_an_outage(self, field: Ground) -> None:
        """While GitHub fails a name of nothing and the name of a foreign vault answer alike."""
        owner = field.home.full_name.split("/")[0]
        field.cool()
        field.github.do("fault", kind="status", status=502, times=0)
        try:
            for route in ("pull", "push", "view", "vault", "create", "installed", "ids"):
                nothing = f"{owner}/n{secrets.token_hex(4)}"
                there = send(field.home.base, call_of(route, field.name, field.stranger))
                missing = send(field.home.base, call_of(route, nothing, field.stranger))
                assert there.comparable(field.name) == missing.comparable(nothing), route
        finally:
            field.github.do("clear-faults")


class TestWhatIsDecided:
    """Answers of GitHub that are no outage: they refuse, and do not say 503."""

    @pytest.fixture
    def org(self, field: Ground) -> Iterator[str]:
        """The organisation, whose installation is as it was afterwards."""
        login = field.home.full_name.split("/")[0]
        yield login
        field.installation = field.github.do("install", login=login)["id"]
        field.github.do("suspend", login=login, suspended=False)
        field.cool()
        assert send(field.home.base, call_of("pull", field.name, field.writer)).status == 200

    @pytest.mark.parametrize("who", ["writer", "stranger"])
    def test_a_missing_permission_is_named(self, field: Ground, org: str, who: str) -> None:
        """An App without the permission to ask about roles has wrong settings: 403 that names it, to everybody."""
        field.github.do("install", login=org, permissions={"members": "read"})
        answer, _ = field.ask("pull", getattr(field, who))
        assert (answer.status, "metadata: read" in answer.detail) == (403, True)

    @pytest.mark.parametrize("way", ["suspend", "uninstall"])
    def test_an_app_that_is_gone_lets_nobody_in(self, field: Ground, org: str, way: str) -> None:
        """Without the App all are refused at once, and only who made the vault reads that it is missing."""
        people = (field.writer, field.stranger, field.home.token)
        field.cool()
        assert [self.pull(field, token).status for token in people] == [200, 403, 200]
        field.github.do(way, login=org)
        field.forget()
        answers = [self.pull(field, token) for token in people]
        assert [answer.status for answer in answers] == [403, 403, 403]
        assert ["App" in answer.detail for answer in answers] == [False, False, True]

    def pull(self, field: Ground, token: str) -> Answer:
        """A pull under the name of now."""
        return send(field.home.base, call_of("pull", field.name, token))

    def test_a_removed_role_is_a_refusal(self, field: Ground) -> None:
        """Who was removed is refused as soon as GitHub is asked again, and let in again when it says so."""
        login = field.home.login_with("write")
        token = sign_in(field.home.stack, login)
        assert field.ask("pull", token)[0].status == 200
        field.github.do("set-role", repo=field.name, login=login, role=None)
        assert field.ask("pull", token)[0].status == 403


class TestSignIn:
    def poll(self, stack: Stack, fault: dict[str, Any]) -> tuple[Answer, int]:
        """The answer to a consenting person's poll while GitHub has this fault, and how many calls met it."""
        github = stage.GitHub(stack)
        started = send(stack.api_url, Call("POST", "/v1/auth/device/start", body={})).json()
        stack.control.approve_device(started["userCode"], github.user("newcomer"))
        github.do("fault", **fault)
        answer = send(stack.api_url, Call("POST", "/v1/auth/device/poll", body={"deviceCode": started["deviceCode"]}))
        return answer, sum(github.do("clear-faults")["met"])

    @pytest.mark.parametrize("call", ["POST /login/oauth/access_token", "POST /applications/*/token", "GET /user"])
    def test_gives_no_session_while_github_fails(self, own_stack: Stack, call: str) -> None:
        """Whichever call that proves who somebody is fails, and in whatever way: 503 and no session."""
        for name, fault in QUICK.items():
            answer, met = self.poll(own_stack, {**fault, "pattern": call})
            assert complaint(f"{call}: {name}", answer, met, 200) is None
            assert b"keywayToken" not in answer.body
            assert met

    def test_an_address_is_no_proof(self, own_stack: Stack) -> None:
        """Control: where only the mail address is not told, the person is proven all the same and signed in."""
        answer, met = self.poll(own_stack, {"kind": "status", "status": 500, "pattern": "GET /user/emails"})
        assert (answer.json()["status"], met) == ("approved", 1)

    def test_does_not_begin_while_github_fails(self, own_stack: Stack) -> None:
        """Without GitHub there is no code to show: 503."""
        github = stage.GitHub(own_stack)
        for fault in QUICK.values():
            github.do("fault", **fault)
            answer = send(own_stack.api_url, Call("POST", "/v1/auth/device/start", body={}))
            assert sum(github.do("clear-faults")["met"]) == 1
            assert answer.status == UNDECIDED, fault


class TestTheHunt:
    """Positive controls."""

    @pytest.mark.parametrize("status", [200, 401, 403, 404, 500])
    def test_sees_any_other_answer(self, status: int) -> None:
        """A grant, a refusal and a failure of ours are each seen where 503 is due."""
        assert complaint("planted", Answer(status, (("Retry-After", "5"),), b""), 1, status)

    def test_sees_what_comes_late_or_without_a_hint(self) -> None:
        """A 503 after the deadline, or without Retry-After, is seen as well."""
        assert complaint("planted", Answer(UNDECIDED, (("Retry-After", "5"),), b"", SECONDS + 1), 1, 200)
        assert complaint("planted", Answer(UNDECIDED, (), b""), 1, 200)


class TestCrypto:
    NEEDS: Final = ("pull", "view", "push")

    def ask(self, field: Ground) -> dict[str, Answer]:
        """Every route that needs crypto, and the two ends of a sign-in, at the same time."""
        calls = {route: call_of(route, field.home.full_name, field.home.token) for route in self.NEEDS}
        calls["start"] = Call("POST", "/v1/auth/device/start", body={})
        with ThreadPoolExecutor(len(calls)) as pool:
            return dict(zip(calls, pool.map(lambda call: send(field.home.base, call), calls.values()), strict=True))

    @pytest.mark.parametrize("way", ["killed", "stopped"])
    def test_down_is_503(self, own_stack: Stack, field: Ground, way: str) -> None:
        """With crypto dead, or alive and silent, what needs it answers 503 in time, never 401; then all works again."""
        assert {answer.status for answer in self.ask(field).values()} == {200}
        with out(own_stack.crypto, way):
            answers = self.ask(field)
        assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(answers, UNDECIDED)
        assert all(answer.header("retry-after").isdecimal() for answer in answers.values())
        assert max(answer.seconds for answer in answers.values()) <= SECONDS
        until(lambda: {answer.status for answer in self.ask(field).values()} == {200})


class TestDatabase:
    GUARDED: Final = (("GET", "/v1/users/me"), ("POST", "/v1/auth/token/validate"))

    def ask(self, field: Ground) -> dict[str, Answer]:
        """Every guarded route, as somebody who may."""
        calls = {route: call_of(route, field.home.full_name, field.home.token) for route in ROUTES}
        calls |= {path: Call(method, path, (bearer(field.home.token),)) for method, path in self.GUARDED}
        calls["start"] = Call("POST", "/v1/auth/device/start", body={})
        calls["poll"] = Call("POST", "/v1/auth/device/poll", body={"deviceCode": "0" * 64})
        with ThreadPoolExecutor(len(calls)) as pool:
            return dict(zip(calls, pool.map(lambda call: send(field.home.base, call), calls.values()), strict=True))

    @pytest.mark.parametrize("way", ["killed", "stopped"])
    def test_down_is_503(self, own_stack: Stack, field: Ground, way: str) -> None:
        """With the database dead, or silent, every guarded route answers 503, never 401; then all works again."""
        before = {name: answer.status for name, answer in self.ask(field).items()}
        assert set(before.values()) <= {200, 409}
        with out(own_stack.postgres, way):
            answers = self.ask(field)
        assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(answers, UNDECIDED)
        assert all(answer.header("retry-after").isdecimal() for answer in answers.values())
        assert max(answer.seconds for answer in answers.values()) <= 10
        until(lambda: {name: answer.status for name, answer in self.ask(field).items()} == before)

    def test_down_does_not_make_bad_credentials_good(self, own_stack: Stack, field: Ground) -> None:
        """A token whose signature is wrong needs no database to be refused."""
        with out(own_stack.postgres, "killed"):
            answer = send(field.home.base, call_of("pull", field.home.full_name, stage.tampered(field.home.token)))
        assert answer.status == 401


@contextmanager
def out(process: Any, way: str) -> Iterator[None]:
    """A process that is gone, or frozen, for a while."""
    begin, end = (process.kill, process.start) if way == "killed" else (process.suspend, process.resume)
    begin()
    try:
        yield
    finally:
        end()


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """Another host: its address, and the first line of whatever arrives there."""
    visits: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=_serve, args=(server, visits.append), daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", visits


def _serve(server: socket.socket, note: Callable[[str], None]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            note(connection.recv(65_536).decode("latin-1").split("\r\n")[0])
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
