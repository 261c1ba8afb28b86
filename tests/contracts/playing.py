"""Plays the cases of a route against the running server, and says what is not as the contract has it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.contracts.reaches import OFF, request
from tests.contracts.scene import Scene
from tests.contracts.shapes import Judge, places, spoilt
from tests.contracts.written import Case, Entry, named
from tests.oracle.wire import Answer, Call, send

JSON: Final = "application/json; charset=utf-8"
# contract.md 1.3: what an error is called, and its status.
PROBLEMS: Final = {
    "bad-request": (400, "Bad Request"),
    "validation-error": (400, "Validation Error"),
    "unauthorized": (401, "Unauthorized"),
    "forbidden": (403, "Forbidden"),
    "plan-limit-reached": (403, "Plan Limit Reached"),
    "not-found": (404, "Not Found"),
    "conflict": (409, "Conflict"),
    "rate-limited": (429, "Too Many Requests"),
    "service-unavailable": (503, "Service Unavailable"),
}
PROBLEM: Final = {
    "type": "url", "title": "text", "status": "whole", "detail": "text", "instance": "text", "traceId": "text",
}  # fmt: skip
ERRORS: Final = {"errors": [{"field": "text", "code": "=invalid", "message": "text"}]}
UPGRADE: Final = {
    "upgradeUrl": "url",
    "trialInfo?": {"eligible": "flag", "daysAvailable": "count", "orgLogin": "text", "reason?": "text"},
}


@dataclass
class Played:
    """What came of a route: the faults by case, what no case showed, and how many spoilt answers were told apart."""

    faults: list[str] = field(default_factory=list)
    never_seen: list[str] = field(default_factory=list)
    cases: int = 0
    spoilt: int = 0
    not_told_apart: list[str] = field(default_factory=list)


def play(scene: Scene, entry: Entry) -> Played:
    """Every case of a route."""
    played, judge = Played(), Judge(named())
    first = entry.ok[0].name
    for case in entry.ok:
        answer, call = _answered(scene, entry, case, first)
        played.faults += (f"{case.name or 'ok'}: {fault}" for fault in _good(judge, case, answer))
        if case.body is not None and not played.faults:
            _spoil(played, case, answer)
    for case in entry.refused:
        answer, call = _answered(scene, entry, case, first)
        played.faults += (f"{case.name}: {fault}" for fault in _bad(case, answer, call))
    played.cases = len(entry.ok) + len(entry.refused)
    played.never_seen = judge.never_seen
    return played


def _answered(scene: Scene, entry: Entry, case: Case, first: str) -> tuple[Answer, Call]:
    base = scene.off.base if (entry.route, case.name) in OFF else scene.base
    with request(scene, entry.route, case.name, first) as call:
        return send(base, call), call


def _good(judge: Judge, case: Case, answer: Answer) -> Iterator[str]:
    if answer.status != case.status:
        yield f"{answer.status} and not {case.status}: {answer.body[:300]!r}"
        return
    yield from _headers(case, answer)
    if case.body is not None:
        found = answer.json()
        yield from judge.faults(found, case.body)
        meta = found.get("meta")
        if isinstance(meta, dict) and meta.get("requestId") != answer.header("x-request-id"):
            yield "meta.requestId is not the id of the header"
    elif case.csv:
        head, *rows = csv.reader(io.StringIO(answer.body.decode()))
        if tuple(head) != case.csv or not rows:
            yield f"its columns are {head}, with {len(rows)} rows"
    elif not case.html and answer.body:
        yield f"it has a body: {answer.body[:100]!r}"


def _headers(case: Case, answer: Answer) -> Iterator[str]:
    wanted = {"x-request-id": "present", "cache-control": "no-store", **case.headers}
    if case.body is not None:
        wanted.setdefault("content-type", JSON)
    judge = Judge({})
    for name, value in wanted.items():
        found = answer.header(name)
        if value == "present":
            good = found != ""
        elif value == "url":
            good = not list(judge.faults(found, "url"))
        else:
            good = found == value
        if not good:
            yield f"the header {name} is {found!r} and not {value}"


def _bad(case: Case, answer: Answer, call: Call) -> Iterator[str]:
    if answer.status != case.status:
        yield f"{answer.status} and not {case.status}: {answer.body[:300]!r}"
        return
    yield from _headers(case, answer)
    if call.method == "HEAD":
        if answer.body:
            yield "HEAD has a body"
        return
    if case.html:
        if not answer.header("content-type").startswith("text/html"):
            yield f"no page: {answer.header('content-type')}"
        return
    if answer.header("content-type") != JSON:
        yield f"its content type is {answer.header('content-type')}"
        return
    yield from problem_faults(answer, call, case)


def problem_faults(answer: Answer, call: Call, case: Case) -> Iterator[str]:
    """What is wrong with the body of a refusal (contract.md 1.3)."""
    found = answer.json()
    slug = str(found.get("type", "")).rpartition("/")[2]
    shape: dict[str, Any] = PROBLEM | (ERRORS if slug == "validation-error" else {})
    judge = Judge({})
    yield from judge.faults(found, shape | (UPGRADE if slug == "plan-limit-reached" else {}) | dict(case.more))
    if PROBLEMS.get(slug) != (answer.status, found.get("title")):
        yield f"{slug} is {answer.status} {found.get('title')}"
    if case.title and found.get("title") != case.title:
        yield f"its title is {found.get('title')} and not {case.title}: {found.get('detail')}"
    if case.says and case.says not in str(found.get("detail")):
        yield f"it says {found.get('detail')!r} and not {case.says!r}"
    same = {"status": answer.status, "instance": call.path.partition("?")[0], "traceId": answer.header("x-request-id")}
    yield from (f"its {name} is {found.get(name)!r}" for name, value in same.items() if found.get(name) != value)
    if slug == "validation-error" and not found.get("errors"):
        yield "it names no field"


def _spoil(played: Played, case: Case, answer: Answer) -> None:
    """The same answer with a field dropped or renamed everywhere must not pass: it is no answer of this case, or what
    the case must show is not shown. Where further fields are allowed, nothing can be told of them."""
    found, whole = answer.json(), Judge(named())
    list(whole.faults(found, case.body))
    for place in places(found):
        if _passes(spoilt(found, place, "joined"), case, whole):
            continue
        for how in ("dropped", "renamed"):
            played.spoilt += 1
            if _passes(spoilt(found, place, how), case, whole):
                played.not_told_apart.append(f"{case.name or 'ok'}: {'.'.join(place)} {how}")


def _passes(found: Any, case: Case, whole: Judge) -> bool:
    judge = Judge(named())
    return not list(judge.faults(found, case.body)) and judge.seen >= whole.seen
