"""Two hundred values go through every door of the system, also the wrong ones, and lie nowhere but sealed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.invariants.api import Client, Place
from tests.invariants.hunt import (
    SPELLINGS,
    Find,
    Hunt,
    arguments_of,
    canary,
    environment_of,
    family,
    key_spellings,
    spelt,
)
from tests.invariants.scene import Scene, opened
from tests.oracle import wire

CANARIES: Final = 200
LOUD: Final = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_min_messages": "debug1",
    "wal_keep_size": "1GB",
}
# GitHub's tokens, and session tokens: any of them, not only those that we know of.
TOKENS: Final = re.compile(rb"gh[oprsu]_[A-Za-z0-9]{36}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the files of all processes")


@dataclass
class Told:
    """What the system told in refusals, and a program's output, all of it."""

    answers: bytearray = field(default_factory=bytearray)
    output: bytearray = field(default_factory=bytearray)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """An installation that logs all that it can."""
    loud = {"LOG_LEVEL": "debug"}
    with opened(cold=True, vaults=1, postgres_options=LOUD, backend_env=loud, crypto_env=loud) as made:
        yield made


@pytest.fixture(scope="module")
def client(scene: Scene) -> Client:
    """Who owns the values."""
    return scene.session()


@pytest.fixture(scope="module")
def canaries() -> dict[str, str]:
    """The values, by key name."""
    return {f"CANARY_{number:03}": canary() for number in range(CANARIES)}


