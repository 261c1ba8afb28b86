"""Where a login is kept, and that it is never lost by accident (assurance.md M-08)."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from peer import Answer, Peer, Request, listening, problem
from person import NOBODY, Person

RING = '''
import json, os, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

class Ring(KeyringBackend):
    """A keyring of one file, chosen by PYTHON_KEYRING_BACKEND as any other would be."""
    priority = 1
    path = pathlib.Path(os.environ["RING_FILE"])
    def read(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}
    def set_password(self, service, username, password):
        self.path.write_text(json.dumps(self.read() | {service + "|" + username: password}))
    def get_password(self, service, username):
        return self.read().get(service + "|" + username)
    def delete_password(self, service, username):
        kept = self.read()
        if kept.pop(service + "|" + username, None) is None:
            raise PasswordDeleteError("no such password")
        self.path.write_text(json.dumps(kept))
'''


def server_of_people(request: Request) -> Answer:
    """A server that knows everybody whose token starts with their name."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not token or token.startswith("revoked"):
        return problem(401, "unknown or expired")
    if request.path == "/v1/auth/logout":
        return Answer(204, b"")
    return Answer(body={"data": {"username": token.split("-")[0], "id": "1"}})


def kept(person: Person, url: str) -> Path:
    return person.home / ".config" / "keyway" / "logins" / f"{quote(url, safe='')}.json"


def sign_in(person: Person, server: Peer, token: str, **variables: str) -> Path:
    """Signs in by token and gives the file that describes the login."""
    done = person.at(server.url, token=None).keyway("login", "--token", stdin=token.encode() + b"\n", **variables)
    assert done.code == 0, done.err
    assert token not in done.out + done.err
    return kept(person, server.url)


@pytest.fixture
def ring(tmp_path: Path, alice: Person) -> Path:
    """Gives Alice a keyring that works, and the file behind it."""
    folder = tmp_path / "ring"
    folder.mkdir()
    (folder / "ring.py").write_text(RING)
    file = tmp_path / "ring.json"
    alice.variables |= {
        "PYTHONPATH": str(folder),
        "PYTHON_KEYRING_BACKEND": "ring.Ring",
        "RING_FILE": str(file),
        "KEYWAY_TOKEN_STORE": "auto",
    }
    return file


def test_nobody_is_signed_in(alice: Person) -> None:
    """Exit 3, and what to do; the server is not even asked."""
    with listening(server_of_people) as server:
        done = alice.at(server.url, token=None).keyway("whoami")
        assert done.code == 3
        assert "keyway login" in done.err
        assert server.requests == []


@pytest.mark.parametrize("token", [b"", b"\n", b"t\xc3\xa9\n"])
def test_what_is_no_token_is_not_kept(alice: Person, token: bytes) -> None:
    """Empty, or not of a token's characters: exit 2, before the server is asked."""
    with listening(server_of_people) as server:
        assert alice.at(server.url, token=None).keyway("login", "--token", stdin=token).code == 2
        assert server.requests == []
        assert not kept(alice, server.url).exists()


def test_a_token_that_the_server_refuses_is_not_kept(alice: Person) -> None:
    """Exit 3, and no file."""
    with listening(server_of_people) as server:
        assert alice.at(server.url, token=None).keyway("login", "--token", stdin=b"revoked-1\n").code == 3
        assert not kept(alice, server.url).exists()


def test_without_a_keyring_the_token_is_in_a_private_file(alice: Person) -> None:
    """Mode 0600 in a folder that only the owner enters, and the person is told."""
    with listening(server_of_people) as server:
        for backend in ("keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"):
            variables = {"KEYWAY_TOKEN_STORE": "auto", "PYTHON_KEYRING_BACKEND": backend}
            path = sign_in(alice, server, "alice-token", **variables)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert json.loads(path.read_text())["token"] == "alice-token"
            assert alice.keyway("whoami", "--json").json["username"] == "alice"
            path.unlink()


def test_with_a_keyring_the_token_is_in_no_file(alice: Person, ring: Path) -> None:
    """The file only says that there is a login; logging out empties the keyring too."""
    with listening(server_of_people) as server:
        path = sign_in(alice, server, "alice-token")
        assert "alice-token" not in path.read_text()
        assert "alice-token" in ring.read_text()
        assert alice.keyway("whoami").out.startswith("alice at")
        assert alice.keyway("logout").code == 0
        assert not path.exists()
        assert ring.read_text() == "{}"


