"""The key is in one process: not in the backend's environment or memory, nor anywhere else that can be looked at."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from keyway_standalone.ports import free_port
from keyway_standalone.process import Process
from keyway_standalone.processes import Stack
from stack import running_stack

from tests.invariants.api import Client, Place
from tests.invariants.hunt import arguments_of, environment_of, family, find_in_memory, key_spellings
from tests.invariants.scene import Scene, opened, restarted, to_its_end, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the memory of other processes")

FORMS: Final = ("ENCRYPTION_KEY", "ENCRYPTION_KEYS", "ENCRYPTION_KEY_FILE", "ENCRYPTION_KEYS_FILE")
TLS_HANDSHAKE: Final = 0x16


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """An installation of its own: this file restarts and misconfigures it."""
    with opened(cold=True, vaults=1) as made:
        yield made


@pytest.fixture(scope="module")
def stack(scene: Scene) -> Stack:
    """Its processes."""
    return scene.stack


@pytest.fixture(scope="module")
def client(scene: Scene) -> Client:
    """Somebody who may read and write."""
    return scene.session()


@pytest.fixture(scope="module")
def key(stack: Stack) -> bytes:
    """The master key of the installation."""
    return bytes.fromhex(stack.folder.encryption_key.read_text())


@contextmanager
def holder(held: dict[str, bytes]) -> Iterator[int]:
    """A process of ours with these bytes in its memory and, as far as they are text, in its environment."""
    program = (
        "import sys; kept = [bytes.fromhex(line) for line in iter(lambda: sys.stdin.readline().strip(), '')];"
        "print('held', flush=True); sys.stdin.read()"
    )
    text = {f"HELD_{n}": value.decode() for n, value in enumerate(held.values()) if value.isascii()}
    process = subprocess.Popen([sys.executable, "-c", program], env=text, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("".join(f"{value.hex()}\n" for value in held.values()).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"held\n"
        yield process.pid
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def test_the_key_is_in_the_memory_of_crypto_alone(scene: Scene, stack: Stack, client: Client, key: bytes) -> None:
    """The memory of backend, database and stand-in holds the key in no spelling; the same search finds it in crypto,
    finds each spelling in a process that holds it, and finds in the backend the secrets that do belong there."""
    place = scene.places[0]
    scene.begin(client, place, {"A": "1"})
    assert client.pull(place).status == 200
    spellings = key_spellings(key)
    own = {"jwt": stack.instance.jwt_secret.encode(), "app": stack.instance.app_private_key.encode()[100:160]}
    assert find_in_memory(family(stack.backend.pid), spellings | own) == set(own)
    assert find_in_memory([*family(stack.postgres.pid), *family(stack.github.pid)], spellings) == set()
    assert "raw" in find_in_memory(family(stack.crypto.pid), spellings)
    with holder(spellings) as pid:
        assert find_in_memory([pid], spellings) == set(spellings)


def test_the_key_is_in_no_environment_and_no_argument(stack: Stack, key: bytes) -> None:
    """No process of the installation, crypto included, has the key in its environment or arguments; the same search
    finds it in the environment of a process that has it."""
    spellings = {name: spelt for name, spelt in key_spellings(key).items() if name != "raw"}

    def shown_by(pid: int) -> set[str]:
        told = environment_of(pid) + b"\0" + arguments_of(pid)
        return {name for name, spelt in spellings.items() if spelt in told}

    for process in stack.wanted:
        assert [shown_by(pid) for pid in family(process.pid)] == [set() for _ in family(process.pid)], process.name
    with holder(spellings) as pid:
        assert shown_by(pid) == set(spellings)


def test_crypto_leaves_no_core_and_cannot_be_read_by_its_own_user(stack: Stack) -> None:
    """Crypto writes no core file and is not dumpable: another process of the same user may not open its memory, while
    it may open that of an ordinary process."""
    limits = Path(f"/proc/{stack.crypto.pid}/limits").read_text()
    assert re.search(r"^Max core file size\s+0\s+0\s", limits, re.MULTILINE)
    account = stack.crypto.account.uid
    ordinary = subprocess.Popen(["sleep", "60"], user=account, group=account, extra_groups=())
    try:
        assert _may_read_memory(ordinary.pid, account)
        assert not _may_read_memory(stack.crypto.pid, account)
    finally:
        ordinary.kill()
        ordinary.wait()


def _may_read_memory(pid: int, account: int | None) -> bool:
    done = subprocess.run(
        ["head", "-c", "0", f"/proc/{pid}/mem"],
        user=account,
        group=account,
        extra_groups=(),
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.mark.parametrize("forms", [FORMS[:1], FORMS[1:]])
def test_the_backend_refuses_to_be_given_the_key(
    stack: Stack, key: bytes, tmp_path: Path, forms: tuple[str, ...]
) -> None:
    """Given the key in any of its four forms the backend ends with an error, one line for each, that names the variable
    and does not repeat the value."""
    file = tmp_path / "key"
    file.write_text(key.hex())
    plain = {"ENCRYPTION_KEY": key.hex(), "ENCRYPTION_KEYS": f"1:{key.hex()}"}
    code, text = to_its_end(stack.backend, {form: plain.get(form, str(file)) for form in forms})
    assert code > 0
    assert [re.findall(r"ENCRYPTION_\w+(?=:)", line) for line in text.splitlines()] == [[form] for form in forms]
    assert key.hex() not in text.lower()


def test_the_backend_does_not_use_a_crypto_service_of_another_authority(stack: Stack, key: bytes) -> None:
    """A crypto service with the right key and a certificate of another authority is not spoken to; with that
    authority's certificates the same backend becomes ready, so nothing but the certificate was in its way."""
    with opened_crypto(key) as other:
        folder = other.certificates_dir
        trusting = {
            "CRYPTO_TLS_CA_PATH": str(folder / "ca.crt"),
            "CRYPTO_TLS_CERT_PATH": str(folder / "backend.crt"),
            "CRYPTO_TLS_KEY_PATH": str(folder / "backend.key"),
        }
        with another_backend(stack, {"CRYPTO_SERVICE_URL": other.crypto_address}) as suspicious:
            until(lambda: b"crypto_unavailable" in suspicious.log_path.read_bytes())
            assert not suspicious.ready()
        with another_backend(stack, {"CRYPTO_SERVICE_URL": other.crypto_address} | trusting) as content:
            content.wait_ready()