@pytest.fixture(scope="module")
def told(scene: Scene, client: Client, canaries: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Sends all values through all doors."""
    told = Told()
    names = list(canaries)
    batches = [{name: canaries[name] for name in names[start : start + 40]} for start in range(0, CANARIES, 40)]
    place = scene.places[0]
    push_and_read(client, place, batches[0], mode="merge")
    push_and_read(client, Place(place.repository, "staging"), batches[1], mode="")
    by_command_line(scene, client, batches[2], tmp_path_factory.mktemp("leaks"), told)
    push_wrongly(client, place, batches[3], told)
    push_into_trouble(scene, client, place, batches[4], told)
    return told


def push_and_read(client: Client, place: Place, values: dict[str, str], *, mode: str) -> None:
    """In, changed once, and out in every form."""
    assert client.push(place, dict.fromkeys(values, "before"), mode=mode).status == 200
    assert client.push(place, values, mode=mode).status == 200
    assert client.pull(place).data["secrets"] == values
    query = f"repo={place.repository}&environment={place.environment}"
    assert client.request("GET", f"/v1/secrets/pull?{query}").status == 200
    for key, value in list(values.items())[:3]:
        assert client.request("GET", f"/v1/secrets/view?{query}&key={key}").data["value"] == value


def by_command_line(scene: Scene, client: Client, values: dict[str, str], folder: Path, told: Told) -> None:
    """Through the program that people use: push, pull, run, set."""
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in values.items()))
    known = {
        "KEYWAY_API_URL": client.base,
        "KEYWAY_TOKEN": client.token,
        "KEYWAY_REPOSITORY": scene.repositories[0],
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
    }
    for arguments in (
        ["push", "-e", "production", "-f", ".env", "-y"],
        ["pull", "-e", "production", "-f", "pulled.env", "-y"],
        ["run", "-e", "production", "--", sys.executable, "-c", "import os; assert 'CANARY_080' in os.environ"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "keyway_cli", *arguments],
            cwd=folder, env=known, stdin=subprocess.DEVNULL, capture_output=True, timeout=90, check=False,
        )  # fmt: skip
        told.output += done.stdout + done.stderr
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert next(iter(values.values())) in (folder / "pulled.env").read_text()


def push_wrongly(client: Client, place: Place, values: dict[str, str], told: Told) -> None:
    """In every wrong shape: each must be refused."""
    address = {"repoFullName": place.repository, "environment": place.environment}
    given = iter(values.values())
    bearer = (wire.bearer(client.token), ("Content-Type", "application/json"))

    def send(form: bytes, *, path: str = "/v1/secrets/push", headers: tuple[wire.Header, ...] = bearer) -> None:
        answer = wire.send(client.base, wire.Call("POST", path, headers, form=form))
        told.answers.extend(answer.raw)
        assert 400 <= answer.status < 500, answer

    for wrap in WRONG_SHAPES:
        send(json.dumps(wrap(address, next(given))).encode())
    for wrap in WRONG_NAMES:
        wire.send(client.base, wire.Call("POST", "/v1/secrets/push", bearer, wrap(address, next(given))))
    send(json.dumps(address).encode()[:-1] + f', "secrets": {{"A": "{next(given)}"'.encode())
    send(f'{{"secrets": {{"A": "{next(given)}\\ud800"}}'.encode() + b"\xff\xfe}")
    send(next(given).encode(), headers=(bearer[0], ("Content-Type", "text/plain")))
    send(f"secrets={next(given)}".encode(), headers=(bearer[0], ("Content-Type", "application/x-www-form-urlencoded")))
    send(json.dumps({**address, "secrets": {"A": next(given) + "x" * 12_600_000}}).encode())
    send(json.dumps(next(given)).encode(), path="/v1/vaults")
    send(json.dumps({"deviceCode": [next(given)]}).encode(), path="/v1/auth/device/poll")
    for where in ("repo", "environment", "key"):
        query = {"repo": place.repository, "environment": place.environment, "key": "A"} | {where: next(given)}
        path = "/v1/secrets/view?" + "&".join(f"{name}={value}" for name, value in query.items())
        assert wire.send(client.base, wire.Call("GET", path, bearer)).status >= 400
    for value in given:
        send(json.dumps({**address, "secrets": {"PATH": value, "A": value + "\0"}}).encode())


WRONG_SHAPES: Final[tuple[Callable[[dict[str, str], str], Any], ...]] = (
    lambda address, value: {**address, "secrets": {"A": [value]}},
    lambda address, value: {**address, "secrets": {"A": {"deep": {"deeper": value}}}},
    lambda address, value: {**address, "secrets": [value]},
    lambda address, value: {**address, "secrets": value},
    lambda address, value: {**address, "secrets": {"not a name": value}},
    lambda address, value: {**address, "secrets": {"A": value + "\0"}},
    lambda address, value: {**address, "secrets": {"A": value * 1_300}},
    lambda address, value: {**address, "mode": value, "secrets": {"A": value}},
    lambda address, value: {**address, "mode": "merge", "delete": [value], "secrets": {}},
    lambda address, value: {**address, "mode": "merge", "message": [value], "secrets": {"A": value}},
    lambda address, value: [address, value],
    lambda _address, value: {"secrets": {"A": value}},
)
"""How a value can stand where none belongs, or where it cannot be stored."""
WRONG_NAMES: Final[tuple[Callable[[dict[str, str], str], Any], ...]] = (
    lambda address, value: {**address, "secrets": {value: "as a key"}},
    lambda address, value: {**address, "environment": value, "secrets": {"A": "1"}},
    lambda address, value: {**address, "repoFullName": value, "secrets": {"A": "1"}},
)
"""A value in the place of a name. A refusal may repeat a name, so its text is not searched; everything else is."""


def push_into_trouble(scene: Scene, client: Client, place: Place, values: dict[str, str], told: Told) -> None:
    """While crypto or the database cannot answer, and while the database refuses to write."""
    stack = scene.stack
    for process in (stack.crypto, stack.postgres):
        process.kill()
        answer = client.push(place, values, mode="merge")
        told.answers += json.dumps(answer.body).encode()
        assert answer.status == 503
        process.start()
    stack.backend.wait_ready()
    scene.sql("ALTER TABLE secret_values ADD CONSTRAINT refuse_all CHECK (key = '') NOT VALID")
    answer = client.push(place, values, mode="merge")
    told.answers += json.dumps(answer.body).encode()
    assert answer.status == 503
    scene.sql("ALTER TABLE secret_values DROP CONSTRAINT refuse_all")


@dataclass(frozen=True)
class Searched:
    """A place: how a control is planted there, and how it is searched. `text`: only what is text can lie there."""

    name: str
    plant: Callable[[list[bytes]], object]
    search: Callable[[Hunt], set[Find]]
    text: bool = False

    def controls(self) -> dict[str, str]:
        """A needle for every spelling that can lie here."""
        possible = SPELLINGS - {"utf-16"} if self.text else SPELLINGS
        return {f"{self.name}, {spelling}": canary() for spelling in possible}

    def keys(self) -> dict[str, bytes]:
        """A key of our own in every spelling that can lie here."""
        spellings = key_spellings(os.urandom(32))
        return {f"key at {self.name}, {form}": one for form, one in spellings.items() if not self.text or form != "raw"}


def stored(scene: Scene, name: str, files: Callable[[Path], bool]) -> Searched:
    """Files of the database cluster."""
    root = scene.stack.postgres.folder

    def search(hunt: Hunt) -> set[Find]:
        scene.sql("CHECKPOINT")
        return hunt.search_files(name, [file for file in root.rglob("*") if file.is_file() and files(file)])

    return Searched(name, lambda planted: plant_rows(scene, planted), search)


def plant_rows(scene: Scene, planted: list[bytes]) -> None:
    """Rows with these bytes in a column; each twice, for a page of the write-ahead log may end within one of them."""
    scene.sql("CREATE TABLE IF NOT EXISTS planted (bytes bytea)")
    for one in planted * 2:
        scene.sql("INSERT INTO planted VALUES (%s)", one)


def dumped(scene: Scene) -> Searched:
    """All tables as COPY gives them, as text and in binary."""

    def search(hunt: Hunt) -> set[Find]:
        found: set[Find] = set()
        tables = [row[0] for row in scene.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        with psycopg.connect(scene.stack.superuser_database_url) as connection:
            for table, form in product(tables, ("text", "binary")):
                statement = f'COPY "{table}" TO STDOUT (FORMAT {form})'
                with connection.cursor().copy(statement.encode()) as copy:
                    found |= hunt.search("dump", b"".join(bytes(part) for part in copy))
        return found

    return Searched("dump", lambda planted: plant_rows(scene, planted), search)


def logged(path: Path) -> Searched:
    """The log of one process."""

    def plant(planted: list[bytes]) -> None:
        with path.open("ab") as file:
            file.write(b"\n".join([*planted, b""]))

    return Searched(path.name, plant, lambda hunt: hunt.search_file(path.name, path))


def of_processes(scene: Scene, cleanup: ExitStack, name: str, read: Callable[[int], bytes]) -> Searched:
    """Environment or arguments of all processes; the control is a process of ours."""
    ours: list[int] = []

    def plant(planted: list[bytes]) -> None:
        environment = {f"PLANTED_{number}": os.fsdecode(one) for number, one in enumerate(planted)}
        arguments = [os.fsdecode(one) for one in planted]
        process = subprocess.Popen(["sleep", "60"], env=environment if name == "environments" else {"PATH": os.defpath})
        if name == "arguments":
            process.kill()
            process.wait()
            process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments])
        cleanup.callback(process.wait)
        cleanup.callback(process.kill)
        ours.append(process.pid)

    def search(hunt: Hunt) -> set[Find]:
        pids = [pid for process in scene.stack.wanted for pid in family(process.pid)] + ours
        return {find for pid in pids for find in hunt.search(name, read(pid))}

    return Searched(name, plant, search, text=True)


def recorded(scene: Scene) -> Searched:
    """The audit rows, column by column."""

    def plant(planted: list[bytes]) -> None:
        for one in planted:
            scene.sql(
                "INSERT INTO audit_events (id, at, action, platform, source, request_id, user_agent)"
                " VALUES (gen_random_uuid(), now(), 'planted', '', '', '', %s)",
                one.decode(),
            )

    def search(hunt: Hunt) -> set[Find]:
        rows = scene.sql("SELECT * FROM audit_events")
        return hunt.search("audit rows", "\n".join(str(column) for row in rows for column in row).encode())

    return Searched("audit rows", plant, search, text=True)


def remembered(scene: Scene, cleanup: ExitStack) -> Searched:
    """What the database server shows of the statements that it ran."""

    def plant(planted: list[bytes]) -> None:
        for one in planted:
            connection = cleanup.enter_context(psycopg.connect(scene.stack.superuser_database_url, autocommit=True))
            connection.execute(b"SELECT '" + one + b"'")

    def search(hunt: Hunt) -> set[Find]:
        rows = scene.sql("SELECT query FROM pg_stat_activity UNION ALL SELECT query FROM statistics.pg_stat_statements")
        return hunt.search("statements", "\n".join(row[0] or "" for row in rows).encode())

    return Searched("statements", plant, search, text=True)


def collected(name: str, data: bytearray) -> Searched:
    """What we received. The control is laid beside it."""
    return Searched(
        name, lambda planted: data.extend(b"\n".join([b"", *planted])), lambda hunt: hunt.search(name, bytes(data))
    )


def credentials(scene: Scene, client: Client) -> dict[str, str]:
    """What lets somebody in, none of which may be stored or logged."""
    instance = scene.stack.instance
    own = {
        "JWT secret": instance.jwt_secret,
        "client secret": instance.client_secret,
        "webhook secret": instance.webhook_secret,
        "App key": instance.app_private_key.splitlines()[5],
        "password of the administrator": instance.superuser_password,
        "password of the owner": instance.owner_password,
        "password of the application": instance.app_password,
        "session token": client.token.rpartition(".")[2],
    }
    return own | {f"device code {number}": code for number, code in enumerate(scene.device_codes)}


def test_no_value_and_no_credential_lies_in_clear_anywhere(
    scene: Scene, client: Client, canaries: dict[str, str], told: Told, report: Callable[[str], None]
) -> None:
    """Of 200 values pushed, pulled, viewed and mistyped, of the credentials and of the key, nothing is found in
    database files, write-ahead log, dump, statements, logs, environments, arguments, audit rows, metrics, refusals and
    output, in no spelling; one control for each place and spelling is found in the same run."""
    hidden = credentials(scene, client)
    assert b"INSERT INTO secret_values" in (scene.stack.log_dir / "postgres.log").read_bytes()
    assert b"/v1/secrets/push" in (scene.stack.log_dir / "backend.log").read_bytes()
    with ExitStack() as cleanup:
        places = all_places(scene, told, cleanup)
        planted, found = search(scene, places, canaries | hidden)
    allowed = {Find(name, "environments") for name in hidden}
    assert planted - found == set()
    assert found - planted - allowed == set()
    looked = f"{len(canaries)} values, {len(hidden)} credentials, {len(places)} places"
    report(f"{looked}: 0 finds, {len(planted)} of {len(planted)} controls found")


def all_places(scene: Scene, told: Told, cleanup: ExitStack) -> list[Searched]:
    """Where a value could have gone."""
    metrics = wire.send(scene.stack.ops_url, wire.Call("GET", "/metrics"), source="127.0.0.1").raw
    return [
        stored(scene, "database files", lambda file: "pg_wal" not in file.parts),
        stored(scene, "write-ahead log", lambda file: "pg_wal" in file.parts),
        dumped(scene),
        *map(logged, sorted(scene.stack.log_dir.glob("*.log"))),
        of_processes(scene, cleanup, "environments", environment_of),
        of_processes(scene, cleanup, "arguments", arguments_of),
        recorded(scene),
        remembered(scene, cleanup),
        collected("metrics", bytearray(metrics)),
        collected("refusals", told.answers),
        collected("output", told.output),
    ]


def search(scene: Scene, places: list[Searched], needles: Mapping[str, str]) -> tuple[set[Find], set[Find]]:
    """Plants the controls of every place and searches all. What was planted, and what was found of all needles; a
    control that shows up in a second place, as a planted row does in the log of statements, is no find there."""
    key = bytes.fromhex(scene.stack.folder.encryption_key.read_text())
    texts, exact = dict(needles), {f"master key, {form}": one for form, one in key_spellings(key).items()}
    planted: set[Find] = set()
    for place in places:
        controls, keys, token = place.controls(), place.keys(), f"ghu_{os.urandom(18).hex()}"
        spellings = [spelt(name.rpartition(", ")[2], text) for name, text in controls.items()]
        place.plant([*spellings, *keys.values(), token.encode()])
        texts |= controls
        exact |= keys
        planted |= {Find(name, place.name) for name in (*controls, *keys, token)}
    hunt = Hunt(texts, exact, TOKENS)
    found = {find for place in places for find in place.search(hunt)}
    controls_only = {find.needle for find in planted}
    return planted, {find for find in found if find in planted or find.needle not in controls_only}
