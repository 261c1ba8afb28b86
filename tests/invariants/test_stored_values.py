"""Nothing that is stored opens anything (assurance.md N-05): every column of every table, as every proof."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import psycopg
import pytest
from browser import Pkce
from keyway_standalone.processes import Stack
from oracle import keys, stage
from oracle.report import Record
from oracle.wire import Answer, Call, bearer, send
from psycopg import sql

from tests.backend.ci.test_exchange import Workshop

PER_COLUMN: Final = 6
SHORTEST, LONGEST = 8, 4_000
VERIFIER: Final = Pkce().verifier
# What is granted or told by a proof that was taken.
GRANTS: Final = (b"keywayToken", b'"token"', b'"approved"')


def columns(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Every column of ours that can hold a text or bytes, lists and JSON among them."""
    statement = """SELECT c.table_name, c.column_name FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
          AND c.data_type IN ('text', 'bytea', 'uuid', 'character varying', 'json', 'jsonb', 'ARRAY')
        ORDER BY 1, 2"""
    return [(str(table), str(column)) for table, column in connection.execute(statement.encode()).fetchall()]


def spellings(value: object) -> Iterator[str]:
    """A stored value as somebody who has the database would try it."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from spellings(one)
    elif isinstance(value, bytes):
        yield value.hex()
        yield value.decode("latin-1")
        yield base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    elif value is not None:
        yield str(value)


def sample(stack: Stack) -> dict[tuple[str, str], set[str]]:
    """The newest different values of each column that has any, as they can be sent."""
    found: dict[tuple[str, str], set[str]] = {}
    with psycopg.connect(stack.superuser_database_url) as connection:
        for table, column in columns(connection):
            query = sql.SQL("SELECT {0} FROM {1} WHERE {0} IS NOT NULL ORDER BY ctid DESC LIMIT {2}").format(
                sql.Identifier(column), sql.Identifier(table), PER_COLUMN
            )
            spelled = {text for (value,) in connection.execute(query) for text in spellings(value)}
            found[table, column] = {one for one in spelled if sendable(one)}
    return found


def sendable(text: str) -> bool:
    """What fits into a header, and is no word that many would use."""
    return SHORTEST <= len(text) <= LONGEST and text.isascii() and text.isprintable() and ";" not in text


def tried(value: str) -> list[Call]:
    """Every place that takes a proof, given this value."""
    me = "/v1/users/me"
    return [
        Call("GET", me, (bearer(value),)),
        Call("GET", me, (bearer(f"kw_live_{value}"),)),
        Call("GET", me, (bearer(f"kwci_{value}"),)),
        Call("GET", me, (("Cookie", f"__Host-keyway_session={value}"),)),
        Call("POST", "/v1/auth/device/poll", body={"deviceCode": value}),
        Call("POST", "/v1/auth/session/exchange", body={"code": value, "code_verifier": VERIFIER}),
        Call("POST", "/v1/api-keys/leak-reports", body={"token": value}),
    ]


def accepted(call: Call, answer: Answer) -> bool:
    """Whether a proof was taken."""
    return 200 <= answer.status < 300 and (call.method == "GET" or "leak" in call.path or _granted(answer))


def _granted(answer: Answer) -> bool:
    return any(mark in answer.body for mark in GRANTS)


@pytest.fixture(scope="module")
def furnished(stack: Stack) -> tuple[stage.Home, str, str]:
    """An installation with a bit of everything: a key, a workflow's token, sign-ins under way."""
    home = stage.home(stack, "stored")
    key = keys.give(stack, home.token).token
    Workshop(home, stage.GitHub(stack), stack.api_url).issued()
    device = send(stack.api_url, Call("POST", "/v1/auth/device/start", body={})).json()["deviceCode"]
    return home, key, device


@pytest.mark.usefixtures("furnished")
def test_no_column_of_any_table_opens_anything(stack: Stack, record_property: Record) -> None:
    """As bearer, key, workflow's token, cookie, device code, one-time code and leak report: 0 accepted, 0 failures."""
    found = sample(stack)
    values = sorted(set().union(*found.values()))
    calls = [call for value in values for call in tried(value)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda call: send(stack.api_url, call), calls))
    wrong = [(call, one.status) for call, one in zip(calls, answers, strict=True) if accepted(call, one)]
    assert wrong == []
    assert [call for call, one in zip(calls, answers, strict=True) if one.status >= 500] == []
    filled = [place for place, some in found.items() if some]
    tables = {table for table, _ in filled}
    assert {"api_keys", "sessions", "device_logins", "ci_tokens", "users"} <= tables
    assert len(filled) > 40
    record_property(
        "stored values as credentials (N-05)",
        f"{len(values)} values of {len(filled)} columns, {len(calls)} tries, 0 accepted",
    )


def test_the_judge_sees_what_is_accepted(stack: Stack, furnished: tuple[stage.Home, str, str]) -> None:
    """Control: the real session and the real key are taken at the same places, and seen to be."""
    home, key, _ = furnished
    seen = [accepted(call, send(stack.api_url, call)) for token in (home.token, key) for call in tried(token)]
    assert seen.count(True) >= 4  # bearer and cookie of the session; bearer of the key, and its report
