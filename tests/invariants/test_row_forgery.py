"""Whoever writes the database without the backend's key gains nothing: what is forged is ignored, and noticed."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import jwt
import pytest
from keyway_backend.access.macs import Macs, Purpose
from keyway_standalone.process import ProcessError

from tests.invariants.api import Client, Place
from tests.invariants.scene import Scene, opened
from tests.oracle import wire

DEFAULTS: Final = {"read": {"protected": {"read": True, "write": True}}}


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """An installation of its own: its rows are forged."""
    with opened(vaults=1) as made:
        yield made


@pytest.fixture(scope="module")
def owner(scene: Scene) -> Client:
    """The administrator of the vault, whose values are in all its environments."""
    client = scene.session()
    for name in ("development", "staging", "production"):
        scene.begin(client, Place(scene.repositories[0], name), {"A": name})
    return client


@pytest.fixture(scope="module")
def mallory(scene: Scene, owner: Client) -> Client:
    """Somebody who may read development and staging and not production, and who can write the database."""
    assert owner.token
    scene.stack.control.create_user("mallory")
    scene.stack.control.set_role(scene.repositories[0], "mallory", "read")
    return scene.session("mallory")


@pytest.fixture
def production(scene: Scene) -> Place:
    """What is wanted."""
    return Place(scene.repositories[0], "production")


@pytest.fixture
def forged(scene: Scene) -> Iterator[Callable[..., None]]:
    """Runs a statement of the forger; at the end the tables are as they were."""
    types = scene.sql("SELECT id, type, type_mac FROM environments")
    yield scene.sql
    scene.sql("DELETE FROM permission_overrides")
    scene.sql("DELETE FROM organizations")
    scene.sql("DELETE FROM role_cache")
    for environment_id, kind, mac in types:
        scene.sql("UPDATE environments SET type = %s, type_mac = %s WHERE id = %s", kind, mac, environment_id)


def alarms(scene: Scene, kind: str) -> tuple[int, int]:
    """How often the backend alarmed: by its metric, and in its log."""
    shown = wire.send(scene.stack.ops_url, wire.Call("GET", "/metrics"), source="127.0.0.1").body.decode()
    counted = re.search(rf'^keyway_integrity_failures_total{{kind="{kind}"}} ([0-9.]+)', shown, re.MULTILINE)
    lines = (scene.stack.log_dir / "backend.log").read_text().splitlines()
    logged = [line for line in lines if '"integrity_alarm"' in line and f'"{kind}"' in line]
    return int(float(counted[1])) if counted else 0, len(logged)


@contextmanager
def alarmed(scene: Scene, kind: str) -> Iterator[None]:
    """What happens inside raises an alarm of this kind, in the metric and in the log."""
    before = alarms(scene, kind)
    yield
    after = alarms(scene, kind)
    assert after[0] > before[0]
    assert after[1] > before[1]


def macs(scene: Scene) -> Macs:
    """What the forger does not have, for the proof that nothing but the code was missing."""
    return Macs(scene.stack.instance.jwt_secret)


def ids(scene: Scene, place: Place) -> tuple[UUID, UUID, int, int]:
    """Vault, environment, repository and owner of a place."""
    row = scene.sql(
        "SELECT v.id, e.id, v.github_repo_id, v.github_owner_id FROM vaults v JOIN environments e ON e.vault_id = v.id"
        " WHERE e.name = %s",
        place.environment,
    )[0]
    return row[0], row[1], row[2], row[3]


def user_of(scene: Scene, login: str) -> tuple[UUID, int]:
    """A person's two numbers."""
    row = scene.sql("SELECT id, github_user_id FROM users WHERE login = %s", login)[0]
    return row[0], row[1]


FORGED_CODES: Final[dict[str, Callable[[Scene], bytes]]] = {
    "random": lambda _: secrets.token_bytes(32),
    "empty": lambda _: b"",
    "of a genuine role": lambda scene: _genuine(scene, "SELECT mac FROM role_cache WHERE role = 'admin'"),
    "of a genuine type": lambda scene: _genuine(scene, "SELECT type_mac FROM environments WHERE name = 'development'"),
}