@contextmanager
def opened_crypto(key: bytes) -> Iterator[Stack]:
    """Another installation's crypto service, with this key."""
    given = {"ENCRYPTION_KEY": key.hex(), "ENCRYPTION_KEY_FILE": None}
    with running_stack(only={"crypto"}, crypto_env=given) as other:
        yield other


def test_the_backend_says_nothing_in_clear_to_whoever_stands_in_for_crypto(stack: Stack) -> None:
    """To a server without TLS the backend sends TLS handshakes and nothing else, and does not become ready."""
    with (
        eavesdropper() as (port, heard),
        another_backend(stack, {"CRYPTO_SERVICE_URL": f"127.0.0.1:{port}"}) as backend,
    ):
        until(lambda: len(heard) > 1)
        assert not backend.ready()
    assert {first[0] for first in heard} == {TLS_HANDSHAKE}
    assert not any(b"HTTP/2" in first for first in heard)


@contextmanager
def eavesdropper() -> Iterator[tuple[int, list[bytes]]]:
    """A TCP server that hears, answers like an HTTP/2 server without TLS would, and keeps what came first."""
    heard: list[bytes] = []

    def listen() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.settimeout(1)
                    heard.append(connection.recv(4096) or b"\0")
                    connection.sendall(b"\0\0\0\4\0\0\0\0\0")

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield server.getsockname()[1], heard
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@contextmanager
def another_backend(stack: Stack, environment: dict[str, str]) -> Iterator[Process]:
    """A second backend of the installation, on ports of its own, with other variables. Started, not waited for."""
    port, ops = free_port(), free_port()
    made = Process(
        "backend", stack.backend.account, stack.log_dir / f"backend-{port}.log", stack.backend.command, ready_at(ops)
    )
    made.environment.update({"PORT": str(port), "OPS_PORT": str(ops)} | environment)
    made.launch()
    try:
        yield made
    finally:
        made.kill()


