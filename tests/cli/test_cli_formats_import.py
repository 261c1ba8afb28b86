"""`keyway import`: dry at first, key by key, through the same push as everything else, and nothing half done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exports_of_others import EXPORTS
from keyway_core.limits import REQUEST_BODY_BYTES, VALUE_BYTES
from peer import Answer, Request, listening, problem, pulled
from person import NOBODY, Person, Team

BEFORE = {"KEPT": "canary-kept", "SAME": "canary-same", "OTHER": "canary-other"}
FILE = {"SAME": "canary-same", "OTHER": "canary-new", "NEW": "canary-brand\nnew"}


class Server:
    """An environment that takes pushes, to be looked at afterwards."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.pushes: list[Any] = []

    def __call__(self, request: Request) -> Answer:
        if request.method == "GET":
            return pulled(self.values, len(self.pushes) + 1)
        self.pushes.append(request.json)
        self.values |= request.json["secrets"]
        return pushed(len(self.pushes) + 1)


def pushed(number: int) -> Answer:
    """A push as the backend answers it."""
    stats = {"created": 1, "updated": 1, "deleted": 0}
    revision = {"id": f"rev-{number}", "number": number}
    return Answer(body={"data": {"success": True, "stats": stats, "revision": revision}, "meta": {}})


def file_of(person: Person, values: Any, name: str = "a.json") -> str:
    person.write(json.dumps(values), name)
    return name


def test_without_a_word_nothing_is_sent(alice: Person) -> None:
    """Exit 0, every key with what would happen to it, no value on either stream, and how to do it."""
    server = Server(**BEFORE)
    with listening(server) as peer:
        done = alice.at(peer.url).keyway("import", file_of(alice, FILE))
    assert (done.code, server.pushes) == (0, [])
    assert done.out.splitlines() == ["+ NEW  added", "~ OTHER  changed", "= SAME  unchanged"]
    assert "--apply" in done.err
    assert "canary" not in done.out + done.err


def test_json_reports_every_key(alice: Person) -> None:
    """One object with the same."""
    with listening(Server(**BEFORE)) as peer:
        done = alice.at(peer.url).keyway("import", "--json", file_of(alice, FILE))
    assert done.json == {
        "applied": False,
        "repository": "acme/app",
        "environment": "development",
        "file": "a.json",
        "from": "json",
        "added": ["NEW"],
        "changed": ["OTHER"],
        "unchanged": ["SAME"],
        "refused": [],
        "leftOut": [],
        "revision": 1,
    }


def test_apply_adds_and_overwriting_needs_yes(alice: Person) -> None:
    """What is new is sent; what overwrites is exit 2 with its name, until --yes. Only what differs is sent."""
    server = Server(**BEFORE)
    with listening(server) as peer:
        alice.at(peer.url)
        refused = alice.keyway("import", "--apply", file_of(alice, FILE))
        assert (refused.code, server.pushes) == (2, [])
        assert "OTHER" in refused.err
        done = alice.keyway("import", "--apply", file_of(alice, FILE), "--except", "OTHER", "--json")
        assert (done.code, done.json["applied"], done.json["revision"]) == (0, True, 2)
        assert server.pushes[0]["secrets"] == {"NEW": FILE["NEW"]}
        assert alice.keyway("import", "--apply", "--yes", file_of(alice, FILE)).code == 0
        assert server.pushes[1]["secrets"] == {"OTHER": FILE["OTHER"]}
        again = alice.keyway("import", "--apply", file_of(alice, FILE), "--json")
        assert (again.code, again.json["applied"], len(server.pushes)) == (0, False, 2)
    assert server.values == BEFORE | FILE
    assert "canary" not in done.out + done.err + refused.err
    assert all("delete" not in push or push["delete"] == [] for push in server.pushes)


def test_a_person_is_asked(alice: Person) -> None:
    """At a terminal, after the names; no sends nothing, and Ctrl-C neither."""
    server = Server(**BEFORE)
    with listening(server) as peer:
        alice.at(peer.url)
        name = file_of(alice, FILE)
        no = alice.at_terminal("import", name).until("Import into").type("n\n").end()
        stopped = alice.at_terminal("import", name, "--apply").until("Import into").interrupt().end()
        assert (no.code, stopped.code, server.pushes) == (0, 130, [])
        assert "OTHER  changed" in no.out
        yes = alice.at_terminal("import", name).until("Import into").type("y\n").end()
        assert (yes.code, len(server.pushes)) == (0, 1)
        assert "still holds these values" in yes.out
        assert "canary" not in no.out + yes.out


