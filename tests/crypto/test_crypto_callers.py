"""Only the backend's certificate opens the door: every other way of knocking is tried first."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import keyway_certificates as module
import pytest
from crypto_process import Client, Process, channel, new_key, running
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from keyway_certificates import Authority, ensure
from keyway_protos import crypto_pb2 as pb


def write(directory: Path, name: str, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / f"{name}.key").write_bytes(pem)
    (directory / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))


def client_leaf(authority: Authority, name: str) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    """A client certificate for a name that the module itself would never give to a client."""
    key = generate_private_key(SECP256R1())
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return authority._sign(name, key, usage, x509.SubjectAlternativeName([x509.DNSName(f"{name}.internal")])), key


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with clients that must be refused: other names of our authority, our name of another authority."""
    directory = tmp_path_factory.mktemp("identities")
    authority = Authority()
    (directory / "ca.crt").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    for name in ("crypto", "backend", "postgres"):
        write(directory, name, *authority.issue(name, module.NAMES[name]))
    for name in ("intruder", "backend.evil", "notbackend"):
        write(directory, name, *client_leaf(authority, name))
    write(directory, "foreign", *Authority().issue("backend", ["backend"]))
    return directory


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, identities: Path) -> Iterator[Process]:
    """A service of that authority."""
    with running(tmp_path_factory.mktemp("guarded"), identities, ENCRYPTION_KEY=new_key()) as process:
        yield process


def knock(connection: grpc.Channel) -> set[str]:
    """How each call and the health check are answered."""
    calls = [
        lambda: Client(connection).stub.Status(pb.StatusRequest(), timeout=5),
        lambda: Client(connection).stub.Open(pb.OpenRequest(), timeout=5),
        lambda: Client(connection).stub.Seal(pb.SealRequest(), timeout=5),
        lambda: Client(connection).stub.Reseal(pb.ResealRequest(), timeout=5),
        lambda: health_pb2_grpc.HealthStub(connection).Check(health_pb2.HealthCheckRequest(), timeout=5),
        lambda: connection.unary_unary("/keyway.crypto.v1.Crypto/Missing")(b"", timeout=5),
    ]
    answers = set()
    for call in calls:
        try:
            call()
            answers.add("OK")
        except grpc.RpcError as error:
            answers.add(error.code().name)
    return answers


@pytest.mark.parametrize("name", ["intruder", "backend.evil", "notbackend"])
def test_another_name_of_our_authority_is_unauthenticated(guarded: Process, identities: Path, name: str) -> None:
    """The name is compared whole, on every method, health included, and whether the method exists is not told."""
    with channel(guarded.port(), identities, name) as connection:
        assert knock(connection) == {"UNAUTHENTICATED"}


@pytest.mark.parametrize("name", [None, "foreign", "postgres", "crypto"])
def test_no_certificate_or_the_wrong_kind_gets_no_connection(
    guarded: Process, identities: Path, name: str | None
) -> None:
    """None, one of another authority, and those of servers end in the handshake."""
    with channel(guarded.port(), identities, name) as connection:
        assert knock(connection) == {"UNAVAILABLE"}


def test_plaintext_gets_no_connection(guarded: Process) -> None:
    """There is no mode without TLS to fall back to."""
    with grpc.insecure_channel(f"127.0.0.1:{guarded.port()}") as connection:
        assert knock(connection) == {"UNAVAILABLE"}


@pytest.mark.parametrize(
    ("version", "greeted"), [(ssl.TLSVersion.TLSv1_2, False), (ssl.TLSVersion.TLSv1_3, True)], ids=["1.2", "1.3"]
)
def test_only_tls_1_3_is_spoken(
    guarded: Process,
    identities: Path,
    version: ssl.TLSVersion,
    greeted: bool,  # noqa: FBT001
) -> None:
    """The right certificate over an older protocol ends in the handshake."""
    context = ssl.create_default_context(cafile=str(identities / "ca.crt"))
    context.load_cert_chain(identities / "backend.crt", identities / "backend.key")
    context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection(("127.0.0.1", guarded.port()), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as connection,
        ):
            assert (connection.version(), greeted) == ("TLSv1.3", True)
    except ssl.SSLError:
        assert not greeted


def test_the_backend_is_served(guarded: Process, identities: Path) -> None:
    """The positive control: the same calls with the right certificate reach the code behind the door."""
    with channel(guarded.port(), identities) as connection:
        assert knock(connection) == {"OK", "INVALID_ARGUMENT", "UNIMPLEMENTED"}
        health = health_pb2_grpc.HealthStub(connection)
        for service in ("", "keyway.crypto.v1.Crypto"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_refused_callers_are_logged_without_their_request(guarded: Process) -> None:
    """One line for each, with the address."""
    lines = [line for line in guarded.lines() if line["event"] == "caller refused"]
    assert len(lines) >= 18
    assert set(lines[0]) == {"time", "level", "service", "event", "peer"}


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    """New connections meet the new authority, half renewed files change nothing, and the old client is out."""
    old, new = tmp_path / "old", tmp_path / "new"
    live = tmp_path / "live"
    for directory in (old, new, live):
        directory.mkdir()
        ensure(directory)
    with running(tmp_path, live, ENCRYPTION_KEY=new_key()) as process:
        for name in ("backend.crt", "backend.key", "ca.crt"):
            (old / name).write_bytes((live / name).read_bytes())
        replace(new, live, "crypto.crt")
        with channel(process.port(), old) as connection:
            assert "OK" in knock(connection)
        replace(new, live, "crypto.key")
        replace(new, live, "ca.crt")
        with channel(process.port(), new) as connection:
            assert "OK" in knock(connection)
        with channel(process.port(), old) as connection:
            assert knock(connection) == {"UNAVAILABLE"}
        events = [line["event"] for line in process.lines()]
        assert "certificate not renewed" in events
        assert events.count("certificate renewed") == 1


def replace(source: Path, target: Path, name: str) -> None:
    temporary = target / f".{name}"
    temporary.write_bytes((source / name).read_bytes())
    temporary.replace(target / name)


@pytest.mark.parametrize("broken", ["ca.crt", "crypto.crt", "crypto.key"])
def test_files_that_do_not_belong_together_are_refused_at_start(broken: str, tmp_path: Path) -> None:
    """A mixed set would refuse every client later, with nothing to say why."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    ensure(mine)
    ensure(other)
    (mine / broken).write_bytes((other / broken).read_bytes())
    with pytest.raises(AssertionError, match="CRYPTO_TLS_"), running(tmp_path, mine, ENCRYPTION_KEY=new_key()):
        pass
