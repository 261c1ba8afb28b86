"""What no honest client sends, to every operation, as somebody who may do everything: never a failure of ours.

What a push does with such bodies, and what its answers say: test_bad_input.py.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest
from known import Aim, World, aim
from oracle.report import Record
from oracle.wire import Answer, Call, Header, bearer, send

JSON: Final = "application/json"
DEEP: Final = 30_000
BODIES: Final[dict[str, tuple[str, bytes]]] = {
    "nothing": (JSON, b""),
    "null": (JSON, b"null"),
    "a list": (JSON, b"[]"),
    "a text": (JSON, b'"x"'),
    "half": (JSON, b'{"a":'),
    "deep lists": (JSON, b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    "deep objects": (JSON, b'{"a":' * 9_000 + b"1" + b"}" * 9_000),
    "a number without end": (JSON, b'{"a": 1' + b"0" * 5_000 + b"}"),
    "no number": (JSON, b'{"a": NaN}'),
    "infinity": (JSON, b'{"a": 1e999}'),
    "twice": (JSON, b'{"a": 1, "a": 2}'),
    "a lone surrogate": (JSON, b'{"a": "\\ud800"}'),
    "a lone surrogate in a name": (JSON, b'{"\\udfff": 1}'),
    "no UTF-8": (JSON, b'{"a": "\xff\xfe"}'),
    "UTF-16": (JSON, '{"a": 1}'.encode("utf-16")),
    "as text": ("text/plain", b'{"a": 1}'),
    "as a form of parts": ("multipart/form-data; boundary=x", b"--x--"),
    "as a form": ("application/x-www-form-urlencoded", b"a=%00&b=%ff&c"),
    "of no type": ("", b'{"a": 1}'),
    "compressed": (JSON, gzip.compress(b'{"a": "' + b"a" * 5_000_000 + b'"}')),
    "too large": (JSON, b'{"a": "' + b"a" * 70_000 + b'"}'),
}
ODD: Final[tuple[Any, ...]] = (
    "a\0b", "\ud800", "", " ", "a" * 60_000, "\U0001f511", "../..", "%00", "' OR 1=1 --", 10**400, -1, 2**63, 1.5, True,
    None, [], {}, [[]], {"a": {"b": []}}, ["a\0b"], ["\ud800"], {"\ud800": 1},
)  # fmt: skip
NAMES: Final = (
    "%00", "%ff", "%ed%a0%80", "a" * 3_000, "..", "%2e%2e", "%2f", "%20", "%f0%9f%94%91", "-1", "0", "1e9",
    "99999999999999999999999", "%0d%0aX-Evil:%201", "'", "*", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
NEVER: Final = frozenset({0, 422})


@pytest.fixture(scope="module")
def document(everything: World) -> dict[str, Any]:
    """The OpenAPI."""
    return dict(httpx.get(f"{everything.stack.ops_url}/openapi.json").json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def with_bodies(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The operations that take a body."""
    return [(method, path) for method, path, one in operations(document) if "requestBody" in one]


def judge(route: str, what: str, answer: Answer) -> list[str]:
    """What is wrong with an answer: a failure of ours, or a status that is never given."""
    wrong = answer.status >= 500 or answer.status in NEVER
    return [f"{route} {what}: {answer.status} {answer.body[:200]!r}"] if wrong else []


def sent(world: World, method: str, path: str, body: bytes | None, kind: str = JSON, headers: Any = ()) -> Answer:
    """A request as the administrator."""
    told = (("Content-Type", kind),) if kind and body is not None else ()
    return send(world.home.base, Call(method, path, (bearer(next(world.tokens)), *told, *headers), form=body))


def bodies(world: World, document: dict[str, Any], chosen: Callable[[], tuple[str, ...]]) -> tuple[list[str], int]:
    """Sends what is chosen to every operation that takes a body: what is wrong with the answers, and how many."""
    found, count = [], 0
    for method, path in with_bodies(document):
        there = path.format(**aim(world, f"{method} {path}").path)
        for what in chosen():
            kind, body = BODIES[what]
            found += judge(f"{method} {path}", what, sent(world, method, there, body, kind))
            count += 1
    return found, count


class TestBodies:
    def test_that_are_none(self, everything: World, document: dict[str, Any], record_property: Record) -> None:
        """Every operation with a body meets three of the bodies that are not what they should be."""
        kinds = iter(itertools.cycle(BODIES))
        found, count = bodies(everything, document, lambda: tuple(itertools.islice(kinds, 3)))
        assert found == [], "\n".join(found)
        record_property("hostile bodies", f"{count} to {len(with_bodies(document))} operations, 0 failures")

    @pytest.mark.prove
    def test_each_to_each(self, everything: World, document: dict[str, Any], record_property: Record) -> None:
        """Every operation with a body, every such body."""
        found, count = bodies(everything, document, lambda: tuple(BODIES))
        assert found == [], "\n".join(found)
        record_property("hostile bodies, all", f"{count} to {len(with_bodies(document))} operations, 0 failures")

    @pytest.mark.prove
    def test_whose_fields_are_odd(self, everything: World, document: dict[str, Any], record_property: Record) -> None:
        """A good body of which one field is not: each field, each oddity."""
        found, count = [], 0
        for method, path in with_bodies(document):
            route = f"{method} {path}"
            aimed = aim(everything, route)
            if not isinstance(aimed.body, dict):
                continue
            there = path.format(**aimed.path)
            for name in aimed.body:
                for odd in ODD:
                    body = json.dumps(aimed.body | {name: odd}).encode()
                    found += judge(route, f"{name}={odd!r}"[:80], sent(everything, method, there, body))
                    count += 1
        assert found == [], "\n".join(found)
        record_property("odd fields", f"{count} requests, 0 failures")


@pytest.mark.prove
class TestNames:
    @pytest.mark.timeout(600)
    def test_in_paths_and_queries(self, everything: World, document: dict[str, Any], record_property: Record) -> None:
        """Each parameter of each operation, one at a time; the others name what is there."""
        found, count = [], 0
        for method, path, operation in operations(document):
            route = f"{method} {path}"
            aimed = aim(everything, route)
            body = json.dumps(aimed.body).encode() if isinstance(aimed.body, dict) else None
            for there, headers in odd_names(path, operation, aimed):
                answer = sent(everything, method, there, body, headers=headers)
                found += judge(route, f"{there} {headers}"[-200:], answer)
                count += 1
        assert found == [], "\n".join(found)
        record_property("odd names", f"{count} requests, 0 failures")


def odd_names(path: str, operation: dict[str, Any], aimed: Aim) -> Iterator[tuple[str, tuple[Header, ...]]]:
    """Addresses and headers in which one parameter is odd; one of the query stands beside the good one, or alone."""
    good, query = path.format(**aimed.path), "&".join(f"{name}={value}" for name, value in aimed.query.items())
    for one, odd in itertools.product(operation.get("parameters", []), NAMES):
        name = one["name"]
        match one["in"]:
            case "path":
                yield f"{path.format(**aimed.path | {name: odd})}?{query}", ()
            case "query":
                rest = "&".join(f"{other}={value}" for other, value in aimed.query.items() if other != name)
                yield f"{good}?{query}&{name}={odd}", ()
                yield f"{good}?{rest}&{name}={odd}", ()
            case _:
                yield f"{good}?{query}", ((name, odd),)
