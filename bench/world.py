"""An installation with people, vaults and history in it, made for measuring.

Vaults that are read are made through the API; their history is written straight into the tables, sealed by the crypto
package with the installation's own key, because half a million pushes would take longer than the measurements.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
from keyway_backend.platform.ids import new_id, new_id_of
from keyway_crypto import envelope, manifest
from keyway_crypto.envelope import Scope
from keyway_crypto.keyring import KeyRing
from keyway_standalone.processes import Stack

KEYS = 100
ENVIRONMENT = "development"
PEOPLE = 200
_TEAMS = 10
_LOGIN = "bench-owner"


@dataclass(frozen=True, slots=True)
class Place:
    """One environment that is read."""

    full_name: str
    vault_id: UUID
    environment_id: UUID
    repository_id: int


@dataclass(slots=True)
class World:
    """A running stack with one signed-in person who owns `places`, in an organisation where one is named."""

    stack: Stack
    token: str = ""
    places: list[Place] = field(default_factory=list)
    login: str = _LOGIN
    organization: str = ""

    @property
    def owner(self) -> str:
        """Whose repositories they are."""
        return self.organization or self.login

    def client(self) -> httpx.Client:
        """HTTP with the person's credential."""
        headers = {"Authorization": f"Bearer {self.token}", "User-Agent": "keyway-cli/bench"}
        return httpx.Client(base_url=self.stack.api_url, headers=headers, trust_env=False, timeout=60)

    @property
    def port(self) -> int:
        """The public port."""
        return self.stack.ports["backend"]

    def sign_in(self) -> None:
        """Makes the person, the App's installation, and a session by the device flow."""
        self.stack.control.do("create-user", login=self.login)
        if self.organization:
            self.stack.control.do("create-org", login=self.organization, admin=self.login)
        self.stack.control.do("install", login=self.owner)
        with httpx.Client(base_url=self.stack.api_url, trust_env=False, timeout=30) as http:
            begun = http.post("/v1/auth/device/start", json={}).raise_for_status().json()
            self.stack.control.do("decide-device", user_code=begun["userCode"], login=self.login)
            polled = (
                http.post("/v1/auth/device/poll", json={"deviceCode": begun["deviceCode"]}).raise_for_status().json()
            )
        self.token = polled["keywayToken"]

    def create_vaults(self, count: int) -> None:
        """Repositories at GitHub, and a vault for each."""
        with self.client() as http:
            for number in range(len(self.places), len(self.places) + count):
                full_name = f"{self.owner}/service-{number}"
                repository = self.stack.control.do("create-repo", repo=full_name)
                made = http.post("/v1/vaults", json={"repoFullName": full_name}).raise_for_status().json()["data"]
                vault_id = UUID(made["vaultId"])
                environment_id = self._environment_id(vault_id)
                self.places.append(Place(full_name, vault_id, environment_id, repository["id"]))

    def _environment_id(self, vault_id: UUID) -> UUID:
        with self.database() as connection:
            row = connection.execute(
                "SELECT id FROM environments WHERE vault_id = %s AND name = %s", (vault_id, ENVIRONMENT)
            ).fetchone()
        assert row is not None
        found: UUID = row[0]
        return found

    def database(self) -> psycopg.Connection[Any]:
        """As the database's own administrator."""
        return psycopg.connect(self.stack.superuser_database_url)

    def scope(self, place: Place) -> Scope:
        """Where the values of a place belong."""
        with self.database() as connection:
            row = connection.execute("SELECT id FROM instance").fetchone()
        assert row is not None
        return Scope("secret", row[0].bytes, place.vault_id.bytes, place.repository_id, place.environment_id.bytes)

    def ring(self) -> KeyRing:
        """The installation's key, from its file."""
        return KeyRing({1: bytes.fromhex(self.stack.folder.encryption_key.read_text().strip())}, active=1)

    def cli_environment(self, folder: Path) -> dict[str, str]:
        """Variables of a person at a terminal, signed in by a token in a file."""
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        return {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "KEYWAY_API_URL": self.stack.api_url,
            "KEYWAY_GITHUB_URL": self.stack.github_url,
            "KEYWAY_TOKEN": self.token,
        }

    def work_tree(self, folder: Path) -> Path:
        """A git work tree of the first repository."""
        tree = folder / "tree"
        subprocess.run(["git", "init", "-q", str(tree)], check=True)
        remote = f"{self.stack.github_url}/{self.places[0].full_name}.git"
        subprocess.run(["git", "-C", str(tree), "remote", "add", "origin", remote], check=True)
        (tree / ".gitignore").write_text(".env*\n")
        return tree


