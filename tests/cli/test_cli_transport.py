"""How the command line talks to a server, and to what pretends to be one (assurance.md M-07, M-10, F-15)."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from keyway_cli.errors import Unavailable
from keyway_cli.origin import parse_origin
from keyway_cli.transport import Transport
from peer import Answer, Request, listening, problem, pulled
from person import NOBODY, Person

VALUES = {"A": "canary-1", "B": "canary-2"}
PUSHED = Answer(body={"data": {"success": True, "stats": {"created": 1, "updated": 0, "deleted": 0}, "revision": None}})


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.example.com", "http:// to another machine"),
        ("http://10.0.0.1:8080", "http:// to another machine"),
        ("http://localhost.example.com", "http:// to another machine"),
        ("http://127.0.0.1.example.com", "http:// to another machine"),
        ("ftp://127.0.0.1", "plain https address"),
        ("https://user:secret-word@api.example.com", "plain https address"),
        ("https://api.example.com?x=1", "plain https address"),
        ("https://[::1", "not an address"),
        ("api.example.com", "plain https address"),
        ("https://api.example.com:port", "not an address"),
    ],
)
def test_an_address_that_would_leak_is_refused(alice: Person, url: str, words: str) -> None:
    """Plain http is for this machine alone; the refusal is exit 78, names the variable and shows no credential."""
    done = alice.at(url).keyway("whoami")
    assert done.code == 78
    assert words in done.err
    assert "KEYWAY_API_URL" in done.err
    assert "secret-word" not in done.err + done.out


def test_no_server_is_a_clear_message(alice: Person) -> None:
    """Without KEYWAY_API_URL and without a login it says how to name a server."""
    done = alice.keyway("whoami")
    assert (done.code, done.out) == (78, "")
    assert "set KEYWAY_API_URL=" in done.err


def test_a_server_that_is_down_is_a_temporary_failure(alice: Person) -> None:
    """Nobody listens: exit 75, for every command that needs the server."""
    alice.at(NOBODY).write("A=1\n")
    for command in (["whoami"], ["pull"], ["push"], ["run", "--", "true"], ["set", "A=1"], ["init"]):
        done = alice.keyway(*command)
        assert done.code == 75, command
        assert f"cannot reach {NOBODY}" in done.err


def test_a_server_that_takes_nobody_in_is_not_waited_for(alice: Person) -> None:
    """Whose queue is full, as of one that is cut off: the connection has a shorter deadline than the answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(4):  # they take the places of the queue, or wait for one
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)  # noqa: FBT003
            one.connect_ex(full.getsockname())
        done = alice.at(f"http://127.0.0.1:{full.getsockname()[1]}").keyway("whoami")
    assert (done.code, "nobody took the connection within 5 seconds" in done.err) == (75, True), done


def test_who_waits_at_a_terminal_is_told_for_whom(alice: Person) -> None:
    """After a few seconds, once; in a pipe nobody is."""
    told = threading.Event()

    def late(_: Request) -> Answer:
        told.wait(60)
        return Answer(body={"data": {"username": "alice"}})

    with listening(late) as server:
        dialogue = alice.at(server.url).at_terminal("whoami")
        dialogue.until(f"waiting for {server.url}, for 30 seconds at most")
        told.set()
        done = dialogue.end()
        assert (done.code, "alice at" in done.out, done.out.count("waiting")) == (0, True, 1)


def test_an_answer_that_never_comes_has_a_deadline() -> None:
    """Another than the connection: each is told with its own seconds, and a pipe is told of neither before."""
    over, said = threading.Event(), list[str]()

    def never(_: Request) -> Answer:
        over.wait(60)
        return Answer(500)

    with listening(never) as server:
        transport = Transport(parse_origin(server.url), timeout=0.3, on_slow=said.append)
        with pytest.raises(Unavailable, match=r"no answer within 0\.3 seconds"):
            transport.send("GET", "/", {}, repeatable=True)
        over.set()
        assert (len(server.requests), said) == (1, [])


