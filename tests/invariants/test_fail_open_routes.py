"""Whichever call to GitHub fails at whichever route of the policy, the answer is 503 to whoever asks.

Each request is cold, as in `test_fail_open`. A route is asked with its first call failing, then with its second, until
no call is left to fail: only then it does its work, so that what destroys is played once and there is nothing to count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from browser import Browser, cookies_set
from contracts.test_route_census import ROUTES
from keyway_standalone.processes import Stack
from oracle import keys, stage
from oracle.report import Record
from oracle.wire import Answer, Call, Header, bearer, send
from stack import running_stack

from tests.backend.ci.test_exchange import Workshop
from tests.invariants.test_fail_open import QUICK, complaint
from tests.oracle.policy import Policy

Route = tuple[str, str]
Counts = dict[Route, int]
MOST_CALLS: Final = 12
LEAST_CALLS: Final = 3
FAULT: Final[dict[str, Any]] = {"kind": "status", "status": 500}
# One after the other in the suite; the long run has all of them at every call.
MIXED: Final = tuple(QUICK[name] for name in ("500", "429", "primary limit", "a page", "other JSON", "reset"))
# These end the session that plays, or are no decision about anybody: signing in is hunted below and beside.
APART: Final = {
    ("POST", "/v1/auth/logout"),
    ("DELETE", "/v1/auth/sessions"),
    ("GET", "/v1/auth/callback"),
    ("POST", "/v1/auth/device/start"),
    ("POST", "/v1/auth/device/poll"),
    ("POST", "/v1/auth/device/verify"),
    ("POST", "/v1/auth/oidc/github"),
}
# What each of the pieces of a path that are ids stands for is known once the field is laid out.
BODIES: Final[dict[Route, dict[str, Any]]] = {
    ("POST", "/v1/vaults/{owner}/{repo}/secrets"): {"key": "NEW", "value": "1", "environment": "development"},
    ("PATCH", "/v1/vaults/{owner}/{repo}/secrets/{secretId}"): {"value": "2"},
    ("POST", "/v1/vaults/{owner}/{repo}/environments"): {"name": "qa"},
    ("PATCH", "/v1/vaults/{owner}/{repo}/environments/{name}"): {"newName": "dev2"},
    ("PATCH", "/v1/vaults/{owner}/{repo}/environments/{name}/type"): {"type": "development"},
    ("PUT", "/v1/vaults/{owner}/{repo}/permissions/{env}"): {"permissions": {"read": "read", "write": "write"}},
    ("PUT", "/v1/vaults/{owner}/{repo}/permissions/overrides/{id}"): {"canRead": False},
    ("POST", "/v1/vaults/{owner}/{repo}/environments/{name}/copy"): {"to": "staging"},
    ("POST", "/v1/vaults/{owner}/{repo}/secrets/{secretId}/copy"): {"environment": "staging"},
    ("POST", "/v1/vaults/{owner}/{repo}/environments/{name}/import/preview"): {"secrets": {"KEPT": "1"}},
    ("POST", "/v1/vaults/{owner}/{repo}/environments/{name}/digests"): {"values": {"KEPT": "1"}},
    ("POST", "/v1/vaults/{owner}/{repo}/oidc-rules"): {"environment": "development"},
    ("PUT", "/v1/orgs/{org}"): {"displayName": "Renamed"},
}
QUERIES: Final[dict[str, str]] = {
    "/v1/secrets/pull": "?repo={full}&environment=development",
    "/v1/secrets/view": "?repo={full}&environment=development&key=KEPT",
    "/v1/github/repo-ids": "?repo={full}",
    "/v1/vaults/{owner}/{repo}/compare": "?from=development&to=staging",
    "/v1/vaults/{owner}/{repo}/environments/{name}/revisions/{revision}/diff": "?from=1",
    "/v1/vaults/{owner}/{repo}/permissions/effective": "?environment=development",
}


@dataclass
class Field:
    """A vault with something of everything in it, which can be made cold."""

    home: stage.Home
    github: stage.GitHub
    installation: int
    stranger: str
    database: psycopg.Connection[Any]
    ids: dict[str, str] = field(default_factory=dict)

    def cool(self, *, renamed: bool = True) -> None:
        """Nothing is remembered of roles and tokens; the repository has a new name, if `renamed`."""
        self.database.execute("DELETE FROM role_cache WHERE github_repo_id = %s", [self.home.repo_id])
        owner, name = self.home.full_name.split("/")[0], f"r{uuid4().hex[:12]}"
        if renamed:
            self.github.do("rename-repo", repo=self.home.full_name, name=name)
            self.home.full_name = f"{owner}/{name}"
        self.github.do("end-tokens", installation=self.installation)

    def call(self, route: Route, who: Header) -> Call:
        """The request of a route about what is there."""
        method, template = route
        owner, repo = self.home.full_name.split("/")
        names = {"owner": owner, "repo": repo, "org": owner, "name": "development", "env": "development"}
        names |= {"revision": "1", "username": self.home.admin, "full": self.home.full_name} | self._ids_of(template)
        path = re.sub(r"\{(\w+)\}", lambda one: names.get(one[1], str(uuid4())), template + QUERIES.get(template, ""))
        return Call(method, path, (who,), None if method in {"GET", "HEAD"} else self._body(route))

    def _ids_of(self, template: str) -> dict[str, str]:
        ids = dict(self.ids)
        if "/trash/" in template:
            ids["secretId"] = ids["trashed"]
        return ids | {"id": ids["rule" if "oidc" in template else "override"]}

    def _body(self, route: Route) -> dict[str, Any]:
        owner, repo = self.home.full_name.split("/")
        target = {"targetType": "user", "targetUserId": self.ids["userId"], "canRead": True, "canWrite": True}
        own: dict[Route, dict[str, Any]] = {
            ("POST", "/v1/vaults/{owner}/{repo}/permissions/overrides"): {"environment": "staging"} | target,
            ("POST", "/v1/api-keys"): {
                "name": "one", "scopes": ["read:secrets"], "environment": "live", "vaultIds": [self.home.vault_id],
            },
            ("POST", "/v1/vaults"): {"repoFullName": self.home.full_name},
            ("POST", "/v1/orgs/connect"): {"orgLogin": owner},
            ("POST", "/v1/github/check-installation"): {"repoOwner": owner, "repoName": repo},
            ("POST", "/v1/secrets/push"): {
                "repoFullName": self.home.full_name, "environment": "development", "secrets": {"KEPT": "1"},
            },
        }  # fmt: skip
        return own.get(route) or BODIES.get(route, {})


@contextmanager
def open_field(stack: Stack) -> Iterator[Field]:
    """A vault of somebody who owns the organisation."""
    with psycopg.connect(stack.superuser_database_url, autocommit=True) as database:
        yield laid_out(stack, database)


def laid_out(stack: Stack, database: psycopg.Connection[Any]) -> Field:
    """The vault and what is in it."""
    home, github = stage.home(stack, "routes"), stage.GitHub(stack)
    org = home.full_name.split("/")[0]
    installation = github.do("install", login=org)["id"]
    made = Field(home, github, installation, stage.stranger(stack), database)
    path = f"/v1/vaults/{home.full_name}"

    def new(under: str, body: Mapping[str, Any]) -> str:
        answer = home.post(path + under, body)
        assert answer.status in {200, 201}, (under, answer.body)
        return str(answer.json()["data"]["id"])

    secrets = {key: new("/secrets", {"key": key, "value": "1", "environment": "development"}) for key in ("ONE", "TWO")}
    assert send(home.base, Call("DELETE", f"{path}/secrets/{secrets['TWO']}", (bearer(home.token),))).status == 200
    patched = Call("PATCH", f"{path}/secrets/{secrets['ONE']}", (bearer(home.token),), {"value": "2"})
    assert send(home.base, patched).status == 200
    versions = home.get(f"{path}/secrets/{secrets['ONE']}/versions").json()["data"]["versions"]
    home.post("/v1/orgs/connect", {"orgLogin": org})
    role = {"targetType": "role", "targetRole": "read", "canRead": True, "canWrite": False}
    made.ids = {
        "secretId": secrets["ONE"], "trashed": secrets["TWO"], "versionId": str(versions[-1]["id"]),
        "userId": str(home.get("/v1/users/me").json()["data"]["id"]),
        "override": new("/permissions/overrides", {"environment": "development"} | role),
        "rule": new("/oidc-rules", {"environment": "development"}),
    }  # fmt: skip
    return made


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    """An installation whose GitHub may fail, and that takes people's own tokens of GitHub.

    No job runs in it: the calls of a job would meet the faults that are meant for a request.
    """
    with running_stack(backend_env={"GITHUB_PAT_LOGIN": "true", "WORKER_IN_PROCESS": "false"}) as stack:
        yield stack


@pytest.fixture(scope="module")
def ground(own_stack: Stack) -> Iterator[Field]:
    """Where the hunt takes place."""
    with open_field(own_stack) as made:
        yield made


@pytest.fixture
def fresh(own_stack: Stack) -> Iterator[Field]:
    """A vault of the test's own, because what destroys spoils it."""
    with open_field(own_stack) as made:
        yield made


