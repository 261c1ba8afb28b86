"""Generated requests against the running server: no failure of ours, no answer that the OpenAPI does not promise."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from known import Aim, World, aim
from oracle import wire
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

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Operation = APIOperation[Any, Any, Any, Any]
OPERATIONS: Final = 125
# What refuses every request alike would prove nothing; each of these answers is a failure here.
NOT_DECIDED: Final = {429, 503}
CASES, MANY_CASES = 1_000, 20_000
# Requests for one operation in one round; an operation without parameters has fewer that differ.
PER_ROUND = 44
# As few as the smallest limit of an address allows.
PER_ADDRESS = 4
LEAST = 8
# Who is not signed in is generated with an empty credential, always the same one: it is sent so seldom that no limit of
# a credential is met.
EMPTY = 8
SPOILS = {"DELETE", "PATCH", "PUT"}
# A session that ends, ends: who plays these does it with one that is made for it, or with none.
ENDS_SESSIONS = {"POST /v1/auth/logout", "DELETE /v1/auth/sessions"}
WEBHOOK = "POST /v1/github/webhook"
EVENTS = ("installation", "installation_repositories", "repository", "member", "membership", "organization", "team",
          "public", "github_app_authorization", "installation_target", "team_add", "ping")  # fmt: skip


class FromAddress(HTTPAdapter):
    """Connects from a client address of its own."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(wire.address(), 0))


