"""What tests of revisions do: requests about a vault as its people, and looks into its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

import httpx
from oracle import database

from tests.oracle.stage import Home
from tests.oracle.wire import Answer, Call, Header, bearer, send

BASE = "/v1/vaults"
# What a scan could look for: long, and various enough.
STRONG = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"  # keyway:allow


def ask(
    home: Home, method: str, tail: str, body: Any = None, *, token: str | None = None, headers: tuple[Header, ...] = ()
) -> Answer:
    """A request about the vault, as its administrator unless another token is given."""
    call = Call(method, f"{BASE}/{home.full_name}{tail}", (bearer(token or home.token), *headers), body)
    return send(home.base, call)


def data(answer: Answer, status: int = 200) -> Any:
    """Inside the envelope of an answer that must have this status."""
    assert answer.status == status, answer.body
    return answer.json()["data"]


def fill(home: Home, environment: str, values: Mapping[str, str], *, delete: tuple[str, ...] = ()) -> str:
    """A push of our own clients that must succeed. The revision's id."""
    sent = {
        "repoFullName": home.full_name, "environment": environment, "mode": "merge", "secrets": values,
        "delete": list(delete),
    }  # fmt: skip
    return str(data(home.post("/v1/secrets/push", sent))["revision"]["id"])


def head(home: Home, environment: str) -> dict[str, Any]:
    """id and number of the present revision."""
    found: dict[str, Any] = data(ask(home, "GET", f"/environments/{environment}/revision"))["revision"]
    return found


def sql(home: Home, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
    """Rows, as the database's administrator."""
    return database.sql(home.stack, statement, *values)


def environment_id(home: Home, name: str) -> Any:
    """The id of an environment."""
    return sql(
        home,
        "SELECT id FROM environments WHERE vault_id = %s AND name = %s AND deleted_at IS NULL",
        home.vault_id,
        name,
    )[0][0]


def rows_of(home: Home, environment: str, key: str) -> list[tuple[Any, ...]]:
    """id, secret, origin, from, to of the rows of a key, oldest first."""
    return sql(
        home,
        "SELECT id, secret_id, origin_value_id, from_revision, to_revision FROM secret_values"
        " WHERE environment_id = %s AND key = %s ORDER BY from_revision",
        environment_id(home, environment),
        key,
    )


def audit(home: Home, action: str) -> list[dict[str, Any]]:
    """The audit rows of an action in this vault, oldest first."""
    found = sql(
        home,
        "SELECT to_json(a) FROM audit_events a WHERE vault_id = %s AND action = %s ORDER BY at, id",
        home.vault_id,
        action,
    )
    return [row[0] for row in found]


def override(home: Home, login: str, environment: str, *, read: bool, write: bool) -> None:
    """What one person may do in an environment, whatever the role says."""
    person = sql(home, "SELECT id FROM users WHERE login = %s", login)[0][0]
    body = {
        "environment": environment, "targetType": "user", "targetUserId": str(person), "canRead": read,
        "canWrite": write,
    }  # fmt: skip
    assert ask(home, "POST", "/permissions/overrides", body).status == 200


def crypto_calls(home: Home, name: str) -> int:
    """How many calls of that name the backend has made to crypto, by its metrics."""
    text = httpx.get(f"{home.stack.ops_url}/metrics").text
    label = f'keyway_crypto_call_seconds_count{{call="{name}"}}'
    lines = [line for line in text.splitlines() if line.startswith(label)]
    return int(float(lines[0].rsplit(" ", 1)[1])) if lines else 0