def _genuine(scene: Scene, statement: str) -> bytes:
    return bytes(scene.value(statement))


@pytest.mark.parametrize("code", FORGED_CODES)
def test_a_forged_role_opens_nothing(
    scene: Scene, owner: Client, mallory: Client, production: Place, forged: Callable[..., None], code: str
) -> None:
    """A cached role that somebody else wrote counts as absent and alarms; with the backend's code the same row would
    have opened production."""
    assert owner.pull(production).status == 200
    mac = FORGED_CODES[code](scene)
    assert mallory.pull(production).status == 403
    _write_role(scene, forged, mac)
    with alarmed(scene, "role_cache"):
        assert mallory.pull(production).status == 403
    _write_role(scene, forged, None)
    assert mallory.pull(production).status == 200


def _write_role(scene: Scene, write: Callable[..., None], mac: bytes | None) -> None:
    _, _, repository, owner = ids(scene, Place(scene.repositories[0]))
    person, asked_at = user_of(scene, "mallory")[1], datetime.now(UTC)
    fields = (person, repository, "admin", 1, asked_at, asked_at + timedelta(hours=1), owner)
    code = macs(scene).make(Purpose.ROLE, *fields) if mac is None else mac
    write("DELETE FROM role_cache WHERE github_user_id = %s", person)
    write(
        "INSERT INTO role_cache"
        " (github_user_id, github_repo_id, role, installation_id, asked_at, expires_at, github_owner_id, mac)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        *fields,
        code,
    )


@pytest.mark.parametrize("change", ["role = 'admin'", "expires_at = expires_at + interval '1 hour'"])
def test_an_edited_role_counts_as_absent(
    scene: Scene, mallory: Client, production: Place, forged: Callable[..., None], change: str
) -> None:
    """A role that the backend wrote and somebody edited, in what it grants or how long, is not believed and alarms."""
    assert mallory.pull(production).status == 403
    forged(f"UPDATE role_cache SET {change} WHERE github_user_id = %s", user_of(scene, "mallory")[1])
    with alarmed(scene, "role_cache"):
        assert mallory.pull(production).status == 403


@pytest.mark.parametrize("code", FORGED_CODES)
@pytest.mark.parametrize("aim", ["user here", "user everywhere", "role here", "role everywhere"])
def test_a_forged_override_opens_nothing(
    scene: Scene, owner: Client, mallory: Client, production: Place, forged: Callable[..., None], code: str, aim: str
) -> None:
    """An override that somebody else wrote, for a person or a role, for one environment or all, counts as absent and
    alarms; with the backend's code it would have opened production."""
    assert owner.pull(production).status == 200
    target, _, where = aim.partition(" ")
    everywhere = where == "everywhere"
    mac = FORGED_CODES[code](scene)
    _write_override(scene, forged, target, mac, everywhere=everywhere)
    with alarmed(scene, "permission_override"):
        assert mallory.pull(production).status == 403
    forged("DELETE FROM permission_overrides")
    _write_override(scene, forged, target, None, everywhere=everywhere)
    assert mallory.pull(production).status == 200


def _write_override(
    scene: Scene, write: Callable[..., None], target: str, mac: bytes | None, *, everywhere: bool, can_read: bool = True
) -> None:
    vault, environment, _, _ = ids(scene, Place(scene.repositories[0], "production"))
    scope = None if everywhere else environment
    person = user_of(scene, "mallory")[1] if target == "user" else None
    role = "read" if target == "role" else None
    fields = (uuid4(), vault, scope, person, role, can_read, False)
    write(
        "INSERT INTO permission_overrides (target_type, id, vault_id, environment_id, target_github_user_id,"
        " target_role, can_read, can_write, mac, created_at, updated_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, now(), now())",
        target,
        *fields,
        macs(scene).make(Purpose.OVERRIDE, *fields) if mac is None else mac,
    )