def test_a_refused_key_stops_everything(alice: Person) -> None:
    """Exit 1 with the reason of each, and what is sent instead is a person's choice."""
    server = Server(**BEFORE)
    entries = {
        "GOOD": "x",
        "PATH": "canary",
        "a-b": "canary",
        "NUL": "canary\0",
        "BIG": "canary" + "x" * VALUE_BYTES,
        "NULL": None,
        "DEEP": {"canary": "canary"},
        "SURROGATE": "canary\ud800",
        "canary " * 50: "1",
    }
    with listening(server) as peer:
        done = alice.at(peer.url).keyway("import", "--apply", "--yes", "--json", file_of(alice, entries))
        assert (done.code, server.pushes, done.json["applied"], done.json["added"]) == (1, [], False, ["GOOD"])
        told = {one["key"]: one["reason"] for one in done.json["refused"]}
        alone = alice.keyway("import", "--apply", "--only", "GOOD", file_of(alice, entries))
        assert (alone.code, server.pushes[0]["secrets"]) == (0, {"GOOD": "x"})
    assert {key: " ".join(why.split()[:2]) for key, why in told.items()} == {
        "PATH": "changes how",
        "a-b": "is no",
        "NUL": "contains NUL,",
        "BIG": "has 65542",
        "NULL": "has no",
        "DEEP": "is an",
        "SURROGATE": "contains a",
        "a name of 350 characters": "is no",
    }
    assert "--except PATH,NUL,BIG,NULL,DEEP,SURROGATE" in done.err
    assert "canary" not in done.out + done.err


def test_one_key_from_two_places(alice: Person) -> None:
    """Two values are refused with both places; the same value twice is one."""
    items = [
        {"id": "1", "organizationId": "o", "key": "A", "value": "canary-1"},
        {"id": "2", "organizationId": "o", "key": "A", "value": "canary-2"},
        {"id": "3", "organizationId": "o", "key": "B", "value": "canary-3"},
        {"id": "4", "organizationId": "o", "key": "B", "value": "canary-3"},
    ]
    with listening(Server()) as peer:
        done = alice.at(peer.url).keyway("import", "--json", file_of(alice, items))
    assert (done.code, done.json["added"], done.json["from"]) == (1, ["B"], "bitwarden")
    assert done.json["refused"] == [{"key": "A", "where": "record 1", "reason": "has another value in record 2"}]


def test_what_a_provider_adds_is_told_and_left_out(alice: Person) -> None:
    """It neither stops the import nor is sent."""
    exported = EXPORTS["doppler"]
    (alice.clone / "d.json").write_bytes(exported.data)
    server = Server()
    with listening(server) as peer:
        done = alice.at(peer.url).keyway("import", "d.json", "--apply")
    assert done.code == 0
    assert ". DOPPLER_CONFIG  left out: Doppler adds it" in done.out
    assert server.values == exported.values


def test_a_pipe_from_another_program(alice: Person) -> None:
    """`-` reads stdin, recognised like a file; nothing is asked of it."""
    server = Server()
    exported = EXPORTS["infisical"]
    with listening(server) as peer:
        alice.at(peer.url)
        assert alice.keyway("import", "-", stdin=exported.data).code == 0
        assert server.pushes == []
        done = alice.keyway("import", "-", "--from", "infisical", "--apply", "--json", stdin=exported.data)
    assert (done.code, done.json["file"], done.json["from"]) == (0, "stdin", "infisical")
    assert server.values == exported.values


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.json", b'{"A":\n"canary', "a.json:2: no JSON here"),
        ("a.yaml", b"A: &x canary\nB: *x\n", "a.yaml:2: an alias (*) is not read"),
        ("a.txt", b"canary: canary\n", "say it with --from"),
        ("a.json", b" " * (REQUEST_BODY_BYTES + 1), "a.json is larger than 12 MiB"),
    ],
)
def test_a_bad_file_is_told_by_its_line(alice: Person, name: str, data: bytes, words: str) -> None:
    """Exit 1 before the server is asked, and not a word of the file."""
    (alice.clone / name).write_bytes(data)
    done = alice.at(NOBODY).keyway("import", name)
    assert (done.code, done.out) == (1, "")
    assert words in done.err
    assert "canary" not in done.err


