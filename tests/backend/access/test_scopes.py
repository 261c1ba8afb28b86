"""Every set of scopes of a key against every route of the policy (assurance.md A-02), and other credentials."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import combinations
from typing import Any, Final
from uuid import uuid4

import pytest
from contracts.test_route_census import ROUTES
from keyway_backend.access.actor import Scope
from keyway_standalone.processes import Stack

from tests.backend.ci.test_exchange import Workshop
from tests.oracle import keys, stage
from tests.oracle.policy import Policy
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, Header, Line, bearer, send

SETS: Final = [frozenset(some) for size in range(1, 5) for some in combinations(sorted(keys.ALL), size)]
FILLED: Final = {"owner": "nobody", "repo": "nothing", "org": "nobody", "name": "development", "env": "development"}
REFUSED: Final = "lacks the scope"
Route = Mapping[str, Any]


@cache
def guarded() -> tuple[Route, ...]:
    """The routes of the policy that exist and look at a credential."""
    listed = Policy.load().routes.values()
    there = [one for one in listed if (one["method"], one["path"]) in ROUTES and one["method"] != "HEAD"]
    return tuple(one for one in there if one["scope"] != "none")


def about_nothing(route: Route, *headers: Header) -> Call:
    """A request of the route, about nothing that is there."""
    path = route["path"]
    for name, value in FILLED.items():
        path = path.replace(f"{{{name}}}", value)
    while "{" in path:
        path = path[: path.index("{")] + str(uuid4()) + path[path.index("}") + 1 :]
    return Call(route["method"], path, headers, None if route["method"] == "GET" else {})


def ask(line: Line, route: Route, token: str) -> Answer:
    """The route with a credential, about nothing that is there."""
    return line.send(about_nothing(route, bearer(token)))


@pytest.fixture(scope="module")
def stranger(stack: Stack) -> str:
    """A session of somebody who reaches nothing, so that no call does anything."""
    return stage.stranger(stack)


def test_the_policy_has_fifteen_sets_and_many_routes() -> None:
    """None was lost."""
    assert len(SETS) == 15
    assert len(guarded()) > 60


def as_the_policy_says(answer: Answer, route: Route, some: frozenset[Scope]) -> bool:
    """Whether a key of these scopes is refused for one that it lacks, or goes on."""
    wanted = route["scope"] != "any" and route["scope"] not in some
    second = route.get("second", {}).get("scope", route["scope"])
    refused = answer.status == 403 and REFUSED in answer.detail
    if answer.status in {401, 429} or answer.status >= 500:
        return False
    return refused == wanted or not (wanted or second in {"any", *some})


def test_a_key_opens_the_routes_of_its_scopes_and_no_others(stack: Stack, stranger: str) -> None:
    """Every set of scopes: refused for a scope exactly where the policy names one that the set lacks."""
    given = {some: keys.give(stack, stranger, some).token for some in SETS}
    wrong: list[str] = []

    def judge(some: frozenset[Scope]) -> None:
        with Line(stack.api_url) as line:
            for route in guarded():
                answer = ask(line, route, given[some])
                if not as_the_policy_says(answer, route, some):
                    wrong.append(f"{route['method']} {route['path']} {sorted(some)}: {answer.status} {answer.detail}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(judge, SETS))
    assert wrong == []


def test_a_workflows_token_opens_the_routes_that_name_it(stack: Stack) -> None:
    """Kind ci: 403 everywhere else, whatever is asked."""
    home: Home = stage.home(stack, "kinds")
    token = Workshop(home, GitHub(stack), stack.api_url).issued()
    wrong = []
    with Line(stack.api_url) as line:
        for route in guarded():
            answer = ask(line, route, token)
            refused = answer.status == 403 and "CI token" in answer.detail
            if refused != ("ci" not in route["auth"]) or answer.status == 401:
                wrong.append(f"{route['method']} {route['path']}: {answer.status} {answer.detail}")
    assert wrong == []


def test_nothing_that_is_stored_is_a_credential(stack: Stack) -> None:
    """Every text and every byte string of the credentials' tables, as bearer and as cookie (N-05)."""
    home = stage.home(stack, "stored")
    keys.give(stack, home.token)
    Workshop(home, GitHub(stack), stack.api_url).issued()
    found: set[str] = set()
    for table in ("api_keys", "ci_tokens", "sessions", "device_logins", "github_tokens", "oidc_token_uses"):
        for (row,) in keys.sql(stack, f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY t DESC LIMIT 5"):  # type: ignore[arg-type]
            values = [value for value in row.values() if isinstance(value, str)]
            found |= {spelled for value in values for spelled in (value, value.removeprefix("\\x"), f"kw_{value}")}
    sendable = [value for value in found if value.isascii() and value.isprintable() and ";" not in value]
    assert len(sendable) > 50
    asked = [("Authorization", f"Bearer {value}") for value in sendable]
    asked += [("Cookie", f"__Host-keyway_session={value}") for value in sendable]
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda header: send(home.base, Call("GET", "/v1/users/me", (header,))).status, asked)
    assert set(answers) == {401}