@dataclass
class Run:
    """What generated requests met."""

    world: World
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _turn: Counter[tuple[str, GenerationMode, bool]] = field(default_factory=Counter)
    _session: requests.Session = field(default_factory=requests.Session)

    @property
    def total(self) -> int:
        """Requests so far."""
        return sum(self.seen.values())

    def play(self, case: Case[Any], mode: GenerationMode, *, signed_in: bool, public: bool) -> None:
        """Sends one generated request and checks its answer.

        Valid ones take turns: as a whole what is known to succeed, with names that are there, and as generated.
        Invalid ones name what is there every other time, so that what is wrong with them is looked at.
        """
        route = f"{case.method} {case.path}"
        turn = self._turn[route, mode, signed_in]
        self._turn[route, mode, signed_in] += 1
        valid, token = mode is GenerationMode.POSITIVE, next(self.world.tokens)
        how = ("whole", "named", "as it is")[turn % 3] if valid else ("named", "as it is")[turn % 2]
        headers = {} if not signed_in or route in ENDS_SESSIONS else {"Authorization": f"Bearer {token}"}
        if not headers and turn % EMPTY:
            case.headers.pop("Authorization", None)
        if how != "as it is" and (signed_in or public):
            aimed = aim(self.world, route)
            _apply(case, aimed, whole=how == "whole")
            if aimed.token is not None and how == "whole":
                headers = {"Authorization": f"Bearer {aimed.token}"}
            if route == WEBHOOK and how == "named":
                self._sign(case, turn)
        self._send(case, route, headers, f"{how}, {mode.value}")

    def _sign(self, case: Case[Any], turn: int) -> None:
        """GitHub's signature under whatever was generated: past it, nothing may fail either."""
        body = case.body if isinstance(case.body, dict | list | str | int | float | bool) else {}
        signed = self.world.signed(body, EVENTS[turn % len(EVENTS)])
        case.body = signed.body
        case.headers.update(signed.headers)

    def _send(self, case: Case[Any], route: str, headers: dict[str, str], how: str) -> None:
        answer = case.call(self.world.home.base, self._line(), headers, timeout=20, allow_redirects=False)
        self.seen[route, answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            told = "; ".join(f"{failure.title}: {failure.message}"[:600] for failure in group.exceptions)
            body = case.body if isinstance(case.body, bytes) else json.dumps(case.body, default=repr)
            self.failures.append(
                f"{route} {answer.status_code} ({how}) path={case.path_parameters} query={case.query} "
                f"headers={dict(case.headers or {})} body={body[:600]!r}\n    {told}\n    {answer.text[:300]}"
            )

    def _line(self) -> requests.Session:
        """A connection, for so few requests that no address meets a limit."""
        if self.total % PER_ADDRESS == 0:
            self.close()
            self._session = requests.Session()
            self._session.mount("http://", FromAddress())
        self._session.cookies.clear()
        return self._session

    def close(self) -> None:
        """Hangs up."""
        self._session.close()

    def table(self) -> str:
        """Operation by operation, which statuses came how often."""
        statuses: defaultdict[str, list[str]] = defaultdict(list)
        for (route, status), count in sorted(self.seen.items()):
            statuses[route].append(f"{status}: {count}")
        return "\n".join(f"{route:85} {', '.join(told)}" for route, told in sorted(statuses.items()))

    def never_through(self) -> list[str]:
        """Operations that did what they are for not once."""
        through = {route for route, status in self.seen if status < 400}
        return sorted({route for route, _ in self.seen} - through)


def _apply(case: Case[Any], aimed: Aim, *, whole: bool) -> None:
    """Puts what is known into a request: all of it, and nothing else; or only names, where the request has them."""
    if isinstance(case.path_parameters, dict):
        case.path_parameters.update({name: aimed.path[name] for name in case.path_parameters if name in aimed.path})
    if whole:
        case.query.clear()
        case.query.update(aimed.query)
        case.headers.clear()
        case.headers.update(aimed.headers)
        case.body = aimed.body if aimed.body is not None else case.body
        return
    case.query.update({name: value for name, value in aimed.query.items() if name in case.query})
    if isinstance(case.body, dict) and isinstance(aimed.body, dict):
        case.body.update({name: value for name, value in aimed.body.items() if name in case.body and _is_name(name)})


def _is_name(field_name: str) -> bool:
    """Whether a field says which thing is meant, and not what shall become of it."""
    return field_name.endswith(("Id", "Name", "Owner", "environment", "target", "Environment"))


def operations(ops_url: str) -> list[Operation]:
    """Every operation of the OpenAPI that the ops port serves."""
    schema = schemathesis.openapi.from_url(f"{ops_url}/openapi.json")
    return [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]


def generate(run: Run, operation: Operation, count: int, number: int) -> None:
    """Plays `count` requests for one operation: valid and invalid ones, signed in and not in turn."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        cases = operation.as_strategy(generation_mode=mode)
        met = _play(run, operation, cases, mode, itertools.cycle((True, False)), count // 2, number)
        if met == 1:  # all that differ: nobody played it without being signed in
            _play(run, operation, cases, mode, iter([False]), 1, number)


def _play(
    run: Run, operation: Operation, cases: Any, mode: GenerationMode, signed_in: Iterator[bool], count: int, number: int
) -> int:
    """Plays up to `count` of these; how many there were."""
    public, before = not operation.definition.raw.get("security"), run.total

    @given(case=cases)
    def play(case: Case[Any]) -> None:
        run.play(case, mode, signed_in=next(signed_in), public=public)

    # A fixed seed makes the run the same every time. Nothing fails in here, so there is nothing to make smaller.
    bounded = settings(
        max_examples=max(1, count),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with suppress(Unsatisfiable):  # nothing of this operation can be made invalid
        seed(number)(bounded(play))()
    return run.total - before


def _round(run: Run, found: Sequence[Operation], cases: int, number: int) -> None:
    for operation in found:
        if number > 1 and run.total >= cases:
            return
        generate(run, operation, min(PER_ROUND, max(LEAST, cases // len(found))), number)
        spoils = operation.method.upper() in SPOILS or "/permissions" in operation.path or "/trash/" in operation.path
        if spoils and "{repo}" in operation.path:
            run.world.renew()


def _hunt(everything: World, found: Sequence[Operation], cases: int) -> str:
    assert len(found) == OPERATIONS
    with closing(Run(everything)) as run:
        for number in itertools.count(1):
            _round(run, found, cases, number)
            if run.total >= cases:
                break
    print("", run.table(), sep="\n")
    assert not run.failures, "\n\n".join(run.failures[:8]) + f"\n\n{len(run.failures)} in all"
    assert [(route, status) for route, status in run.seen if status in NOT_DECIDED] == []
    assert run.never_through() == []
    return f"{run.total} over {len(found)} operations, each done at least once, 0 failures"


@pytest.fixture(scope="module")
def documented(everything: World) -> list[Operation]:
    """Every operation."""
    return operations(everything.stack.ops_url)


class TestGeneratedRequests:
    @pytest.mark.timeout(400)
    def test_break_nothing(self, everything: World, documented: list[Operation], record_property: Record) -> None:
        """A thousand requests, as administrator and as nobody: no 5xx, no undocumented status, no schema violated;
        and each operation did what it is for at least once."""
        record_property("generated requests", _hunt(everything, documented, CASES))

    @pytest.mark.prove
    @pytest.mark.timeout(3600)
    def test_break_nothing_in_the_long_run(
        self, everything: World, documented: list[Operation], record_property: Record
    ) -> None:
        """The same with twenty thousand."""
        record_property("generated requests, long run", _hunt(everything, documented, MANY_CASES))


class TestTheHunt:
    """Positive controls: what the checks are meant to see, they see."""

    @pytest.mark.parametrize("status", [500, 503, 418])
    def test_sees_a_status_that_is_not_promised(self, documented: list[Operation], status: int) -> None:
        """A server error, or a status outside of the OpenAPI, fails the check."""
        with pytest.raises(FailureGroup):
            _validate(documented, status, b'{"data": {}}')

    def test_sees_a_body_of_the_wrong_shape(self, documented: list[Operation]) -> None:
        """A 200 whose body is not what the OpenAPI says fails the check."""
        with pytest.raises(FailureGroup):
            _validate(documented, 200, b'{"unexpected": 1}')


def _validate(documented: Sequence[Operation], status: int, body: bytes) -> None:
    """Judges an answer that the server never gave to GET /v1/users/me."""
    operation = next(one for one in documented if one.path == "/v1/users/me")
    answer = requests.Response()
    answer.status_code, answer._content = status, body
    answer.headers["Content-Type"] = "application/json; charset=utf-8"
    answer.request = requests.Request("GET", "http://localhost/v1/users/me").prepare()
    operation.Case().validate_response(answer, checks=CHECKS)