def open_world(stack: ExitStack, folder: Path, *, login: str = _LOGIN, organization: str = "", **options: Any) -> World:
    """A started stack with a signed-in person; stopped with `stack`."""
    # One person loads the server: the limit per credential is counted and never reached.
    environment = {"RATE_LIMIT_PER_CREDENTIAL": "1000000000", **options.pop("backend_env", {})}
    started = stack.enter_context(Stack(folder, backend_env=environment, **options))
    world = World(started, login=login, organization=organization)
    world.sign_in()
    return world


def names(count: int) -> list[str]:
    """Key names of ordinary length."""
    return [f"SERVICE_SETTING_{number:04}" for number in range(count)]


def push(world: World, place: Place, count: int) -> None:
    """Values of ordinary length, through the API."""
    secrets = {name: f"value-of-{name}-{number:030}" for number, name in enumerate(names(count))}
    body = {"repoFullName": place.full_name, "environment": ENVIRONMENT, "mode": "merge", "secrets": secrets}
    with world.client() as http:
        http.post("/v1/secrets/push", json=body).raise_for_status()


# history written straight into the tables ----------------------------------------------------------------------------


@dataclass(slots=True)
class _Row:
    """One value row to be: written at `moment` of the history, closed by the next one of its key."""

    id: UUID
    secret_id: UUID
    environment_id: UUID
    key: str
    since: int
    until: int | None
    sealed: bytes