def test_what_is_no_file(alice: Person, tmp_path: Path) -> None:
    """Missing, a folder, a device, a link out of the repository; with --json the error is an object."""
    (tmp_path / "x.json").write_text('{"A": "canary"}')
    (alice.clone / "link.json").symlink_to(tmp_path / "x.json")
    for name in ("missing.json", ".", "/dev/zero", "link.json"):
        done = alice.at(NOBODY).keyway("import", name, "--json")
        assert (done.code, done.json["error"]["exitCode"], "canary" in done.err) == (1, 1, False), name


def test_an_environment_has_room_for_a_thousand(alice: Person) -> None:
    """Keys and four megabytes, together with what is there, told before anything is sent."""
    with listening(Server(A="1")) as peer:
        done = alice.at(peer.url).keyway("import", "--apply", file_of(alice, {f"K{n}": "" for n in range(1000)}))
        assert (done.code, "1001 keys" in done.err) == (1, True)
        assert alice.keyway("import", file_of(alice, {f"K{n}": "" for n in range(999)})).code == 0
        large = alice.keyway("import", file_of(alice, {f"K{n}": "x" * VALUE_BYTES for n in range(64)}))
        assert (large.code, "4194305 bytes of values" in large.err) == (1, True)


@pytest.mark.parametrize(("code", "status"), [(3, 401), (75, 503)])
def test_a_server_that_refuses(alice: Person, code: int, status: int) -> None:
    """Its exit code, and nothing on stdout."""
    with listening(lambda _: problem(status, "no")) as peer:
        done = alice.at(peer.url).keyway("import", "--apply", file_of(alice, FILE))
    assert (done.code, done.out) == (code, "")


def test_somebody_else_was_faster(vault: Team) -> None:
    """Two imports of the same key: what is there wins, exit 5; another key's change is no conflict."""
    owner = vault.owner
    assert owner.keyway("import", "--apply", file_of(owner, {"A": "canary-1", "B": "2"})).code == 0
    dialogue = owner.at_terminal("import", file_of(owner, {"A": "canary-2"})).until("Import into")
    assert owner.keyway("set", "A", "canary-3", "--yes").code == 0
    assert dialogue.type("y\n").end().code == 5
    assert owner.keyway("get", "A").out == "canary-3\n"
    dialogue = owner.at_terminal("import", file_of(owner, {"C": "canary-4"})).until("Import into")
    assert owner.keyway("unset", "B", "--yes").code == 0
    assert dialogue.type("y\n").end().code == 0
    assert owner.keyway("export", "--format", "json").json == {"A": "canary-3", "C": "canary-4"}


def test_who_may_only_read_imports_nothing(vault: Team) -> None:
    """Exit 4 from --apply; the dry run is a read, and no environment is made by either."""
    reader = vault.person("reader", "read")
    assert reader.keyway("import", file_of(reader, {"A": "1"})).code == 0
    assert reader.keyway("import", "--apply", file_of(reader, {"A": "1"})).code == 4
    nowhere = vault.owner.keyway("import", "--apply", "-e", "nowhere", file_of(vault.owner, {"A": "1"}))
    assert (nowhere.code, "nowhere" in nowhere.err) == (1, True)
    assert vault.owner.keyway("list", "--json").json["secrets"] == []


def test_a_round_trip_over_every_format(vault: Team) -> None:
    """Exported from one environment, imported into another: the same values, and the second time nothing changes."""
    owner = vault.owner
    values = {"A": "", "B": 'it\'s "x" $HOME `id` \\n', "PEM": "a\nb\n", "NO": "yes", "U": "é\u2028🔑", "N": "0o17"}
    assert owner.keyway("import", "--apply", file_of(owner, values)).code == 0
    for number, (name, file) in enumerate({"yaml": "x.yaml", "csv": "x.csv", "k8s": "k.yaml"}.items()):
        assert owner.keyway("export", "--format", name, "-o", file).code == 0
        done = owner.keyway("import", file, "-e", "staging", "--apply", "--json")
        assert (done.code, len(done.json["unchanged"])) == (0, 0 if number == 0 else len(values)), name
    assert owner.keyway("export", "-e", "staging", "--format", "json").json == values