def hunted() -> list[Route]:
    """The routes of the policy that know who asks: what reads, what writes, and what destroys at last."""
    order = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")
    known = [
        route for route, told in Policy.load().routes.items() if told["scope"] != "none" and route in ROUTES - APART
    ]
    return sorted(known, key=lambda route: (order.index(route[0]), -len(route[1])))


def play(
    ground: Field, route: Route, who: Header, *faults: Mapping[str, Any], renamed: bool = True, every: int = 1
) -> tuple[list[str], int]:
    """A route with one call after the other failing, in one of these ways after the other; the complaints, and how many
    failed.

    `every` 3 is every third call, beginning with the first, second or third from route to route.
    """
    complaints: list[str] = []
    failed = 0
    for number in range(1 + len(route[1]) % every, MOST_CALLS + 1, every):
        ground.cool(renamed=renamed)
        call, fault = ground.call(route, who), faults[(len(route[1]) + number) % len(faults)]
        ground.github.do("fault", **fault, call=number)
        answer = send(ground.home.base, call)
        met = sum(ground.github.do("clear-faults")["met"])
        if not met:
            if answer.status >= 500 and answer.header("retry-after"):
                complaints.append(f"{' '.join(route)}: {answer.status} while GitHub is well")
            return complaints, failed
        failed += 1
        if wrong := complaint(f"{' '.join(route)}, call {number}: {fault}", answer, met, 0):
            complaints.append(f"{wrong} {answer.body[:200]!r}")
    return complaints, failed