@pytest.mark.usefixtures("ring")
def test_the_keyring_is_asked_once(alice: Person, tmp_path: Path) -> None:
    """Afterwards a private file in XDG_RUNTIME_DIR has the token for some hours; logging out removes it."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    alice.variables["XDG_RUNTIME_DIR"] = str(runtime)
    with listening(server_of_people) as server:
        sign_in(alice, server, "alice-token")
        assert not list(runtime.rglob("*.json"))
        assert alice.keyway("whoami").code == 0
        (session,) = runtime.rglob("*.json")
        assert stat.S_IMODE(session.stat().st_mode) == 0o600
        without_ring = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
        assert alice.keyway("whoami", **without_ring).code == 0
        content = session.read_text()
        session.write_text(json.dumps(json.loads(content) | {"until": 1}))
        assert alice.keyway("whoami", **without_ring).code == 78
        session.write_text(content)
        session.chmod(0o644)
        assert alice.keyway("whoami", **without_ring).code == 78
        assert alice.keyway("logout").code == 0
        assert not list(runtime.rglob("*.json"))


def earlier_login(person: Person, **kept: str) -> None:
    """What `keyway login` of the public command line leaves behind (contract.md 11.3)."""
    key, nonce = os.urandom(32), os.urandom(16)
    sealed = AESGCM(key).encrypt(nonce, json.dumps(kept).encode(), None)
    for path, text in (
        (person.home / ".keyway" / ".key", key.hex()),
        (
            person.home / ".config" / "keyway-nodejs" / "config.json",
            json.dumps({"auth": f"{nonce.hex()}:{sealed[-16:].hex()}:{sealed[:-16].hex()}"}),
        ),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)


def test_the_earlier_command_lines_login_is_taken_over(alice: Person) -> None:
    """One command, checked with the server first; nothing of it is sent unless somebody says so, or changed."""
    with listening(server_of_people) as server:
        alice.at(server.url, token=None)
        assert alice.keyway("login", "--adopt").code == 78
        earlier_login(alice, keywayToken="alice-token", githubLogin="alice", expiresAt="2099-01-01T00:00:00Z")
        told = alice.keyway("whoami")
        assert (told.code, "keyway login --adopt" in told.err) == (3, True)
        assert "1) take over the login" in alice.at_terminal().until("what next").type("5\n").end().out
        assert server.requests == []
        done = alice.keyway("login", "--adopt")
        assert (done.code, done.out) == (0, f"signed in as alice at {server.url}\n"), done.err
        assert alice.keyway("whoami").code == 0
        assert (alice.home / ".config" / "keyway-nodejs" / "config.json").exists()


def test_whoever_is_signed_in_already_is_told_so(alice: Person) -> None:
    """As whom, and how to become somebody else: no sign-in begins unless a person wants one, or the old one is over."""
    state = {"accepted": True}

    def answer(request: Request) -> Answer:
        return server_of_people(request) if state["accepted"] else problem(401, "over")

    with listening(answer) as server:
        path = sign_in(alice, server, "alice-token")
        told = alice.keyway("login", "--json")
        assert (told.code, told.json["username"], told.json["store"]) == (0, "alice", "file")
        assert "keyway logout" in told.err
        done = alice.at_terminal("login").until("signed in as alice").until("sign in anew").type("n\n").end()
        assert (done.code, f"already signed in as alice at {server.url}" in done.out) == (0, True)
        assert not [one for one in server.requests if "device" in one.path]
        assert alice.at_terminal("login").until("sign in anew").type("y\n").end().code != 0  # nobody to sign in with
        assert [one for one in server.requests if "device" in one.path]
        server.requests.clear()
        state["accepted"] = False
        assert alice.keyway("login").code == 3
        assert [one.path for one in server.requests] == ["/v1/auth/token/validate", "/v1/auth/device/start"]
        assert path.exists()


@pytest.mark.parametrize("what", ["expired", "revoked", "another key", "open key", "no JSON"])
def test_an_earlier_login_that_cannot_be_used_is_said(alice: Person, what: str) -> None:
    """Exit 78 for what cannot be read, 3 for what the server refuses; nothing is kept and nothing deleted."""
    expires = "2001-01-01T00:00:00.000Z" if what == "expired" else ""
    token = "revoked-token" if what == "revoked" else "alice-token"
    earlier_login(alice, keywayToken=token, githubLogin="alice", expiresAt=expires)
    key, config = alice.home / ".keyway" / ".key", alice.home / ".config" / "keyway-nodejs" / "config.json"
    if what == "another key":
        key.write_text("00" * 32)
    if what == "open key":
        key.chmod(0o644)
    if what == "no JSON":
        config.write_text("{")
    with listening(server_of_people) as server:
        done = alice.at(server.url, token=None).keyway("login", "--adopt")
        assert done.code == (3 if what == "revoked" else 78)
        assert token not in done.err + done.out
        assert not kept(alice, server.url).exists()
        assert config.exists()


def test_a_keyring_that_lost_the_token_is_said(alice: Person, ring: Path) -> None:
    """Exit 78 and what to do; the description stays."""
    with listening(server_of_people) as server:
        path = sign_in(alice, server, "alice-token")
        ring.unlink()
        done = alice.keyway("whoami")
        assert done.code == 78
        assert "keyring no longer has the token" in done.err
        assert path.exists()


def test_a_keyring_can_be_insisted_on(alice: Person) -> None:
    """KEYWAY_TOKEN_STORE=keyring never falls back to a file."""
    variables = {"KEYWAY_TOKEN_STORE": "keyring", "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    with listening(server_of_people) as server:
        done = alice.at(server.url, token=None).keyway("login", "--token", stdin=b"alice-token\n", **variables)
        assert done.code == 78
        assert not kept(alice, server.url).exists()


def test_a_token_in_the_environment_wins(alice: Person) -> None:
    """KEYWAY_TOKEN is used instead of the login, and the login stays."""
    with listening(server_of_people) as server:
        path = sign_in(alice, server, "alice-token")
        done = alice.keyway("whoami", "--json", KEYWAY_TOKEN="robot-token")
        assert (done.json["username"], done.json["credential"]) == ("robot", "KEYWAY_TOKEN")
        assert path.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"token": "alice-token"}', "\x00\xff"])
def test_a_damaged_login_is_reported_and_left(alice: Person, content: str) -> None:
    """Exit 78 naming the file, for every command, even for a new sign-in; not a byte of it changes."""
    with listening(server_of_people) as server:
        path = sign_in(alice, server, "alice-token")
        path.write_bytes(content.encode("latin-1"))
        for arguments in (["whoami"], ["logout"], ["login", "--token"]):
            done = alice.keyway(*arguments, stdin=b"alice-other\n")
            assert done.code == 78, arguments
            assert str(path) in done.err
            assert "alice-token" not in done.err
        assert path.read_bytes() == content.encode("latin-1")
        assert alice.keyway("whoami", KEYWAY_TOKEN="robot-token").code == 0


def test_a_refused_login_is_explained_and_kept(alice: Person) -> None:
    """A 401 is exit 3 and never deletes anything: the server may be at fault."""
    with listening(server_of_people) as server:
        path = sign_in(alice, server, "alice-token")
        path.write_text(path.read_text().replace("alice-token", "revoked-token"))
        before = path.read_bytes()
        done = alice.keyway("pull")
        assert done.code == 3
        assert "keyway login" in done.err
        assert path.read_bytes() == before


def test_one_login_per_server(alice: Person) -> None:
    """Two servers, two logins; with both, a server has to be named; with one, it is known."""
    with listening(server_of_people) as first, listening(server_of_people) as second:
        sign_in(alice, first, "alice-token")
        sign_in(alice, second, "bob-token")
        assert alice.at(first.url + "/", token=None).keyway("whoami").out.startswith("alice")
        assert alice.at(second.url, token=None).keyway("whoami").out.startswith("bob")
        several = alice.keyway("whoami", KEYWAY_API_URL="")
        assert several.code == 78
        assert first.url in several.err
        assert second.url in several.err
        assert alice.keyway("logout").code == 0
        assert alice.keyway("whoami", KEYWAY_API_URL="").out.startswith("alice")


def test_a_server_can_be_named_on_the_command_line(alice: Person) -> None:
    """--api-url wins, and later commands know the server without a variable."""
    with listening(server_of_people) as server:
        done = alice.keyway("login", "--token", "--api-url", server.url, stdin=b"alice-token\n", KEYWAY_API_URL=NOBODY)
        assert done.code == 0, done.err
        assert alice.keyway("whoami").out.startswith("alice at")


def test_logging_out_revokes_first(alice: Person) -> None:
    """The server is told with that very token, then the file goes."""
    with listening(server_of_people) as server:
        path = sign_in(alice, server, "alice-token")
        done = alice.keyway("logout", "--json")
        assert done.json == {"apiUrl": server.url, "signedOut": True, "revoked": True}
        assert server.requests[-1].path == "/v1/auth/logout"
        assert server.requests[-1].headers["authorization"] == "Bearer alice-token"
        assert not path.exists()
        assert alice.keyway("logout", "--json").json["signedOut"] is False


def test_logging_out_without_the_server_says_that_the_token_lives_on(alice: Person) -> None:
    """The login goes from this machine, and exit 75 tells that it was not revoked."""
    with listening(server_of_people) as server:
        path = sign_in(alice, server, "alice-token")
    done = alice.keyway("logout")
    assert done.code == 75
    assert "on this machine only" in done.err
    assert not path.exists()


class GitHubPage:
    """A server whose device flow goes through a list of answers."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.started: list[Request] = []

    def __call__(self, request: Request) -> Answer:
        if request.path == "/v1/auth/device/start":
            self.started.append(request)
            page = {"verificationUri": "https://ghe.example.com/login/device", "interval": 1, "expiresIn": 900}
            return Answer(body={"deviceCode": "d" * 64, "userCode": "ABCD-1234", **page})
        if request.path == "/v1/auth/device/poll":
            return self.answers.pop(0)
        return server_of_people(request)


