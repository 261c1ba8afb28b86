"""What tests of alerts share: reads from chosen devices, and alerts awaited."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import psycopg

from tests.oracle.stage import SECRETS_JSON, Home
from tests.oracle.wire import Answer, Call, Header, bearer, send

CLI: Final = "keyway-cli/1.4.0"
DEADLINE_SECONDS: Final = 90.0


def read(home: Home, token: str, agent: str = CLI, *more: Header, source: str = "127.9.8.7", path: str = "") -> Answer:
    """A pull of development from one device: an address and a program."""
    path = path or f"/v1/secrets/pull?repo={home.full_name}&environment=development"
    headers = (bearer(token), ("User-Agent", agent), ("Accept", SECRETS_JSON), *more)
    answer = send(home.base, Call("GET", path, headers), source=source)
    assert answer.status == 200, answer.body
    return answer


def alerts(home: Home, token: str | None = None, query: str = "?limit=100") -> list[dict[str, Any]]:
    """The vault's alerts."""
    path = f"/v1/vaults/{home.full_name}/security/alerts{query}"
    answer = send(home.base, Call("GET", path, (bearer(token or home.token),)))
    assert answer.status == 200, answer.body
    return list(answer.json()["data"])


def types(home: Home) -> list[str]:
    """Their types, in alphabetical order."""
    return sorted(alert["type"] for alert in alerts(home))


def judged(home: Home) -> list[dict[str, Any]]:
    """The vault's alerts, once every read of it so far was judged."""
    with psycopg.connect(home.stack.superuser_database_url, autocommit=True) as connection:

        def done() -> bool:
            row = connection.execute(
                """SELECT tx > (SELECT coalesce(max(tx), 0) FROM reads WHERE vault_id = %s)
                   FROM audit_positions WHERE follower = 'alerts'""",
                [home.vault_id],
            ).fetchone()
            return row is not None and bool(row[0])

        wait_for(done)
    return alerts(home)


def wait_for(holds: Callable[[], object]) -> None:
    """Until it holds; it must in the end."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)
