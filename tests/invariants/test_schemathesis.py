"""Generated requests against the running server: no failure of ours, no answer that the OpenAPI does not promise."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from keyway_standalone.processes import Stack
from oracle import stage, wire
from oracle.report import Record
from requests.adapters import HTTPAdapter
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from stack import sign_in

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Operation = APIOperation[Any, Any, Any, Any]
OFF = {
    "GET /v1/billing/prices",
    "POST /v1/billing/create-checkout-session",
    "POST /v1/billing/manage",
    "POST /v1/billing/webhook",
}
# What refuses every request alike would prove nothing: the share of these answers is looked at.
NOT_DECIDED = {429, 503}
CASES, MANY_CASES = 1_000, 20_000
SESSIONS = 6
# Requests for one operation in one round; an operation without parameters has fewer that differ.
PER_ROUND = 44
LEAST = 8
# A session that ends, ends: who plays these does it without one.
ENDS_SESSIONS = {("POST", "/v1/auth/logout"), ("DELETE", "/v1/auth/sessions")}
SPOILS = {"DELETE", "PATCH", "PUT"}


class FromAddress(HTTPAdapter):
    """Connects from a client address of its own."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(wire.address(), 0))


@dataclass
class Run:
    """What generated requests met."""

    home: stage.Home
    tokens: Iterator[str]
    names: dict[str, str] = field(default_factory=dict)
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The public port."""
        return self.home.base

    def renew(self) -> None:
        """A vault with a secret that has a version, and something in its trash: what was there may be spoilt by now."""
        org = self.home.full_name.partition("/")[0]
        repo = f"fuzz-{len(self.seen)}-{token_hex(4)}"
        full_name = f"{org}/{repo}"
        stage.GitHub(self.home.stack).repo(full_name, {self.home.admin: "admin"})
        stage.create_vault(self.home.stack, self.home.token, full_name)
        secret, trashed = (self._secret(full_name, key) for key in ("KEPT", "TRASHED"))
        path = f"/v1/vaults/{full_name}/secrets"
        self._ask("DELETE", f"{path}/{trashed}")
        version = self._ask("GET", f"{path}/{secret}/versions")["versions"][0]["id"]
        self.names = {
            "owner": org, "repo": repo, "secretId": secret, "trashed": trashed, "versionId": version,
            "name": "development", "env": "development", "revision": "1", "org": org,
        }  # fmt: skip

    def _secret(self, full_name: str, key: str) -> str:
        path = f"/v1/vaults/{full_name}/secrets"
        made = self._ask("POST", path, {"key": key, "value": "1", "environment": "development"})
        self._ask("PATCH", f"{path}/{made['id']}", {"value": "2"})
        return str(made["id"])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = wire.send(self.base, wire.Call(method, path, (wire.bearer(self.home.token),), body))
        assert answer.status < 300, answer
        return answer.json()["data"]

    def play(self, case: Case[Any], *, signed_in: bool) -> None:
        """Sends one generated request and checks its answer."""
        aimed = self._aim(case)
        headers = {"Authorization": f"Bearer {next(self.tokens)}"} if signed_in else {}
        with requests.Session() as session:
            session.mount("http://", FromAddress())
            answer = case.call(self.base, session, headers, timeout=20)
        route = f"{case.method} {case.path}"
        # A feature that is switched off says so: 503 without Retry-After (policy.yaml `feature_off`). That is decided.
        switched_off = answer.status_code == 503 and route in OFF and "retry-after" not in answer.headers
        self.seen[route, 0 if switched_off else answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS[1:] if switched_off else CHECKS)
        except FailureGroup as group:
            self.failures.append(f"{case.method} {case.path} aimed={aimed}: {group}")

    def _aim(self, case: Case[Any]) -> bool:
        """Half of the cases name what is there, so that they get past the door."""
        aimed = sum(self.seen.values()) % 2 == 0
        owner, repo = self.names["owner"], self.names["repo"]
        full_name = f"{owner}/{repo}"
        real = {"repoFullName": full_name, "repoOwner": owner, "repoName": repo, "environment": "development"}
        path = self.names | ({"secretId": self.names["trashed"]} if "/trash/" in case.path else {})
        parts = [
            (case.body, real),
            (case.query, {"repo": full_name, "environment": "development", "key": "KEPT"}),
            (case.path_parameters, path),
        ]
        for part, names in parts:
            if aimed and isinstance(part, dict):
                part.update({name: value for name, value in names.items() if name in part})
        return aimed


def operations(ops_url: str) -> list[Operation]:
    """Every operation of the OpenAPI that the ops port serves."""
    schema = schemathesis.openapi.from_url(f"{ops_url}/openapi.json")
    return [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]


def generate(run: Run, operation: Operation, count: int, number: int) -> None:
    """Plays `count` requests for one operation: valid and invalid ones, signed in and not, a quarter each."""
    for mode, signed_in in itertools.product((GenerationMode.POSITIVE, GenerationMode.NEGATIVE), (True, False)):
        as_admin = signed_in and (operation.method.upper(), operation.path) not in ENDS_SESSIONS
        play = _player(run, operation.as_strategy(generation_mode=mode), signed_in=as_admin)
        # A fixed seed makes the run the same every time.
        bounded = settings(
            max_examples=max(1, count // 4), database=None, deadline=None, suppress_health_check=list(HealthCheck)
        )
        with suppress(Unsatisfiable):  # nothing of this operation can be made invalid
            seed(number)(bounded(play))()


def _player(run: Run, cases: Any, *, signed_in: bool) -> Callable[[], None]:
    @given(case=cases)
    def play(case: Case[Any]) -> None:
        run.play(case, signed_in=signed_in)

    return play


@pytest.fixture(scope="module")
def run(stack: Stack) -> Run:
    """The server, and an administrator with several sessions, so that the limit per credential stays what it is."""
    home = stage.home(stack, "fuzz")
    tokens = [sign_in(stack, home.admin) for _ in range(SESSIONS)]
    made = Run(home, itertools.cycle(tokens))
    made.renew()
    return made


def _hunt(run: Run, stack: Stack, cases: int) -> str:
    found = operations(stack.ops_url)
    for number in itertools.count(1):
        for operation in found:
            generate(run, operation, min(PER_ROUND, max(LEAST, cases // len(found))), number)
            spoils = (
                operation.method.upper() in SPOILS or "/permissions" in operation.path or "/trash/" in operation.path
            )
            if spoils and "{repo}" in operation.path:
                run.renew()
        if sum(run.seen.values()) >= cases:
            break
    total = sum(run.seen.values())
    # Ten values a minute and credential (policy.yaml `limits.rate.value_routes`): a long run asks for more of them.
    undecided = {
        (route, status): count
        for (route, status), count in run.seen.items()
        if status in NOT_DECIDED and not (status == 429 and route.endswith("/value"))
    }
    print("", *(f"{count:5} {status} {route}" for (route, status), count in sorted(run.seen.items())), sep="\n")
    assert not run.failures, "\n\n".join(run.failures[:5]) + f"\n\n{len(run.failures)} in all"
    assert not undecided
    assert any(status < 400 for (_, status) in run.seen)
    assert total >= cases
    return f"{total} over {len(found)} operations, 0 failures"


class TestGeneratedRequests:
    @pytest.mark.timeout(400)
    def test_break_nothing(self, run: Run, stack: Stack, record_property: Record) -> None:
        """A thousand requests, as administrator and as nobody: no 5xx, no undocumented status, no schema violated."""
        record_property("generated requests", _hunt(run, stack, CASES))

    @pytest.mark.prove
    @pytest.mark.timeout(3600)
    def test_break_nothing_in_the_long_run(self, run: Run, stack: Stack, record_property: Record) -> None:
        """The same with twenty thousand."""
        record_property("generated requests, long run", _hunt(run, stack, MANY_CASES))


class TestTheHunt:
    """Positive controls: what the checks are meant to see, they see."""

    @pytest.mark.parametrize("status", [500, 503, 418])
    def test_sees_a_status_that_is_not_promised(self, stack: Stack, status: int) -> None:
        """A server error, or a status outside of the OpenAPI, fails the check."""
        with pytest.raises(FailureGroup):
            _validate(stack, status, b'{"data": {}}')

    def test_sees_a_body_of_the_wrong_shape(self, stack: Stack) -> None:
        """A 200 whose body is not what the OpenAPI says fails the check."""
        with pytest.raises(FailureGroup):
            _validate(stack, 200, b'{"unexpected": 1}')


def _validate(stack: Stack, status: int, body: bytes) -> None:
    """Judges an answer that the server never gave to GET /v1/users/me."""
    operation = next(one for one in operations(stack.ops_url) if one.path == "/v1/users/me")
    answer = requests.Response()
    answer.status_code, answer._content = status, body
    answer.headers["Content-Type"] = "application/json; charset=utf-8"
    answer.request = requests.Request("GET", f"{stack.api_url}/v1/users/me").prepare()
    operation.Case().validate_response(answer, checks=CHECKS)