PENDING = Answer(body={"status": "pending"})
APPROVED = Answer(
    body={
        "status": "approved",
        "keywayToken": "alice-token",
        "githubLogin": "alice",
        "expiresAt": "2030-01-01T00:00:00Z",
    }
)


@pytest.mark.parametrize(("status", "words"), [("denied", "refused on GitHub"), ("expired", "code has expired")])
def test_a_sign_in_that_ends_without_approval(alice: Person, status: str, words: str) -> None:
    """Denied and expired are exit 3, told at once."""
    with listening(GitHubPage(Answer(body={"status": status}))) as server:
        done = alice.at(server.url, token=None).keyway("login")
    assert done.code == 3
    assert words in done.err


def test_signing_in_by_device(alice: Person) -> None:
    """The code and page are shown, an outage in between is waited out, and the GitHub host is remembered."""
    page = GitHubPage(PENDING, problem(503, "GitHub is away"), APPROVED)
    with listening(page) as server:
        done = alice.at(server.url, token=None).keyway("login", "--json")
        assert done.code == 0, done.err
        assert done.json == {
            "username": "alice",
            "apiUrl": server.url,
            "expiresAt": "2030-01-01T00:00:00Z",
            "store": "file",
        }
        assert "open https://ghe.example.com/login/device and enter the code ABCD-1234" in done.err
        assert page.started[0].json == {"repository": "acme/app"}
        assert "authorization" not in page.started[0].headers
        assert json.loads(kept(alice, server.url).read_text())["githubUrl"] == "https://ghe.example.com"
        assert "origin is on github.com, not on ghe.example.com" in alice.keyway("pull").err