def played(
    ground: Field, routes: list[Route], who: Header, *faults: Mapping[str, Any], every: int = 1, key: str = ""
) -> tuple[list[str], Counts]:
    """Several routes; how many calls of each failed. `every` is of those of a vault, which share what they ask. Where a
    key may come, every other route is asked with the `key`."""
    complaints, counts, listed = [], {}, Policy.load().routes
    for number, route in enumerate(routes):
        by_key = key and number % 2 and "api_key" in listed[route]["auth"]
        sender = bearer(key) if by_key else who
        found, counts[route] = play(ground, route, sender, *faults, every=every if "{repo}" in route[1] else 1)
        complaints += found
    return complaints, counts


class TestEveryRoute:
    def test_as_a_stranger_and_then_as_the_owner(self, ground: Field, record_property: Record) -> None:
        """Every route, to who is refused when GitHub is well and to who is let in; of vaults every third call."""
        routes = hunted()
        assert len(routes) > 95
        of_vaults = [route for route in routes if "{repo}" in route[1]]
        refused, far = played(ground, of_vaults[::6], bearer(ground.stranger), *MIXED, every=3)
        key = keys.give(ground.home.stack, ground.home.token).token
        granted, counts = played(ground, routes, bearer(ground.home.token), *MIXED, every=3, key=key)
        assert refused + granted == []
        asking = {route for route, calls in counts.items() if calls}
        silent = [route for route in of_vaults if route not in asking]
        assert silent == [], counts
        total = sum(counts.values()) + sum(far.values())
        record_property("fail-open hunt, every route", f"{total} calls of {len(asking)} routes failed, 0 grants")


