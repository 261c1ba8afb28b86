"""What the tests of permissions share: requests as somebody, rows as they lie there, alarms."""

from __future__ import annotations

import re
from typing import Any, LiteralString
from urllib.parse import quote

from keyway_standalone.processes import Stack
from oracle import database

from tests.oracle.stage import Home
from tests.oracle.wire import Answer, Call, bearer, send

OVERRIDE = {
    "id", "environment", "targetType", "targetRole", "canRead", "canWrite", "createdBy", "createdAt", "updatedAt",
}  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def ask(home: Home, method: str, path: str, body: Any = None, *, token: str | None = None) -> Answer:
    """A request about a vault, as its administrator or with another session."""
    call = Call(method, f"/v1/vaults/{home.full_name}{path}", (bearer(token or home.token),), body)
    return send(home.base, call)


def role_override(role: str, environment: str = "*", *, read: bool = True, write: bool = True) -> dict[str, Any]:
    """A body for everybody with a role."""
    return {
        "environment": environment,
        "targetType": "role",
        "targetRole": role,
        "canRead": read,
        "canWrite": write,
    }


def user_override(user_id: str, environment: str = "*", *, read: bool = True, write: bool = True) -> dict[str, Any]:
    """A body for one person."""
    return {
        "environment": environment,
        "targetType": "user",
        "targetUserId": user_id,
        "canRead": read,
        "canWrite": write,
    }


def create(home: Home, body: dict[str, Any]) -> str:
    """A new override's id."""
    answer = ask(home, "POST", "/permissions/overrides", body)
    assert answer.status == 200, answer.body
    return str(answer.json()["data"]["id"])


def user_id(home: Home, token: str) -> str:
    """The id of a session's person."""
    return str(send(home.base, Call("GET", "/v1/users/me", (bearer(token),))).json()["data"]["id"])


def pulled(home: Home, token: str, environment: str) -> int:
    """The status of a pull."""
    path = f"/v1/secrets/pull?repo={quote(home.full_name)}&environment={environment}"
    return send(home.base, Call("GET", path, (bearer(token),))).status


def sql(stack: Stack, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
    """Rows, as the database's administrator."""
    return database.sql(stack, statement, *values)


def alarms(stack: Stack, kind: str) -> int:
    """How often the backend alarmed."""
    shown = send(stack.ops_url, Call("GET", "/metrics"), source="127.0.0.1").body.decode()
    counted = re.search(rf'^keyway_integrity_failures_total{{kind="{kind}"}} ([0-9.]+)', shown, re.MULTILINE)
    return int(float(counted[1])) if counted else 0


def changes(home: Home) -> list[dict[str, Any]]:
    """What the audit says of the vault's permissions, oldest first."""
    found = sql(
        home.stack,
        "SELECT details FROM audit_events WHERE vault_id = %s AND action = 'permission_changed' ORDER BY at, id",
        home.vault_id,
    )
    return [details for (details,) in found]
