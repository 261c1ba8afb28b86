"""People who lose their access, and how long each of their credentials is still let in on each replica."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import jwt
from github_post import Post, until
from keyway_standalone.processes import Stack
from stack import sign_in

from tests.oracle import keys, stage
from tests.oracle.stage import GitHub
from tests.oracle.wire import Call, bearer, send

_AT_ONCE: Final = 8
_PAUSE: Final = 0.02
_LONGEST: Final = 70.0


@dataclass(frozen=True)
class Leaver:
    """Somebody with a role on one repository, and every kind of credential."""

    login: str
    github_id: int
    full_name: str
    repo_id: int
    org_id: int
    credentials: dict[str, str]

    def pull(self, kind: str, url: str) -> int:
        """What a pull answers."""
        path = f"/v1/secrets/pull?repo={self.full_name}&environment=development"
        return send(url, Call("GET", path, (bearer(self.credentials[kind]),)), timeout=30).status

    def everywhere(self, urls: Sequence[str]) -> set[int]:
        """What pulls with each credential on each replica answer."""
        return {self.pull(kind, url) for kind in self.credentials for url in urls}

    def removal(self) -> dict[str, Any]:
        """What GitHub tells of it."""
        return {
            "action": "removed",
            "member": {"id": self.github_id, "login": self.login},
            "repository": {"id": self.repo_id, "full_name": self.full_name},
            "organization": {"id": self.org_id},
            "sender": {"id": 1, "login": "somebody"},
        }


@dataclass(frozen=True)
class Company:
    """An organisation with the App, and whoever administers it."""

    stack: Stack
    github: GitHub
    org: str
    org_id: int
    session: str

    @classmethod
    def founded(cls, stack: Stack) -> Company:
        """A new one."""
        github = GitHub(stack)
        admin = github.user("admin")
        org, org_id = github.org("leaving", admin)
        github.do("install", login=org)
        return cls(stack, github, org, org_id, sign_in(stack, admin))

    def hire(self, number: int) -> Leaver:
        """Somebody with a repository, a vault with a value in it, and four credentials."""
        login, name = self.github.user("leaver"), f"{self.org}/app-{number}"
        repo_id = self.github.repo(name, {login: "write"})
        self.github.do("set-member", org=self.org, login=login, role="member")
        admin = self.session
        stage.create_vault(self.stack, admin, name)
        assert stage.push(self.stack, admin, name, "development", {"KEPT": "1"}).status == 200
        session = sign_in(self.stack, login)
        credentials = {
            "session": session,
            "api key": keys.give(self.stack, session).token,
            "token of a workflow": self._workflow(name, login),
            "token of GitHub": str(self.github.do("mint-token", login=login, kind="ghp")["token"]),
        }
        github_id = int(jwt.decode(session, options={"verify_signature": False})["forgeUserId"])
        return Leaver(login, github_id, name, repo_id, self.org_id, credentials)

    def hire_many(self, count: int) -> list[Leaver]:
        """So many."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self.hire, range(count)))

    def _workflow(self, name: str, login: str) -> str:
        """What a run that this person started exchanged its token for."""
        token = self.github.do("oidc-token", repo=name, login=login, claims={"aud": self.stack.api_url})["token"]
        body = {"token": token, "environment": "development"}
        answer = send(self.stack.api_url, Call("POST", "/v1/auth/oidc/github", (), body))
        assert answer.status == 200, answer.body
        return str(answer.json()["data"]["token"])


@dataclass
class Attempts:
    """Pulls of one credential on one replica, one after the other, from before the removal to after the refusal."""

    leaver: Leaver
    kind: str
    url: str
    arrived: threading.Event
    arrival: float = 0.0
    let_in: float = 0.0
    value_left: float = 0.0
    refused: int = 0

    def go_on(self) -> None:
        """Until three that began after the arrival were refused, none of them let in again."""
        while self.refused < 3:
            began, after = time.monotonic(), self.arrived.is_set()
            if self.leaver.pull(self.kind, self.url) == 200:
                self.let_in, self.value_left = began, time.monotonic()
                assert not self.refused, f"{self.kind}: let in again"
                assert not after or began < self.arrival + _LONGEST, f"{self.kind}: let in for ever"
            else:
                self.refused += after
            time.sleep(_PAUSE)


@dataclass
class Removal:
    """One trial: how it went."""

    leaver: Leaver
    arrived: threading.Event
    attempts: list[Attempts]
    arrival: float = 0.0
    answered: float = 0.0

    def arrives(self) -> None:
        """The delivery is about to be sent."""
        self.arrival = time.monotonic()
        for one in self.attempts:
            one.arrival = self.arrival
        self.arrived.set()

    @property
    def let_in_after(self) -> float:
        """How long after the delivery arrived the last request began that was let in; 0 when none was."""
        return max(0.0, *(one.let_in - self.arrival for one in self.attempts))

    @property
    def value_after(self) -> float:
        """How long after it the last value left."""
        return max(0.0, *(one.value_left - self.arrival for one in self.attempts))


@contextmanager
def attempting(leaver: Leaver, urls: Sequence[str]) -> Iterator[Removal]:
    """While each credential pulls on each replica. In the end all have been refused."""
    arrived = threading.Event()
    every = [Attempts(leaver, kind, url, arrived) for kind in leaver.credentials for url in urls]
    removal = Removal(leaver, arrived, every)
    with ThreadPoolExecutor(len(every)) as pool:
        going = [pool.submit(one.go_on) for one in every]
        try:
            yield removal
        finally:
            if not arrived.is_set():
                removal.arrives()
        for one in going:
            one.result()


def remove(github: GitHub, post: Post, removal: Removal) -> None:
    """The person is taken out; then GitHub tells it."""
    leaver = removal.leaver
    github.do("set-role", repo=leaver.full_name, login=leaver.login, role=None)
    removal.arrives()
    assert post("member", leaver.removal()).status == 200
    removal.answered = time.monotonic() - removal.arrival


def trial(github: GitHub, post: Post, urls: Sequence[str], leaver: Leaver) -> Removal:
    """Somebody whose roles are remembered everywhere is removed."""
    assert leaver.everywhere(urls) == {200}
    with attempting(leaver, urls) as removal:
        remove(github, post, removal)
    return removal


def trials_with_look_ups_under_way(
    github: GitHub, post: Post, urls: Sequence[str], leavers: Sequence[Leaver]
) -> list[Removal]:
    """The same while every replica waits for an answer that GitHub gave before, which takes nearly the five seconds
    that a request has for GitHub."""
    for leaver in leavers:
        assert leaver.everywhere(urls) == {200}
        github.do("set-role", repo=leaver.full_name, login=leaver.login, role="write", webhook=True)
        asked = f"GET */collaborators/{leaver.login}/permission"
        github.do("fault", kind="stale", pattern=asked, seconds=2.4, times=len(urls))
        github.do("fault", kind="delay", pattern=f"GET /repos/{leaver.full_name}", seconds=2.0, times=len(urls))
    github.do("reset-calls")
    with ThreadPoolExecutor(len(leavers)) as pool:
        removals = list(pool.map(partial(_under_way, github, post, urls), leavers))
    github.do("clear-faults")
    return removals


def _under_way(github: GitHub, post: Post, urls: Sequence[str], leaver: Leaver) -> Removal:
    asked = f"/collaborators/{leaver.login}/permission"
    with attempting(leaver, urls) as removal:
        until(lambda: sum(call.endswith(asked) for call in github.calls()) >= len(urls), "asked by every replica")
        remove(github, post, removal)
    return removal