def ready_at(ops_port: int) -> Callable[[], bool]:
    """Asks /readyz of an ops port."""

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ops_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    return ready


STORED = ("crypto_keys", "environments", "instance", "revisions", "secret_values", "secrets", "vaults")


def dump(scene: Scene, tables: Sequence[str] = ()) -> dict[str, list[str]]:
    """Every row of these tables, or of all of ours, as text."""
    every = scene.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    names = tables or [name for (name,) in every]
    return {name: [row[0] for row in scene.sql(f'SELECT t::text FROM "{name}" t ORDER BY 1')] for name in names}


def test_the_wrong_key_is_refused_by_its_fingerprint_and_nothing_is_written(
    scene: Scene, stack: Stack, client: Client
) -> None:
    """With another key than that of the first start a running backend serves and stores no value, a starting one ends
    with a line that names the fingerprint it wants and not the key, and every row of every table is as it was."""
    place, empty = scene.places[0], Place(scene.repositories[0], "staging")
    scene.begin(client, place, {"A": "under the right key"})
    wanted = scene.value("SELECT fingerprint FROM crypto_keys WHERE version = 1")
    wrong = secrets.token_hex(32)
    before = dump(scene, STORED)
    restarted(stack.crypto, {"ENCRYPTION_KEY_FILE": None, "ENCRYPTION_KEY": wrong})
    try:
        assert client.pull(place).status == 503
        assert client.push(place, {"A": "2"}, mode="merge").status == 503
        assert client.push(empty, {"A": "2"}, mode="merge").status == 503
        stack.backend.kill()
        assert dump(scene, STORED) == before
        everything = dump(scene)
        code, text = to_its_end(stack.backend, {})
        assert code > 0
        assert wanted in text
        assert wrong not in text
        assert dump(scene) == everything
    finally:
        restarted(stack.crypto, {"ENCRYPTION_KEY_FILE": str(stack.folder.encryption_key), "ENCRYPTION_KEY": None})
        stack.backend.start()
    assert client.pull(place).data["secrets"] == {"A": "under the right key"}


def test_values_under_the_first_key_are_read_on_when_a_second_seals(
    scene: Scene, stack: Stack, client: Client, key: bytes
) -> None:
    """After key 2 was added and activated, what was sealed under key 1 is read, what is new is sealed under 2, and the
    stored bytes say so."""
    place = scene.places[0]
    scene.begin(client, place, {"OLD": "sealed under one"})
    two = {"ENCRYPTION_KEY_FILE": None, "ENCRYPTION_KEYS": f"1:{key.hex()},2:{secrets.token_hex(32)}"}
    restarted(stack.crypto, two | {"ENCRYPTION_KEY_ACTIVE": "1"})
    assert client.push(place, {"BETWEEN": "still under one"}, mode="merge").status == 200
    restarted(stack.crypto, two | {"ENCRYPTION_KEY_ACTIVE": "2"})
    assert client.pull(place).data["secrets"] == {"OLD": "sealed under one", "BETWEEN": "still under one"}
    assert client.push(place, {"NEW": "sealed under two"}, mode="merge").status == 200
    restarted(stack.backend)
    assert client.pull(place).data["secrets"]["NEW"] == "sealed under two"
    found = scene.sql(
        "SELECT key, get_byte(sealed, 1) * 256 + get_byte(sealed, 2), key_version FROM secret_values"
        " WHERE to_revision IS NULL AND environment_id = %s",
        scene.environment_id(place),
    )
    assert {key: (stored, noted) for key, stored, noted in found} == {"OLD": (1, 1), "BETWEEN": (1, 1), "NEW": (2, 2)}
