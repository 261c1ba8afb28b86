"""What somebody who has the database could try: every stored value, at every place that takes a proof."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

import psycopg
from browser import NONCE, Pkce
from keyway_standalone.processes import Stack
from psycopg import sql

from .wire import Answer, Call, Line, bearer

PER_COLUMN: Final = 4
SHORTEST, LONGEST = 8, 4_000
PKCE: Final = Pkce()
PROVIDER_NONCE: Final = "__Host-keyway_provider"
# What is granted or told by a proof that was taken.
_GRANTS: Final = (b"keywayToken", b'"token"', b'"approved"')
# Here two values belong together: what the address carries, and what the browser keeps.
_PAIRED: Final = ("web_sign_ins", "provider_states")

Column = tuple[str, str]


def columns(connection: psycopg.Connection[Any]) -> list[Column]:
    """Every column of ours that can hold a text or bytes, lists and JSON among them."""
    statement = """SELECT c.table_name, c.column_name FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
          AND c.data_type IN ('text', 'bytea', 'uuid', 'character varying', 'json', 'jsonb', 'ARRAY')
        ORDER BY 1, 2"""
    return [(str(table), str(column)) for table, column in connection.execute(statement.encode()).fetchall()]


def spellings(value: object) -> Iterator[str]:
    """A stored value as it could be sent."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from spellings(one)
    elif isinstance(value, bytes):
        yield value.hex()
        yield value.decode("latin-1")
        yield base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    elif value is not None:
        yield str(value)


def sample(stack: Stack) -> dict[Column, set[str]]:
    """The newest different values of each column, as they can be sent."""
    found: dict[Column, set[str]] = {}
    with psycopg.connect(stack.superuser_database_url) as connection:
        for table, column in columns(connection):
            query = sql.SQL("SELECT {0} FROM {1} WHERE {0} IS NOT NULL ORDER BY ctid DESC LIMIT {2}").format(
                sql.Identifier(column), sql.Identifier(table), PER_COLUMN
            )
            spelled = {text for (value,) in connection.execute(query) for text in spellings(value)}
            found[table, column] = {one for one in spelled if _sendable(one)}
    return found


def _sendable(text: str) -> bool:
    """What fits into a header, and is no word that many would use."""
    return SHORTEST <= len(text) <= LONGEST and text.isascii() and text.isprintable() and ";" not in text


def tried(stack: Stack, value: str) -> list[Call]:
    """Every place that takes a proof, given this value."""
    me = "/v1/users/me"
    code = {"code": value, "codeVerifier": PKCE.verifier, "redirectOrigin": stack.dashboard_url}
    return [
        Call("GET", me, (bearer(value),)),
        Call("GET", me, (bearer(f"kw_live_{value}"),)),
        Call("GET", me, (bearer(f"kwci_{value}"),)),
        Call("GET", me, (("Cookie", f"__Host-keyway_session={value}"),)),
        Call("GET", me, (("Cookie", f"keyway_session={value}"),)),
        Call("GET", me, (("X-Keyway-Hop", value),)),
        Call("POST", "/v1/auth/device/poll", body={"deviceCode": value}),
        Call("POST", "/v1/auth/session/exchange", body=code),
        Call("POST", "/v1/auth/oidc/github", body={"token": value, "environment": "development"}),
        Call("POST", "/v1/api-keys/leak-reports", body={"token": value}),
    ]


def paired(state: str, nonce: str) -> list[Call]:
    """The places that take two."""
    ours, theirs = ("Cookie", f"{NONCE}={nonce}"), ("Cookie", f"{PROVIDER_NONCE}={nonce}")
    return [
        Call("GET", f"/v1/auth/callback?state={state}&code=x", (ours,)),
        Call("GET", f"/v1/auth/callback?consent={state}", (ours,)),
        Call("GET", f"/v1/integrations/vercel/callback?state={state}&code=good", (theirs,)),
        Call("GET", f"/v1/integrations/netlify/callback?state={state}&code=good", (theirs,)),
    ]


def accepted(call: Call, answer: Answer) -> bool:
    """Whether a proof was taken."""
    if not 200 <= answer.status < 400:
        return False
    return call.method == "GET" or "leak" in call.path or any(mark in answer.body for mark in _GRANTS)


@dataclass(frozen=True)
class Hunt:
    """What was tried, and what came of it."""

    filled: frozenset[Column]
    values: int
    tries: int
    taken: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def tables(self) -> set[str]:
        """The tables of which something was tried."""
        return {table for table, _ in self.filled}

    def figures(self) -> str:
        """In one line."""
        return (
            f"{self.values} values of {len(self.filled)} columns in {len(self.tables)} tables, {self.tries} tries, "
            f"{len(self.taken)} accepted"
        )


def hunt(stack: Stack, only: Collection[str] | None = None) -> Hunt:
    """Tries a sample of everything that is stored, or of these tables."""
    found = {place: some for place, some in sample(stack).items() if some and (only is None or place[0] in only)}
    values = sorted(set().union(*found.values()))
    # So few to an address that none of its limits is met.
    lots = [tried(stack, value) for value in values]
    for table in _PAIRED:
        hashes = {
            value for (name, column), some in found.items() if name == table and "hash" in column for value in some
        }
        lots += [paired(state, nonce) for state, nonce in permutations(sorted(hashes)[:8], 2)]
    with ThreadPoolExecutor(4) as pool:
        judged = [one for lot in pool.map(lambda lot: _answered(stack, lot), lots) for one in lot]
    return Hunt(
        frozenset(found),
        len(values),
        len(judged),
        tuple(f"{call} {one.status}" for call, one in judged if accepted(call, one)),
        tuple(
            f"{call} {one.status} {one.body[:200]!r}" for call, one in judged if one.status >= 500 or one.status == 429
        ),
    )


def _answered(stack: Stack, lot: Sequence[Call]) -> list[tuple[Call, Answer]]:
    with Line(stack.api_url) as line:
        return [(call, line.send(call)) for call in lot]
