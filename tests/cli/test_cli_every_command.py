"""Every command against the real system, in a pipe and at a terminal: when it works, and in every way that it fails."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import warm
from keyway_cli.registry import VERBS
from keyway_standalone.processes import Stack
from oracle.report import Record
from peer import Answer, Peer, Request, listening
from person import NOBODY, Dialogue, Done, Person
from situations import ACCOUNT, SITUATIONS, TABLE, Row
from stack import running_stack, sign_in
from standins.providers import Providers, providers

ELSEWHERE = {"KEYWAY_DASHBOARD_URL": "https://app.example.com"}


def command_of(verb: str, situation: str) -> Row:
    row = TABLE[verb][situation]
    assert isinstance(row, Row)
    return row


def test_every_command_has_its_rows(record_property: Record) -> None:
    """Each of the registry, each situation: a row, or a reason why there is none."""
    assert set(VERBS) - set(TABLE) == set()
    for verb, rows in TABLE.items():
        assert set(rows) == set(SITUATIONS), verb
        assert all(isinstance(row, Row) or len(row) > 10 for row in rows.values()), verb
        typed = [row.typed[0] for row in rows.values() if isinstance(row, Row)]
        assert set(typed) == {verb}
    for situation in SITUATIONS:
        tried = [verb for verb, rows in TABLE.items() if isinstance(rows[situation], Row)]
        reasons = Counter(row for rows in TABLE.values() if isinstance(row := rows[situation], str))
        told = "".join(f"; {count} {reason}" for reason, count in reasons.most_common())
        record_property(f"commands, {situation}", f"{len(tried)} of {len(TABLE)} tried{told}")


class Scene:
    """One repository with a vault and one without, and everybody who tries something there."""

    def __init__(self, stack: Stack, there: Providers, folder: Path, full: Path) -> None:
        self._stack, self.there, self._folder = stack, there, folder
        cast = ("outsider", "teammate", "reader", "stranger")
        self._tokens = {name: sign_in(stack, stack.control.login(name)) for name in cast}
        owner = stack.control.login("outsider")
        self.filled, self.bare = (f"{owner}/{kind}-{os.urandom(4).hex()}" for kind in ("filled", "bare"))
        for name in (self.filled, self.bare):
            stack.control.create_repo(name)
            stack.control.set_role(name, stack.control.login("teammate"), "write")
            stack.control.set_role(name, stack.control.login("reader"), "read")
        self.people = {
            "owner": self._person("outsider"),
            "colleague": self._person("teammate"),
            "writer": self._person("teammate"),
            "reader": self._person("reader"),
            "stranger": self._person("stranger"),
            "nobody": self._person(None),
            "bare": self._person("outsider", self.bare),
            "writer of bare": self._person("teammate", self.bare),
            "changer": self._person("outsider"),
            "importer": self._person("outsider"),
            "full": self._person("outsider", folder=full),
            "broken": self._person("outsider"),
            "bad file": self._person("outsider"),
        }
        self._fill()

    def _person(self, cast: str | None, name: str = "", folder: Path | None = None) -> Person:
        person = Person(folder or self._folder / os.urandom(4).hex(), name or self.filled)
        person.at(self._stack.api_url, self._tokens[cast] if cast else None).write("A=1\nKEPT=canary-kept\n")
        person.write('{"IMPORTED": "1"}', "some.json")
        person.variables |= ELSEWHERE
        return person

    def _fill(self) -> None:
        owner = self.people["owner"]
        assert owner.keyway("init").code == 0
        lost = [f"{word}_{mode}" for word in ("UNSET", "LOST") for mode in ("pipe", "term")] + ["TAKEN", "IMPORTED"]
        owner.write("A=1\nKEPT=canary-kept\n" + "".join(f"{key}=x\n" for key in lost), ".env.fill")
        assert owner.keyway("push", "-f", ".env.fill", "-e", "development").code == 0
        (owner.clone / ".env.fill").unlink()
        owner.write("A=1\n", ".env.staging")
        assert owner.keyway("push", "-f", ".env.staging").code == 0
        assert owner.keyway("unset", "LOST_pipe", "LOST_term", "TAKEN", "--yes").code == 0
        assert owner.keyway("set", "TAKEN=1").code == 0
        (owner.clone / ".env.staging").unlink()
        for name in ("owner", "stranger"):
            assert self.people[name].keyway("connect", "railway", stdin=ACCOUNT).code == 0
        for name in ("changer", "reader"):
            self.people[name].write("A=mine\n")
        self.people["broken"].write("environment = 3\n", "keyway.toml")
        for name in (".env", ".env.bad"):
            self.people["bad file"].write("no assignment\n", name)
        self.people["bad file"].write('{"IMPORTED": ', "bad.json")
        self.people["full"].write("# Title\n", "README.md")

    def fresh(self, kind: str) -> Person:
        """Somebody who signs in or out, or has something elsewhere, and is needed once."""
        if kind == "connected":
            connected = self._person("teammate")
            assert connected.keyway("connect", "railway", stdin=ACCOUNT).code == 0
            return connected
        if kind == "remover":
            assert self.people["owner"].keyway("set", "GONE=1").code == 0
            return self.people["owner"]
        if kind in {"syncer", "puller"}:
            self.there.variables.clear()
            self.there.variables |= {"A": "older", "ONLY_THERE": "from-there"}
            self.people["owner"].keyway("unset", "ONLY_THERE", "--yes", "-e", "staging")
            return self.people["owner"]
        person = self._person(None)
        if kind == "damaged":
            self._keep(person, "{")
        elif kind == "leaver":
            self._keep_token(person, self._session())
        elif kind == "absent":
            self._keep_token(person, "a-token")
        return person

    def _session(self) -> str:
        return sign_in(self._stack, self._stack.control.login("teammate"))

    def _keep_token(self, person: Person, token: str) -> None:
        url = person.variables["KEYWAY_API_URL"]
        self._keep(person, f'{{"apiUrl": "{url}", "username": "x", "token": "{token}"}}')

    def _keep(self, person: Person, text: str, url: str = "") -> None:
        folder = person.home / ".config" / "keyway" / "logins"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{quote(url or person.variables['KEYWAY_API_URL'], safe='')}.json"
        path.write_text(text)
        path.chmod(0o600)

    def at(self, person: Person, url: str) -> Person:
        """The same person, at another server; a login moves along."""
        for login in (person.home / ".config" / "keyway" / "logins").glob("*.json"):
            self._keep(person, login.read_text().replace(person.variables["KEYWAY_API_URL"], url), url)
            login.unlink()
        person.variables["KEYWAY_API_URL"] = url
        return person

    def token(self) -> bytes:
        return self._tokens["outsider"].encode()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path_factory.mktemp("full")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=False).returncode:
        pytest.skip("a disk of one's own needs root here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, full: Path) -> Iterator[Scene]:
    """An installation that knows providers, with everybody in it; the disk is full afterwards."""
    with providers() as there, running_stack(backend_env=there.environment()) as stack:
        made = Scene(stack, there, tmp_path_factory.mktemp("scene"), full / "person")
        for number in range(2_000):  # more pages than the disk has; the last ones one by one, since it counts loosely
            with contextlib.suppress(OSError):
                (full / f"filler-{number}").write_bytes(b"x")
        yield made


class Silent:
    """A server that takes a request and never answers it."""

    def __init__(self) -> None:
        self.asked, self._over = threading.Event(), threading.Event()

    def answer(self, _: Request) -> Answer:
        self.asked.set()
        self._over.wait(60)
        return Answer(500)

    @contextlib.contextmanager
    def listening(self) -> Iterator[Peer]:
        with listening(self.answer) as peer:
            try:
                yield peer
            finally:
                self._over.set()


@contextlib.contextmanager
def somebody(scene: Scene, situation: str, row: Row) -> Iterator[Person]:
    """Who is in a situation; for what the situation changes, a copy of the person."""
    usual = {"not signed in": "nobody", "no vault": "bare", "no permission": "stranger", "bad file": "broken"}
    who = row.who or usual.get(situation, "owner")
    person = scene.people[who] if who in scene.people else scene.fresh(who)
    if situation == "dead server":
        url, before = NOBODY, person.variables["KEYWAY_API_URL"]
        scene.at(person, url)
        yield person
        person.variables["KEYWAY_API_URL"] = before
    else:
        yield person


def shown(person: Person, row: Row, situation: str, mode: str, scene: Scene) -> Done:
    """What a command line came to, in a pipe or at a terminal."""
    words = [word.format(mode) for word in row.typed]
    stdin = row.stdin.replace(b"TOKEN", scene.token())
    if mode == "pipe" or (situation == "full disk" and row.who != "full"):
        out = "/dev/full" if situation == "full disk" and row.who != "full" else ""
        alone = situation == "offline"
        done = warm.run(words, person.clone, person.variables, stdin, out=out, alone=alone)
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    variables = person.variables | {"TERM": "xterm", "COLUMNS": "300"}
    dialogue = Dialogue(words, person.clone, variables, alone=situation == "offline", cold=situation == "works")
    if row.meanwhile:
        dialogue.until("[y/N]")
        theirs = [word.format(unique=os.urandom(4).hex()) for word in row.meanwhile]
        assert scene.people["colleague"].keyway(*theirs).code == 0
        dialogue.type("y\n")
    elif row.answer:
        dialogue.until("[y/N]").type(row.answer)
    elif stdin:
        dialogue.until("token").type(stdin.decode())
    return dialogue.end()


def interrupted(person: Person, row: Row, mode: str, scene: Scene) -> Done:
    """Ctrl-C while the server is silent."""
    silent, before = Silent(), person.variables["KEYWAY_API_URL"]
    words = [word.format(mode) for word in row.typed]
    stdin = row.stdin.replace(b"TOKEN", scene.token())
    with silent.listening() as peer:
        scene.at(person, peer.url)
        try:
            if mode == "term":
                dialogue = Dialogue(words, person.clone, person.variables | {"TERM": "xterm"})
                if stdin:
                    dialogue.until("token").type(stdin.decode())
                assert silent.asked.wait(30)
                return dialogue.interrupt().end()
            piped = warm.Piped(words, person.clone, person.variables, stdin)
            assert silent.asked.wait(30)
            piped.process.send_signal(signal.SIGINT)
            done = piped.end()
            return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
        finally:
            scene.at(person, before)


def files_of(person: Person) -> dict[str, bytes]:
    """Everything in a clone, without git's own."""
    return {
        str(path.relative_to(person.clone)): path.read_bytes()
        for path in person.clone.rglob("*")
        if path.is_file() and ".git/" not in str(path)
    }