def test_a_redirect_is_not_followed(alice: Person) -> None:
    """The credential goes to the named server alone, whatever that server says."""
    with listening(lambda _: pulled(VALUES)) as elsewhere:
        moved = Answer(302, {}, {"Location": f"{elsewhere.url}/v1/secrets/pull"})
        with listening(lambda _: moved) as server:
            done = alice.at(server.url).keyway("pull")
        assert done.code == 1
        assert "redirects" in done.err
        assert elsewhere.requests == []
    assert not (alice.clone / ".env").exists()


@pytest.mark.parametrize("cut", ["before", "middle"])
def test_a_read_is_repeated_when_its_connection_breaks(alice: Person, cut: str) -> None:
    """Two broken connections, then an answer: the command never notices."""
    answers = iter([Answer(body={}, cut=cut), Answer(body={"x": "y" * 100}, cut=cut), pulled(VALUES)])
    with listening(lambda _: next(answers)) as server:
        done = alice.at(server.url).keyway("pull")
        assert done.code == 0, done.err
        assert len(server.requests) == 3


def test_a_push_is_repeated_with_the_same_idempotency_key(alice: Person) -> None:
    """The answer to a push is lost: it is sent again as the same push, and another push is another key."""
    lost = iter([Answer(cut="before"), PUSHED, PUSHED])

    def script(request: Request) -> Answer:
        return pulled({"B": "2"}) if request.method == "GET" else next(lost)

    with listening(script) as server:
        for value in ("1", "2"):
            assert alice.at(server.url).keyway("set", f"A={value}").code == 0
        sent = [request for request in server.requests if request.method == "POST"]
    assert sent[0] == sent[1]
    assert sent[0].headers["idempotency-key"] != sent[2].headers["idempotency-key"]


def test_what_is_not_safe_to_repeat_is_not_repeated(alice: Person) -> None:
    """Starting a sign-in or making a vault is sent once."""
    with listening(lambda _: Answer(cut="before")) as server:
        assert alice.at(server.url, token=None).keyway("login").code == 75
        assert len(server.requests) == 1


def test_a_server_that_stays_broken_is_a_temporary_failure(alice: Person) -> None:
    """After four tries it gives up with exit 75."""
    with listening(lambda _: Answer(cut="before")) as server:
        done = alice.at(server.url).keyway("whoami")
        assert done.code == 75
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (problem(503, "the crypto service cannot answer", headers={"Retry-After": "7"}), 75, "try again in 7 seconds"),
        (problem(429, "slow down", headers={"Retry-After": "soon"}), 75, "slow down"),
        (Answer(502, b"<html>Bad gateway</html>"), 75, "502"),
        (problem(500, "a fault"), 1, "a fault"),
        (problem(401, "expired"), 3, "does not accept this sign-in: expired"),
        (problem(403, "You may not"), 4, "You may not"),
        (problem(404, "No secrets found"), 4, "No secrets found"),
        (problem(400, "Invalid", errors=[{"field": "secrets.A", "code": "too_long"}]), 1, "secrets.A: too_long"),
        (Answer(200, b"<html>Welcome to our network</html>"), 1, "not look like a Keyway server"),
        (Answer(200, []), 1, "not look like a Keyway server"),
        (Answer(200, {"data": {"content": "A=1"}}), 1, "no secrets in it"),
        (Answer(400, {"detail": "\x1b[2Jgone\u202e\nkeyway: all is well"}), 1, "\ufffd[2Jgone\ufffd\ufffdkeyway"),
    ],
)
def test_every_refusal_has_its_exit_code(alice: Person, answer: Answer, code: int, words: str) -> None:
    """The server's own words are shown (without control characters), and the code says what kind of failure it is."""
    with listening(lambda _: answer) as server:
        done = alice.at(server.url).keyway("pull")
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "\x1b" not in done.err


def test_what_is_sent_names_the_program(alice: Person) -> None:
    """User-Agent, the JSON form of secrets, and the credential: on the pull, and no cookie or other extra."""
    with listening(lambda _: pulled(VALUES)) as server:
        alice.at(server.url).keyway("pull", "-e", "a b/ü")
        (request,) = server.requests
    assert request.path == "/v1/secrets/pull?repo=acme%2Fapp&environment=a%20b%2F%C3%BC"
    assert request.headers["user-agent"].startswith("keyway-cli/")
    assert request.headers["accept"] == "application/vnd.keyway.secrets+json"
    assert request.headers["authorization"] == "Bearer a-token"
    assert request.headers.keys() <= {"host", "accept-encoding", "accept", "user-agent", "authorization"}


