"""What tests of values do: push and pull in our way and in that of the public clients, and look into the database."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
import jwt

from tests.core.test_legacy_env import shipped_parser
from tests.invariants.api import SECRETS_JSON, Answer, Client, Place
from tests.invariants.scene import Scene

_NAMES: Final = itertools.count(1)
NOWHERE: Final = Place("")
PUBLIC_CLI: Final = "keyway-cli/dev"
MCP: Final = "keyway-mcp/1.0.0"

# What breaks naive writers of .env text, databases and JSON.
HARD: Final = {
    "EMPTY": "",
    "PEM": "-----BEGIN PRIVATE KEY-----\nMIIEvQ+/=\nabc\n-----END PRIVATE KEY-----\n",
    "JSON": '{"a": [1, "two"], "path": "C:\\\\x", "quote": "it\'s"}',
    "QUOTES": "\"'`\"'",
    "LONE_QUOTE": '"',
    "WRAPPED": "'wrapped'",
    "BACKSLASHES": "\\\\server\\share\\n\\t\\",
    "DOLLAR": "$HOME ${HOME} $(id) $$",
    "HASH": "a #b#c # d",
    "EQUALS": "==a=b==",
    "TABS": "\ta\t",
    "CR": "a\rb\r",
    "CRLF": "a\r\nb\r\n",
    "LF_ALONE": "\n",
    "BLANKS": "  x  ",
    "EMOJI": "🔑🏳️‍🌈",
    "NBSP": "\u00a0x\u00a0",
    "SEPARATORS": "a\u2028b\u2029c\u0085d",
    "BOM": "\ufeffx",
    "CONTROLS": "\x01\x1b[31m\x7f",
    "EXPORT": "export A=b",
    "HIGHEST": "\U0010ffff",
    "ECHO_OF_PEM": "a\\nb",
    "SCRIPT": "<script>alert(1)</script>&amp;",
    "LONG": "x" * 65_536,
    "LONG_IN_BYTES": "é" * 32_768,
}


@dataclass(frozen=True)
class Desk:
    """A credential at an environment."""

    scene: Scene
    client: Client
    place: Place
    login: str = ""

    def at_new_place(self, environment: str = "development") -> Desk:
        """The same credential at an environment of a new repository."""
        repository = f"{self.scene.owner}/values-{next(_NAMES)}-{secrets.token_hex(3)}"
        self.scene.stack.control.create_repo(repository)
        made = self._request("POST", "/v1/vaults", {"repoFullName": repository}, None)
        assert made.status == 201, made
        return self.at(Place(repository, environment))

    def at(self, place: Place) -> Desk:
        """The same credential elsewhere."""
        return replace(self, place=place)

    def anew(self) -> Desk:
        """The same person at the same place with another session, whose share of the rate limits is untouched."""
        session = uuid4()
        claims = jwt.decode(self.client.token, options={"verify_signature": False})
        self.scene.sql(
            "INSERT INTO sessions SELECT (jsonb_populate_record(s, jsonb_build_object('id', %s::text))).*"
            " FROM sessions s WHERE id = %s",
            str(session),
            claims["sid"],
        )
        secret = self.scene.stack.instance.jwt_secret
        token = jwt.encode(claims | {"sid": str(session)}, secret, algorithm="HS256")
        return replace(self, client=Client(self.client.base, token))

    def with_other(self, other: Desk) -> Desk:
        """Another credential at this place."""
        return other.at(self.place)

    # our clients -------------------------------------------------------------------------------------------------

    def push(self, values: Any, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        """A push with these fields of the body; mode merge unless another one is given."""
        return self._push({"secrets": values, "mode": "merge"} | more, headers)

    def set(self, values: Mapping[str, str], **more: Any) -> str:
        """A push that must succeed. The revision's id."""
        answer = self.push(values, **more)
        assert answer.status == 200, answer
        return str(answer.revision)

    def values(self) -> dict[str, str]:
        """What is stored, by our own wire."""
        answer = self.get()
        if answer.status == 404:
            return {}
        assert answer.status == 200, answer
        return dict(answer.data["secrets"])

    def get(self, route: str = "pull", headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        """A read; JSON unless another Accept is given."""
        where = {"repo": self.place.repository, "environment": self.place.environment} | query
        told = {"Accept": SECRETS_JSON} | dict(headers or {})
        return self._request("GET", f"/v1/secrets/{route}?{urlencode(where, quote_via=quote)}", None, told)

    # the public clients ------------------------------------------------------------------------------------------

    def legacy_pull(self, agent: str = PUBLIC_CLI) -> dict[str, str]:
        """What a shipped client holds after a pull."""
        answer = self.get(headers={"Accept": "*/*", "User-Agent": agent})
        if answer.status == 404:
            return {}
        assert answer.status == 200, answer
        return shipped_parser(answer.data["content"])

    def legacy_push(self, values: Mapping[str, str], agent: str = PUBLIC_CLI) -> Answer:
        """Everything that the client holds, without a precondition."""
        return self._push({"secrets": values}, {"User-Agent": agent})

    def legacy_set(self, key: str, value: str) -> Answer:
        """`keyway set` of the public client."""
        return self.legacy_push(self.legacy_pull() | {key: value})

    # the database ------------------------------------------------------------------------------------------------

    @property
    def environment_id(self) -> str:
        """The id of the environment."""
        return self.scene.environment_id(self.place)

    def audit(self, action: str) -> list[dict[str, Any]]:
        """The audit rows of this environment, oldest first."""
        rows = self.scene.sql(
            "SELECT to_json(a) FROM audit_events a WHERE action = %s AND environment_id = %s ORDER BY at, id",
            action,
            self.environment_id,
        )
        return [row[0] for row in rows]

    def value_rows(self, key: str) -> list[dict[str, Any]]:
        """The rows of a key, oldest first, without ciphertext."""
        rows = self.scene.sql(
            "SELECT json_build_object('id', id, 'secret', secret_id, 'from', from_revision, 'to', to_revision)"
            " FROM secret_values WHERE environment_id = %s AND key = %s ORDER BY from_revision",
            self.environment_id,
            key,
        )
        return [row[0] for row in rows]

    def head(self) -> int:
        """The number of the present revision."""
        return int(self.scene.value("SELECT head_revision FROM environments WHERE id = %s", self.environment_id))

    def _push(self, more: Mapping[str, Any], headers: Mapping[str, str] | None) -> Answer:
        body = {"repoFullName": self.place.repository, "environment": self.place.environment} | dict(more)
        return self._request("POST", "/v1/secrets/push", body, headers)

    def _request(self, method: str, path: str, body: Any, headers: Mapping[str, str] | None) -> Answer:
        """On a new connection: the server ends those that were idle for some seconds."""
        self.client.close()
        return self.client.request(method, path, body, headers)


def stats(answer: Answer) -> tuple[int, int, int, int]:
    """created, updated, deleted, unchanged."""
    assert answer.status == 200, answer
    found = answer.data["stats"]
    return found["created"], found["updated"], found["deleted"], found["unchanged"]


def faults(answer: Answer) -> dict[str, str]:
    """The sentence per field of a 400."""
    assert answer.status == 400, answer
    return {fault["field"]: fault["message"] for fault in answer.body["errors"]}


def text_of(answer: Answer) -> str:
    """All that an answer says."""
    return json.dumps(answer.body, ensure_ascii=False)


def forget_statements(desk: Desk) -> None:
    """Postgres counts from zero."""
    desk.scene.sql("SELECT statistics.pg_stat_statements_reset()")


def statements(desk: Desk, pattern: str) -> int:
    """How many statements that match ran since then, less the note of a session's use: once a minute, whenever."""
    counted = """SELECT coalesce(sum(calls), 0) FROM statistics.pg_stat_statements
        WHERE query ~* %s AND query !~ 'last_used_at = now'"""
    return int(desk.scene.value(counted, pattern))


def calls(desk: Desk, name: str) -> int:
    """How many calls of that name the backend made to crypto, by its metrics."""
    text = httpx.get(f"{desk.scene.stack.ops_url}/metrics").text
    label = f'keyway_crypto_call_seconds_count{{call="{name}"}}'
    return int(float(next(line for line in text.splitlines() if line.startswith(label)).rsplit(" ", 1)[1]))