@pytest.mark.parametrize(
    "change", ["can_read = true", "environment_id = NULL, can_read = true", "id = gen_random_uuid()"]
)
def test_an_edited_override_counts_as_absent(
    scene: Scene, owner: Client, mallory: Client, production: Place, forged: Callable[..., None], change: str
) -> None:
    """An override that denies, edited into one that allows or made another row, is not believed and alarms."""
    assert owner.token
    _write_override(scene, forged, "user", None, everywhere=False, can_read=False)
    assert mallory.pull(production).status == 403
    forged(f"UPDATE permission_overrides SET {change}")
    with alarmed(scene, "permission_override"):
        assert mallory.pull(production).status == 403


def test_forged_defaults_of_an_organisation_open_nothing(
    scene: Scene, mallory: Client, production: Place, forged: Callable[..., None]
) -> None:
    """Defaults of an organisation that somebody else wrote, or whose content was edited under a genuine code, count as
    absent and alarm; with the backend's code they would have opened production."""
    owner_id = ids(scene, production)[3]

    def write(stored: Any, mac: bytes) -> None:
        forged("DELETE FROM organizations")
        forged(
            "INSERT INTO organizations (id, github_org_id, login, default_permissions, mac, created_at, updated_at)"
            " VALUES (gen_random_uuid(), %s, 'org', %s, %s, now(), now())",
            owner_id,
            json.dumps(stored),
            mac,
        )

    def genuine(stored: Any) -> bytes:
        text = json.dumps(stored, sort_keys=True, separators=(",", ":"))
        return macs(scene).make(Purpose.DEFAULTS, owner_id, text)

    for mac in (secrets.token_bytes(32), genuine({}), FORGED_CODES["of a genuine type"](scene)):
        write(DEFAULTS, mac)
        with alarmed(scene, "organisation_defaults"):
            assert mallory.pull(production).status == 403
    write(DEFAULTS, genuine(DEFAULTS))
    assert mallory.pull(production).status == 200


def test_an_edited_environment_type_counts_as_protected(
    scene: Scene, mallory: Client, production: Place, forged: Callable[..., None]
) -> None:
    """Production made a development environment, by its name for the type alone or with the code of another
    environment, stays protected and alarms; development with a broken code becomes protected as well."""
    vault, environment, _, _ = ids(scene, production)
    other = scene.sql("SELECT type_mac FROM environments WHERE name = 'development'")[0][0]
    for mac in (None, other, secrets.token_bytes(32)):
        forged("UPDATE environments SET type = 'development' WHERE id = %s", environment)
        if mac is not None:
            forged("UPDATE environments SET type_mac = %s WHERE id = %s", mac, environment)
        with alarmed(scene, "environment_type"):
            assert mallory.pull(production).status == 403
    genuine = macs(scene).make(Purpose.ENVIRONMENT_TYPE, vault, environment, "development")
    forged("UPDATE environments SET type_mac = %s WHERE id = %s", genuine, environment)
    assert mallory.pull(production).status == 200
    forged("UPDATE environments SET type_mac = %s WHERE name = 'development'", secrets.token_bytes(32))
    with alarmed(scene, "environment_type"):
        assert mallory.pull(Place(scene.repositories[0])).status == 403


def test_a_forged_session_signs_nobody_in(scene: Scene, owner: Client, production: Place) -> None:
    """A session row made for somebody else is worth nothing without the signature: neither its id, nor tokens without
    or with another signature get in; with the backend's secret the same row would have."""
    assert owner.token
    person, number = user_of(scene, scene.owner)
    session = uuid4()
    scene.sql(
        "INSERT INTO sessions (id, user_id, kind, created_at, expires_at)"
        " VALUES (%s, %s, 'cli', now(), now() + interval '1 day')",
        session,
        person,
    )
    claims = jwt.decode(owner.token, options={"verify_signature": False}) | {"sid": str(session)}
    assert (claims["sub"], claims["forgeUserId"]) == (str(person), str(number))
    head, _, signature = owner.token.split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    tries = [
        str(session),
        session.hex,
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "x" * 40, algorithm="HS256"),
        jwt.encode(claims, str(session), algorithm="HS256", headers={"kid": "../../dev/null"}),
        f"{head}.{body}.{signature}",
        f"{head}.{body}.",
    ]
    assert {Client(owner.base, one).pull(production).status for one in tries} == {401}
    real = jwt.encode(claims, scene.stack.instance.jwt_secret, algorithm="HS256")
    assert Client(owner.base, real).pull(production).status == 200