def test_a_hostile_revision_does_not_reach_a_header(alice: Person) -> None:
    """What a server sends as an id is only sent back when it looks like one."""
    asked = pulled({"B": "1"}, 1, 'x"\r\nEvil: 1')
    with listening(lambda request: asked if request.method == "GET" else PUSHED) as server:
        assert alice.at(server.url).keyway("set", "A=1").code == 0
        assert "if-match" not in server.requests[-1].headers
        assert "evil" not in server.requests[-1].headers


class Authority:
    """A certificate authority made for this run, and a server certificate for 127.0.0.1 by it."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test authority")])
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private = folder / "key.pem"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.file, private)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_certificate_that_nobody_vouches_for_is_refused(alice: Person, authority: Authority) -> None:
    """An unknown authority is exit 78 and nothing is sent; no variable switches the check off."""
    with listening(lambda _: pulled(VALUES), authority.context) as server:
        done = alice.at(server.url).keyway("pull", KEYWAY_INSECURE="1")
        assert done.code == 78
        assert "not trusted" in done.err
        assert "KEYWAY_CA_FILE" in done.err
        assert server.requests == []


@pytest.mark.parametrize("variable", ["KEYWAY_CA_FILE", "SSL_CERT_FILE"])
def test_an_authority_of_ones_own_can_be_trusted(alice: Person, authority: Authority, variable: str) -> None:
    """Both variables name a file with its certificate."""
    with listening(lambda _: pulled(VALUES), authority.context) as server:
        done = alice.at(server.url).keyway("pull", **{variable: str(authority.file)})
    assert done.code == 0, done.err


def test_a_certificate_for_another_name_is_refused(alice: Person, authority: Authority) -> None:
    """The authority is trusted and the name is wrong: refused."""
    with listening(lambda _: pulled(VALUES), authority.context) as server:
        done = alice.at(f"https://localhost:{server.port}").keyway("pull", KEYWAY_CA_FILE=str(authority.file))
        assert done.code == 78
        assert server.requests == []


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_bad_authority_file_is_named(alice: Person, tmp_path: Path, content: str | None) -> None:
    """Missing or no PEM: exit 78, naming the variable."""
    path = tmp_path / "x.pem"
    if content is not None:
        path.write_text(content)
    done = alice.at("https://127.0.0.1:9").keyway("whoami", KEYWAY_CA_FILE=str(path))
    assert done.code == 78
    assert "KEYWAY_CA_FILE cannot be read" in done.err


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that answers CONNECT by connecting, and what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        client, _ = listener.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        asked.append(head)
        host, port = head.split()[1].decode().rsplit(":", 1)
        with client, socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=copy, args=(server, client))
            back.start()
            copy(client, server)
            back.join()

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://me:pass%20word@127.0.0.1:{listener.getsockname()[1]}", asked  # keyway:allow
    listener.close()
    thread.join()


def test_https_goes_through_the_proxy(alice: Person, authority: Authority, proxy: tuple[str, list[bytes]]) -> None:
    """HTTPS_PROXY is asked to CONNECT, with its own credential; the token is inside the tunnel."""
    address, asked = proxy
    with listening(lambda _: pulled(VALUES), authority.context) as server:
        done = alice.at(server.url).keyway("pull", KEYWAY_CA_FILE=str(authority.file), HTTPS_PROXY=address)
        assert done.code == 0, done.err
    assert asked[0].startswith(f"CONNECT 127.0.0.1:{server.port} ".encode())
    assert b"Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk" in asked[0]  # keyway:allow
    assert b"a-token" not in asked[0]


def test_no_proxy_is_respected(alice: Person, authority: Authority) -> None:
    """A host in NO_PROXY is reached directly."""
    with listening(lambda _: pulled(VALUES), authority.context) as server:
        variables = {"KEYWAY_CA_FILE": str(authority.file), "HTTPS_PROXY": NOBODY, "NO_PROXY": "127.0.0.1"}
        assert alice.at(server.url).keyway("pull", **variables).code == 0