def test_signing_in_at_a_terminal_shows_that_it_waits(alice: Person) -> None:
    """A spinner at a terminal, and the code stays readable."""
    with listening(GitHubPage(PENDING, APPROVED)) as server:
        done = alice.at(server.url, token=None).at_terminal("login").end()
    assert done.code == 0, done.out
    assert "enter the code ABCD-1234" in done.out
    assert "waiting for your approval" in done.out
    assert "alice-token" not in done.out


def test_the_token_is_typed_unseen(alice: Person) -> None:
    """At a terminal the token is asked for and not shown."""
    with listening(server_of_people) as server:
        dialogue = alice.at(server.url, token=None).at_terminal("login", "--token")
        done = dialogue.until("token: ").type("alice-token\n").end()
        assert done.code == 0, done.out
        assert "signed in as alice" in done.out
        assert "alice-token" not in done.out


def test_logins_at_once_do_not_disturb_each_other(alice: Person) -> None:
    """Sixteen sign-ins at four servers at the same time: four logins, each whole."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with listening(server_of_people) as a, listening(server_of_people) as b:
        urls = [a.url, a.url + "/x", b.url, b.url + "/y"] * 4
        tokens = [f"person{number}-token" for number in range(len(urls))]

        def login(url: str, token: str) -> int:
            return alice.keyway("login", "--token", "--api-url", url, stdin=token.encode()).code

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(login, urls, tokens)) == {0}
        for url in set(urls):
            assert json.loads(kept(alice, url).read_text())["token"] in tokens
    folder = kept(alice, a.url).parent
    assert len(list(folder.iterdir())) == 4, sys.platform
