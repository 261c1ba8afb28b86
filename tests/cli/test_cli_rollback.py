"""A server that went back to an older revision is noticed, by whoever has seen the newer one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from peer import Answer, Peer, Request, listening, problem, pulled
from person import Person


class History:
    """A server whose state can be put back."""

    def __init__(self) -> None:
        self.number = 9
        self.identity = "rev"
        self.values = {"A": "1"}

    def __call__(self, request: Request) -> Answer:
        if request.method == "POST":
            self.number += 1
            self.values = self.values | request.json["secrets"]
            revision = {"id": f"{self.identity}-{self.number}", "number": self.number}
            stats = {"created": 0, "updated": 1, "deleted": 0}
            return Answer(body={"data": {"success": True, "stats": stats, "revision": revision}})
        if not self.values:
            return problem(404, "No secrets found for environment: development")
        return pulled(self.values, self.number, self.identity)


@pytest.fixture
def history() -> History:
    return History()


@pytest.fixture
def server(history: History) -> Iterator[Peer]:
    with listening(history) as peer:
        yield peer


COMMANDS = [["pull", "--yes"], ["run", "--", "touch", "started"], ["push", "--yes"], ["set", "A=2", "--yes"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("back", ["older", "other"])
def test_going_back_stops_everything(
    alice: Person, server: Peer, history: History, command: list[str], back: str
) -> None:
    """An older number, or the same number with another id: exit 6 before anything is written, sent or started."""
    alice.at(server.url).write("A=mine\n")
    assert alice.keyway("run", "--", "true").code == 0
    if back == "older":
        history.number = 7
    else:
        history.identity = "other"
    server.requests.clear()
    done = alice.keyway(*command)
    assert done.code == 6
    assert "than this machine has seen" in done.err
    assert "--accept-rollback" in done.err
    assert [request.method for request in server.requests] == ["GET"]
    assert alice.read() == "A=mine\n"
    assert not (alice.clone / "started").exists()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_it_can_be_accepted_once_and_for_all(alice: Person, server: Peer, history: History, command: list[str]) -> None:
    """--accept-rollback takes the older state as the new beginning, and says so."""
    alice.at(server.url).write("A=mine\n")
    alice.keyway("run", "--", "true")
    history.number = 7
    accepted = alice.keyway(command[0], "--accept-rollback", *command[1:])
    assert accepted.code == 0, accepted.err
    assert "warning: accepted" in accepted.err
    assert alice.keyway("run", "--", "true").code == 0


def test_going_forward_is_normal(alice: Person, server: Peer, history: History) -> None:
    """Newer revisions, and the same one again, are no event; a push counts as seen."""
    alice.at(server.url)
    for number in (9, 9, 12):
        history.number = number
        assert alice.keyway("pull", "--yes").err == ""
    assert alice.keyway("set", "A=2", "--yes").code == 0
    history.number = 12
    assert alice.keyway("pull", "--yes").code == 6


def test_every_environment_and_server_has_its_own_memory(alice: Person, server: Peer, history: History) -> None:
    """Revision 9 of one environment says nothing about another one, another repository, or another server."""
    alice.at(server.url).keyway("run", "--", "true")
    history.number = 1
    assert alice.keyway("run", "-e", "staging", "--", "true").code == 0
    assert alice.keyway("run", "-r", "acme/other", "--", "true").code == 0
    with listening(History()) as elsewhere:
        elsewhere.script.number = 2  # type: ignore[attr-defined]
        assert alice.at(elsewhere.url).keyway("run", "--", "true").code == 0
    assert alice.at(server.url).keyway("run", "-r", "ACME/App", "--", "true").code == 6


def test_an_emptied_environment_is_mentioned(alice: Person, server: Peer, history: History) -> None:
    """`no secrets` where there were some may be a server that went back: it is said."""
    alice.at(server.url).keyway("run", "--", "true")
    history.values = {}
    done = alice.keyway("pull")
    assert done.code == 4
    assert "this machine has seen revision 9" in done.err


def remembered(person: Person) -> Path:
    (path,) = (person.home / ".local" / "state" / "keyway" / "revisions").rglob("*.json")
    return path


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"number": "x", "id": 1}'])
def test_a_damaged_memory_is_said_and_left(alice: Person, server: Peer, content: str) -> None:
    """Exit 78 naming the file: silence would hide what the memory is for."""
    alice.at(server.url).keyway("run", "--", "true")
    path = remembered(alice)
    path.write_text(content)
    done = alice.keyway("pull")
    assert done.code == 78
    assert str(path) in done.err
    assert path.read_text() == content


def test_the_memory_is_private_and_holds_no_value(alice: Person, server: Peer) -> None:
    """Number and id, mode 0600."""
    alice.at(server.url).keyway("run", "--", "true")
    path = remembered(alice)
    assert json.loads(path.read_text()) == {"number": 9, "id": "rev-9"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_home_that_cannot_be_written_is_a_warning(alice: Person, server: Peer) -> None:
    """In a read-only container programs still run; that nothing can be remembered is said."""
    (alice.home / ".local").write_text("in the way")
    done = alice.at(server.url).keyway("run", "--", "echo", "ran")
    assert (done.code, done.out) == (0, "ran\n")
    assert "would not be noticed" in done.err