def test_a_session_row_given_to_somebody_else_gives_no_rights(
    scene: Scene, owner: Client, mallory: Client, production: Place
) -> None:
    """When the row of one's session, or one's own row, is rewritten to be somebody else's, the token still stands for
    nobody but its subject."""
    assert owner.token
    victim, number = user_of(scene, scene.owner)
    mine = jwt.decode(mallory.token, options={"verify_signature": False})
    scene.sql("UPDATE sessions SET user_id = %s WHERE id = %s", victim, mine["sid"])
    assert mallory.pull(production).status == 401
    assert mallory.request("GET", "/v1/users/me").status == 401
    scene.sql("UPDATE sessions SET user_id = %s WHERE id = %s", mine["sub"], mine["sid"])
    scene.sql("UPDATE users SET github_user_id = 1 WHERE id = %s", victim)
    scene.sql("UPDATE users SET github_user_id = %s WHERE id = %s", number, mine["sub"])
    try:
        assert mallory.pull(production).status in {401, 403}
    finally:
        scene.sql("UPDATE users SET github_user_id = %s WHERE id = %s", int(mine["forgeUserId"]), mine["sub"])
        scene.sql("UPDATE users SET github_user_id = %s WHERE id = %s", number, victim)
    assert mallory.pull(production).status == 403


def test_no_value_of_any_column_is_a_credential(scene: Scene, owner: Client) -> None:
    """Every value of every column of every table, in each form that a header can carry, is refused as a bearer token
    and signs in no device; a real token in the same run is accepted."""
    assert _bearer_status(owner.base, owner.token) == 200
    candidates = sorted(_all_values(scene))
    assert len(candidates) > 100
    with ThreadPoolExecutor(4) as pool:
        statuses = set(pool.map(lambda one: _bearer_status(owner.base, one), candidates))
        polled = set(pool.map(lambda one: _poll_status(owner.base, one), candidates))
    assert statuses == {401}
    assert polled <= {"expired", "denied"}


def _bearer_status(base: str, candidate: str) -> int:
    return wire.send(base, wire.Call("GET", "/v1/users/me", (wire.bearer(candidate),))).status


def _poll_status(base: str, candidate: str) -> str:
    answer = wire.send(base, wire.Call("POST", "/v1/auth/device/poll", body={"deviceCode": candidate}))
    return str(answer.json().get("status"))


def _all_values(scene: Scene) -> set[str]:
    """Texts of all columns, and for bytes their hex, base64 and plain forms, as far as a header takes them."""
    found: set[str] = set()
    for (table,) in scene.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        for row in scene.sql(f'SELECT * FROM "{table}"'):
            for value in row:
                found |= _spellings(value)
    return {text for text in found if text.strip() and text.isascii() and text.isprintable() and len(text) <= 4_000}


def _spellings(value: Any) -> set[str]:
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        encoded = base64.b64encode(raw).decode()
        return {raw.hex(), encoded, encoded.rstrip("="), raw.decode("latin-1")}
    if isinstance(value, UUID):
        return {str(value), value.hex}
    if isinstance(value, dict | list):
        return {json.dumps(value), *(text for part in value for text in _spellings(part))}
    return set() if value is None else {str(value)}


def test_a_swapped_key_check_is_noticed_at_the_next_start(scene: Scene, owner: Client) -> None:
    """With the key check value exchanged for another ciphertext of the same installation the backend does not start,
    says which variable it is about, and starts again when the value is back."""
    assert owner.token
    kept = scene.value("SELECT key_check FROM instance")
    scene.sql("UPDATE instance SET key_check = (SELECT access_sealed FROM github_tokens LIMIT 1)")
    scene.stack.backend.kill()
    with pytest.raises(ProcessError, match="ENCRYPTION_KEY"):
        scene.stack.backend.start()
    scene.sql("UPDATE instance SET key_check = %s", kept)
    scene.stack.backend.start()
    assert owner.pull(Place(scene.repositories[0])).status == 200
