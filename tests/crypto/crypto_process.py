"""A real crypto process on a free port of 127.0.0.1, and clients with and without the right certificate."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from keyway_core.limits import GRPC_MESSAGE_BYTES
from keyway_protos import crypto_pb2 as pb
from keyway_protos.crypto_pb2_grpc import CryptoStub

START_SECONDS = 20
CALL_SECONDS = 20
MESSAGE_OPTIONS = [
    ("grpc.max_receive_message_length", 2 * GRPC_MESSAGE_BYTES),
    ("grpc.max_send_message_length", 2 * GRPC_MESSAGE_BYTES),
]


def new_key() -> str:
    """64 hex characters."""
    return secrets.token_hex(32)


def variables(certificates: Path, **more: str) -> dict[str, str]:
    """The least environment of the process: nothing is inherited from the tests."""
    tls = {"CA": "ca.crt", "CERT": "crypto.crt", "KEY": "crypto.key"}
    paths = {f"CRYPTO_TLS_{part}_PATH": str(certificates / name) for part, name in tls.items()}
    return {"PATH": os.environ["PATH"], "GRPC_HOST": "127.0.0.1", "GRPC_PORT": "0"} | paths | more


class Process:
    """A started process: where it listens, and what it wrote."""

    def __init__(self, log: Path, environment: Mapping[str, str], command: Sequence[str]) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.popen = subprocess.Popen(command, env=dict(environment), stderr=stderr, cwd=log.parent)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.popen.pid

    def lines(self) -> list[dict[str, Any]]:
        """Everything that was logged; a line that is no JSON object fails the test."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def port(self) -> int:
        """Waits until the process says that it serves."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.popen.poll() is None:
            for line in self.log.read_text("utf-8").splitlines():
                if '"serving"' in line:
                    return int(json.loads(line)["port"])
            time.sleep(0.02)
        raise AssertionError(f"crypto did not start: {self.log.read_text('utf-8')}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks the process to end, and gives its exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(START_SECONDS)


@contextmanager
def running(
    directory: Path, certificates: Path, command: Sequence[str] = (sys.executable, "-m", "keyway_crypto"), **more: str
) -> Iterator[Process]:
    """A process that serves, ended afterwards."""
    log = directory / f"crypto-{secrets.token_hex(4)}.log"
    process = Process(log, variables(certificates, **more), command)
    try:
        process.port()
        yield process
    finally:
        process.stop()


@contextmanager
def channel(port: int, certificates: Path, name: str | None = "backend") -> Iterator[grpc.Channel]:
    """A connection with the certificate `name`, or without one."""
    authority = (certificates / "ca.crt").read_bytes()
    own = [(certificates / f"{name}.{part}").read_bytes() for part in ("key", "crt")] if name else []
    credentials = grpc.ssl_channel_credentials(authority, *own)
    with grpc.secure_channel(f"localhost:{port}", credentials, options=MESSAGE_OPTIONS) as connection:
        yield connection


class Client:
    """The four calls, and what a refused one answers."""

    def __init__(self, connection: grpc.Channel) -> None:
        self.stub = CryptoStub(connection)

    def seal(self, scope: pb.Scope, values: Mapping[str, bytes], **fields: Any) -> tuple[list[bytes], pb.SealResponse]:
        """Seals under new value ids, which come first."""
        ids = [os.urandom(16) for _ in values]
        items = [pb.SealItem(key=k, value_id=i, plaintext=v) for (k, v), i in zip(values.items(), ids, strict=True)]
        return ids, self.call("Seal", pb.SealRequest(scope=scope, items=items, **fields))

    def open(self, scope: pb.Scope, keys: Sequence[str], ids: Sequence[bytes], sealed: Sequence[bytes], **fields: Any):
        """The plaintexts."""
        request = pb.OpenRequest(scope=scope, keys=keys, value_ids=ids, sealed=sealed, **fields)
        return list(self.call("Open", request).plaintexts)

    def call(self, method: str, request: Any) -> Any:
        """The answer, within a deadline."""
        return getattr(self.stub, method)(request, timeout=CALL_SECONDS)

    def refusal(self, method: str, request: Any) -> tuple[str, str]:
        """Status and message of a call that must not succeed."""
        try:
            answer = self.call(method, request)
        except grpc.RpcError as error:
            return error.code().name, error.details() or ""
        raise AssertionError(f"{method} answered {type(answer).__name__}")


def scope(**changes: Any) -> pb.Scope:
    """An environment of its own, with some fields changed."""
    fields: dict[str, Any] = {
        "purpose": "secret",
        "instance_id": b"i" * 16,
        "vault_id": b"v" * 16,
        "github_repository_id": 42,
        "environment_id": b"e" * 16,
    }
    return pb.Scope(**(fields | changes))


def next_manifest(base: pb.Manifest | None = None, revision: int = 1, **fields: Any) -> pb.ManifestChange:
    """The change from a base (default: an environment that nobody wrote to) to a revision."""
    return pb.ManifestChange(base=base or pb.Manifest(), next_revision=revision, **fields)