class TestOtherCredentials:
    def test_a_bound_key_and_a_workflows_token(self, own_stack: Stack, fresh: Field) -> None:
        """What is bound to a vault is asked about at GitHub all the same."""
        ground = fresh
        key = keys.give(own_stack, ground.home.token, vaults=[ground.home.vault_id]).token
        ci = Workshop(ground.home, ground.github, own_stack.api_url).issued()
        pat = ground.github.do("mint-token", login=ground.home.admin, kind="ghu")["token"]
        pull = ("GET", "/v1/secrets/pull")
        for token in (key, ci, pat):
            complaints, calls = play(ground, pull, bearer(token), FAULT, renamed=False)
            assert complaints == []
            assert calls

    def test_the_exchange_of_a_workflow(self, own_stack: Stack, fresh: Field) -> None:
        """No token of ours while a call fails that says whose the repository is, or which keys the issuer has."""
        ground = fresh
        shop = Workshop(ground.home, ground.github, own_stack.api_url)
        for number in range(1, MOST_CALLS + 1):
            ground.cool(renamed=False)
            token = shop.token()
            ground.github.do("fault", **FAULT, call=number)
            answer = shop.exchange(token)
            met = sum(ground.github.do("clear-faults")["met"])
            if not met:
                break
            assert complaint(f"exchange, call {number}", answer, met, 0) is None, answer.body
        assert (answer.status, number > 1) == (200, True)

    def test_the_callback_of_a_browser(self, own_stack: Stack) -> None:
        """No session while a call fails that says who somebody is."""
        for call in ("POST /login/oauth/access_token", "POST /applications/*/token", "GET /user"):
            browser, login = Browser(own_stack), stage.GitHub(own_stack).user("person")
            own_stack.control.fault(kind="status", status=500, pattern=call)
            answer = browser.sign_in(login)
            own_stack.control.clear_faults()
            assert "__Host-keyway_session" not in cookies_set(answer)
            assert answer.status_code == 503, (call, answer.status_code, urlsplit(answer.headers.get("location", "")))


@pytest.mark.prove
class TestEveryWay:
    @pytest.mark.timeout(900)
    @pytest.mark.parametrize("who", ["owner", "key", "stranger"])
    @pytest.mark.parametrize("name", QUICK)
    def test_each_route_failing_in_each_way(self, fresh: Field, name: str, who: str, record_property: Record) -> None:
        """The whole product: routes, calls, kinds of fault. A stranger destroys nothing, and ends nothing."""
        ground, routes = fresh, hunted()
        if who == "stranger":
            routes = [route for route in routes if "{repo}" in route[1]]
        if who == "key":
            listed = Policy.load().routes
            routes = [route for route in routes if "api_key" in listed[route]["auth"]]
        token = {
            "owner": ground.home.token,
            "stranger": ground.stranger,
            "key": keys.give(ground.home.stack, ground.home.token).token,
        }[who]
        complaints, counts = played(ground, routes, bearer(token), QUICK[name])
        assert complaints == []
        assert sum(counts.values()) > LEAST_CALLS * len([route for route in counts if "{repo}" in route[1]])
        record_property(f"fail-open, {name}, {who}", f"{sum(counts.values())} calls of {len(routes)} routes, 0 grants")


class TestTheHunt:
    @pytest.mark.parametrize("status", [200, 204, 401, 403, 404, 500])
    def test_sees_what_looks_decided(self, status: int) -> None:
        """Control: any answer but 503 is complained about."""
        assert complaint("planted", Answer(status, (("Retry-After", "5"),), b""), 1, 0)