def try_out(scene: Scene, verb: str, situation: str, mode: str) -> None:
    """One row in one mode: the code, the words, no traceback, and after a failure no file that is new or changed."""
    row = command_of(verb, situation)
    with somebody(scene, situation, row) as person:
        before = files_of(person)
        if situation == "interrupted":
            done = interrupted(person, row, mode, scene)
        else:
            done = shown(person, row, situation, mode, scene)
        told = f"{verb}, {situation}, {mode}: {done}"
        assert done.code == row.code, told
        assert row.says in done.out + done.err, told
        assert "Traceback" not in done.err, told
        assert "is a bug" not in done.err, told
        if row.code:
            assert files_of(person) == before, told
            assert mode == "term" or verb == "doctor" or "--json" in row.typed or done.out == "", told


def modes(situation: str, number: int) -> tuple[str, ...]:
    """What works is tried both ways, every failure in one of them; the long run has the failures in both."""
    if situation == "conflict":
        return ("term",)
    if situation == "works":
        return ("pipe", "term")
    return (("pipe", "term")[number % 2],)


REGISTERED = [verb for verb in TABLE if verb in VERBS]


@pytest.mark.parametrize("verb", REGISTERED)
def test_each_command_in_each_situation(scene: Scene, verb: str) -> None:
    """Its exit code and its words, as the table has them."""
    for number, situation in enumerate(SITUATIONS):
        if isinstance(TABLE[verb][situation], Row):
            for mode in modes(situation, number + REGISTERED.index(verb)):
                try_out(scene, verb, situation, mode)