def write_history(world: World, *, revisions: int, fillers: int, events: int, seed: int = 7, keys: int = KEYS) -> None:
    """Gives every place a history of `keys` secrets, and the database `fillers` other vaults and `events` audit rows.

    Rows are written in the order of their time, all vaults interleaved, so that neighbours in an environment are
    strangers on disk: what years of use leave behind.
    """
    chance = random.Random(seed)
    ring, heads, rows = world.ring(), [], []
    for place in world.places:
        made, head = _history(world.scope(place), ring, place, revisions, names(keys), chance)
        rows += made
        heads.append(head)
    others = _fillers(world, fillers, chance)
    rows += others
    chance.shuffle(rows)
    with world.database() as connection:
        _copy_rows(connection, rows, world.places)
        _advance(connection, heads, revisions)
        _copy_events(connection, world, events, chance, revisions)
    with psycopg.connect(world.stack.superuser_database_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _history(
    scope: Scope, ring: KeyRing, place: Place, revisions: int, keys: Sequence[str], chance: random.Random
) -> tuple[list[_Row], tuple[UUID, UUID, bytes]]:
    """A value for each key at revision 1, then one key changed per revision; the head's id and manifest."""
    identities = {key: new_id() for key in keys}
    changes = [(1, key) for key in keys] + [(number, chance.choice(keys)) for number in range(2, revisions + 1)]
    ids = [new_id_of(identities[key]) for _, key in changes]
    items = envelope.entries([key for _, key in changes], [made.bytes for made in ids])
    texts = [f"value-of-{key}-{number:030}".encode() for number, key in changes]
    sealed = envelope.seal(ring, scope, items, texts)
    last: dict[str, _Row] = {}
    rows = []
    for (number, key), made, blob in zip(changes, ids, sealed, strict=True):
        if key in last:
            last[key].until = number
        last[key] = _Row(made, identities[key], place.environment_id, key, number, None, blob)
        rows.append(last[key])
    live_keys, live_ids = list(last), [row.id.bytes for row in last.values()]
    genesis = manifest.verify(ring, scope, revision=0, keys=[], places=[], mac=b"")
    members = dict(zip(live_keys, envelope.entries(live_keys, live_ids), strict=True))
    return rows, (place.environment_id, new_id(), manifest.follow(ring, genesis, revisions, [], members))


def _fillers(world: World, count: int, chance: random.Random) -> list[_Row]:
    """Vaults of other people. Nobody reads them, so what fills their rows is noise of the usual size."""
    moment = datetime.now(UTC)
    vaults = [(new_id(), new_id(), 2**41 + number) for number in range(count)]
    with world.database() as connection, connection.cursor() as cursor:
        columns = "id, github_repo_id, github_owner_id, owner_login, repo_name, private, created_by_github_user_id"
        with cursor.copy(f"COPY vaults ({columns}, created_at, updated_at) FROM STDIN") as copy:
            for number, (vault, _, repository) in enumerate(vaults):
                copy.write_row(
                    (vault, repository, repository, f"org-{number % 500}", f"other-{number}", True, 1, moment, moment)
                )
        columns = "id, vault_id, name, type, type_mac, display_order, head_revision_id, manifest, created_at"
        with cursor.copy(f"COPY environments ({columns}) FROM STDIN") as copy:
            for vault, environment, _ in vaults:
                copy.write_row((environment, vault, ENVIRONMENT, "development", b"", 0, new_id(), b"", moment))
    rows = []
    for _, environment, _ in vaults:
        noise = chance.randbytes(95 * KEYS)
        rows += [
            _Row(new_id(), new_id(), environment, key, 1, None, noise[at * 95 : at * 95 + 95])
            for at, key in enumerate(names(KEYS))
        ]
    return rows


def _copy_rows(connection: psycopg.Connection[Any], rows: Sequence[_Row], places: Sequence[Place]) -> None:
    moment = datetime.now(UTC)
    vault_of = {place.environment_id: place.vault_id for place in places}
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE identity (id uuid, environment_id uuid, label text)")
        with cursor.copy("COPY identity FROM STDIN") as copy:
            for identity, environment, label in {(row.secret_id, row.environment_id, row.key) for row in rows}:
                copy.write_row((identity, environment, label))
        cursor.execute(
            "INSERT INTO secrets (id, vault_id, label)"
            " SELECT i.id, e.vault_id, i.label FROM identity i JOIN environments e ON e.id = i.environment_id"
        )
        assert all(vault_of.values())
        columns = "id, secret_id, environment_id, key, from_revision, to_revision, sealed, key_version, created_at"
        with cursor.copy(f"COPY secret_values ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(
                    (row.id, row.secret_id, row.environment_id, row.key, row.since, row.until, row.sealed, 1, moment)
                )


def _advance(connection: psycopg.Connection[Any], heads: Sequence[tuple[UUID, UUID, bytes]], number: int) -> None:
    columns = "id, environment_id, number, author_github_user_id, credential_kind, credential_id, source"
    moment = datetime.now(UTC)
    with connection.cursor() as cursor:
        for environment, revision, mac in heads:
            cursor.execute(
                "UPDATE environments SET head_revision = %s, head_revision_id = %s, manifest = %s WHERE id = %s",
                (number, revision, mac, environment),
            )
        with cursor.copy(f"COPY revisions ({columns}, created, updated, deleted, created_at) FROM STDIN") as copy:
            for step in range(1, number + 1):
                for environment, revision, _ in heads:
                    made = revision if step == number else new_id()
                    copy.write_row((made, environment, step, 1, "session", made, "cli", 0, 1, 0, moment))


def _copy_events(
    connection: psycopg.Connection[Any], world: World, count: int, chance: random.Random, revisions: int
) -> None:
    """Reads of a year. Everybody reads what their team has, and now and then something else; a tenth reads one key."""
    columns = "id, at, action, platform, source, request_id, credential_id, vault_id, environment_id, revision"
    people = [(new_id(), 2**42 + number, f"person-{number}") for number in range(PEOPLE)]
    start, step = datetime.now(UTC) - timedelta(days=300), timedelta(days=299) / max(count, 1)
    more = "actor_user_id, actor_github_user_id, actor_login, keys, details"
    with connection.cursor() as cursor, cursor.copy(f"COPY audit_events ({columns}, {more}) FROM STDIN") as copy:
        for number in range(count):
            at = chance.randrange(PEOPLE)
            person, forge, login = people[at]
            team = world.places[at % _TEAMS :: _TEAMS] or world.places
            place = chance.choice(team if chance.random() < 0.95 else world.places)
            one = chance.random() < 0.1
            action, keys = ("secret_value_accessed", names(1)) if one else ("secrets_pulled", None)
            here = (place.vault_id, place.environment_id, chance.randint(1, revisions))
            row = (new_id(), start + number * step, action, "cli", "cli", "bench", person, *here)
            copy.write_row((*row, person, forge, login, keys, '{"role": "write"}'))


def settle(seconds: float = 1.0) -> None:
    """Lets the machine come to rest between two measurements."""
    time.sleep(seconds)


def in_turn(rounds: int, *labels: str) -> Iterator[tuple[int, str]]:
    """Interleaves what is compared, the order reversed every other round, so that drift hits all alike."""
    for number in range(rounds):
        yield from ((number, label) for label in (labels if number % 2 == 0 else reversed(labels)))
