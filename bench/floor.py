"""The floor under a pull: one process, sixteen threads, psycopg, and nothing between them and the database.

Each round makes the reads that the backend makes, opens every value with its context built per item, writes the audit
row with its own durable commit, and renders the JSON. No HTTP, no gRPC, no second process.
`python -m bench.floor` reads one JSON line from stdin and prints one: {"seconds", "answers"}.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import orjson
import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from keyway_backend.access import store as access_store
from keyway_backend.audit.record import _INSERT
from keyway_backend.features.secrets import store as secrets_store
from keyway_backend.platform.clock import now
from keyway_backend.platform.ids import new_id
from keyway_crypto.envelope import Scope, gcm_open, unpad
from keyway_crypto.keyring import KeyRing, canonical

THREADS = 16


def _open(aead: AESGCM, scope: Scope, keys: list[str], ids: list[bytes], sealed: list[bytes]) -> dict[str, str]:
    """Every value with its own context, built from nothing."""
    found = {}
    for key, value_id, blob in zip(keys, ids, sealed, strict=True):
        repository = scope.repository.to_bytes(8, "big")
        context = canonical(
            b"\x01",
            scope.purpose.encode(),
            scope.instance,
            scope.vault,
            repository,
            scope.environment,
            key.encode(),
            value_id,
        )
        found[key] = unpad(gcm_open(aead, blob[3:15], blob[15:], context)).decode()
    return found


def _event(order: dict[str, Any], place: dict[str, Any], revision: int) -> dict[str, Any]:
    return {
        "id": new_id(), "at": now(), "action": "secrets_pulled", "actor_user_id": order["user"],
        "actor_github_user_id": order["person"], "actor_login": "bench", "credential_kind": "session",
        "credential_id": order["session"], "platform": "cli", "source": "cli", "ip": "127.0.0.1",
        "user_agent": "keyway-cli/bench", "device_id": "0" * 32, "request_id": new_id().hex, "vault_id": place["vault"],
        "repository": place["name"], "environment_id": place["environment"], "environment": order["environment"],
        "revision": revision, "keys": None, "details": {"secretCount": 100},
    }  # fmt: skip


def _worker(order: dict[str, Any], ring: KeyRing, until: float) -> int:
    answers = 0
    with psycopg.connect(order["database"], autocommit=True, prepare_threshold=1) as connection:
        cursor = connection.cursor(binary=True)
        while time.perf_counter() < until:
            place = order["places"][answers % len(order["places"])]
            owner, _, name = place["name"].partition("/")
            who = {"github_user_id": order["person"], "user_id": order["user"], "session_id": order["session"]}
            asked = who | {"owner": owner, "name": name, "environment": order["environment"]}
            cursor.execute(access_store._ONE_ENVIRONMENT[access_store.Named], asked).fetchall()
            row = cursor.execute(secrets_store._PULL, (UUID(place["environment"]),)).fetchone()
            scope = Scope(
                "secret",
                *(bytes.fromhex(place[part]) for part in ("instance", "vault_hex")),
                place["repository"],
                UUID(place["environment"]).bytes,
            )
            aead = ring.cipher(1, scope.purpose, scope.instance, scope.vault, scope.repository)
            assert row is not None
            secrets = _open(aead, scope, row[3], row[4], row[5])
            orjson.dumps({"data": {"secrets": secrets}})
            cursor.execute(_INSERT, {"rows": orjson.dumps([_event(order, place, row[0])]).decode()})
            answers += 1
    return answers


def run(order: dict[str, Any]) -> float:
    """Rounds per second of a process of its own. `order`: see `main`."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.floor"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    answer = json.loads(done.stdout)
    return float(answer["answers"] / answer["seconds"])


def main() -> None:
    """Reads the order (database, key, person, user, session, environment, places, threads, seconds), and runs it."""
    order = json.loads(sys.stdin.readline())
    ring = KeyRing({1: bytes.fromhex(order["key"])}, active=1)
    started = time.perf_counter()
    with ThreadPoolExecutor(order["threads"]) as pool:
        until = started + order["seconds"]
        counts = list(pool.map(lambda _: _worker(order, ring, until), range(order["threads"])))
    print(json.dumps({"seconds": time.perf_counter() - started, "answers": sum(counts)}))


if __name__ == "__main__":
    main()