@pytest.mark.prove
@pytest.mark.parametrize("verb", REGISTERED)
def test_each_failure_at_a_terminal_and_in_a_pipe(scene: Scene, verb: str) -> None:
    """Every failure both ways."""
    for situation in SITUATIONS[1:]:
        row = TABLE[verb][situation]
        if isinstance(row, Row):
            for mode in ("term",) if row.meanwhile else ("pipe", "term"):
                try_out(scene, verb, situation, mode)


def test_the_help_of_every_command_is_an_answer(alice: Person) -> None:
    """Short, on stdout, exit 0, and without a server."""
    for verb in REGISTERED:
        done = alice.keyway(verb, "-h")
        assert (done.code, done.err) == (0, ""), verb
        assert done.out.startswith(f"Usage: keyway {verb} ")


def test_what_a_sync_says_it_copies_is_copied(scene: Scene) -> None:
    """There and back, by name in the preview and by value at the other end; neither value nor token is printed."""
    owner, line = scene.fresh("syncer"), ("sync", "railway", "-e", "development", "--provider-env", "production")
    looked = owner.keyway(*line)
    assert (looked.code, scene.there.variables["A"]) == (2, "older"), looked
    sent = owner.keyway(*line, "--yes", "--allow-delete")
    assert sent.code == 0, sent
    assert scene.there.variables["KEPT"] == "canary-kept"
    assert "ONLY_THERE" not in scene.there.variables
    scene.there.variables["BACK"] = "canary-from-there"
    taken = owner.keyway(*line, "--pull", "--yes")
    assert owner.keyway("get", "BACK").out == "canary-from-there\n", taken
    scene.there.down = True
    failed = owner.keyway(*line, "--yes")
    scene.there.down, scene.there.revoked = False, True
    ended = owner.keyway(*line, "--yes")
    scene.there.revoked = False
    assert (failed.code, "Railway answered with status 502" in failed.err) == (75, True), failed
    assert (ended.code, "Disconnect it and connect it again" in ended.err) == (1, True), ended
    said = "".join(done.out + done.err for done in (looked, sent, taken, failed, owner.keyway("connections")))
    assert not [one for one in ("canary-kept", "canary-from-there", ACCOUNT.decode().strip()) if one in said]
