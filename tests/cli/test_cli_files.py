"""`.env` files: private, whole or untouched, never through a link to elsewhere, and never committed by accident."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from keyway_cli.envfiles import candidates, environment_of
from keyway_cli.files import write_private
from peer import Peer, listening, pulled
from person import KEYWAY, Person

VALUES = {"A": "canary-1 with blanks", "B": "canary-2", "PEM": "canary\nlines"}
WRITTEN = "A='canary-1 with blanks'\nB=canary-2\nPEM='canary\nlines'\n"


@pytest.fixture
def server() -> Iterator[Peer]:
    with listening(lambda _: pulled(VALUES)) as peer:
        yield peer


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private(alice: Person, server: Peer) -> None:
    """Mode 0600 whatever the umask, nothing else left in the folder, no value on either stream."""
    alice.at(server.url)
    done = subprocess.run(
        ["sh", "-c", f"umask 0; {KEYWAY} pull"], cwd=alice.clone, env=alice.variables, capture_output=True, check=True
    )
    assert alice.read() == WRITTEN
    assert mode(alice.clone / ".env") == 0o600
    assert sorted(path.name for path in alice.clone.iterdir()) == [".env", ".git", ".gitignore"]
    assert b"canary" not in done.stdout + done.stderr


def test_without_a_terminal_nothing_is_overwritten_without_yes(alice: Person, server: Peer) -> None:
    """Exit 2 after showing the names; the file keeps every byte."""
    alice.at(server.url).write("A=mine\nZ=local\n")
    done = alice.keyway("pull")
    assert (done.code, alice.read()) == (2, "A=mine\nZ=local\n")
    assert "~ A  changed" in done.err
    assert "--yes" in done.err
    assert "canary" not in done.err + done.out


def test_a_pull_edits_and_keeps_the_rest(alice: Person, server: Peer) -> None:
    """Comments, order, own keys and quoting stay; the changed value and the missing keys arrive."""
    alice.at(server.url).write('# mine\nexport A=old # why\nZ=local\nB="canary-2"\n')
    done = alice.keyway("pull", "--yes", "--json")
    assert done.code == 0, done.err
    assert (
        alice.read() == "# mine\nexport A='canary-1 with blanks' # why\nZ=local\nB=\"canary-2\"\nPEM='canary\nlines'\n"
    )
    assert (done.json["added"], done.json["changed"], done.json["removed"]) == (["PEM"], ["A"], [])
    assert "canary" not in done.err + done.out


def test_only_new_keys_need_no_yes(alice: Person, server: Peer) -> None:
    """Nothing is lost, so nobody is asked."""
    alice.at(server.url).write("B=canary-2\n")
    assert alice.keyway("pull").code == 0
    assert alice.keyway("pull", "--json").json["added"] == []


def test_force_replaces_the_file(alice: Person, server: Peer) -> None:
    """Local keys go, which is an overwriting and needs --yes."""
    alice.at(server.url).write("A=old\nZ=local\n")
    refused = alice.keyway("pull", "--force")
    assert refused.code == 2
    assert "- Z  removed" in refused.err
    assert alice.keyway("pull", "--force", "-y").code == 0
    assert alice.read() == WRITTEN


def test_a_file_that_cannot_be_read_is_not_touched(alice: Person, server: Peer) -> None:
    """File, line and reason; exit 1; --force --yes is the way out."""
    alice.at(server.url).write("A=1\nB='canary-open\n")
    done = alice.keyway("pull", "--yes")
    assert done.code == 1
    assert ".env:2: the quote (')" in done.err
    assert "canary" not in done.err
    assert alice.read() == "A=1\nB='canary-open\n"
    assert alice.keyway("pull", "--force", "--yes").code == 0
    assert alice.read() == WRITTEN


def test_a_readable_file_of_others_is_made_private(alice: Person, server: Peer) -> None:
    """Even when no value changes."""
    alice.at(server.url).write(WRITTEN).chmod(0o644)
    assert alice.keyway("pull").code == 0
    assert mode(alice.clone / ".env") == 0o600


def test_a_person_is_asked(alice: Person, server: Peer) -> None:
    """At a terminal: names, a question, and `no` leaves the file alone with exit 0."""
    alice.at(server.url).write("A=mine\n")
    done = alice.at_terminal("pull").until("Write these changes").type("n\n").end()
    assert done.code == 0
    assert "nothing was written" in done.out
    assert alice.read() == "A=mine\n"
    done = alice.at_terminal("pull").until("Write these changes").type("y\n").end()
    assert (done.code, alice.read()) == (0, WRITTEN)
    assert "canary" not in done.out


def test_control_c_at_the_question_is_exit_130(alice: Person, server: Peer) -> None:
    """Interrupted, and nothing written."""
    alice.at(server.url).write("A=mine\n")
    done = alice.at_terminal("pull").until("Write these changes").interrupt().end()
    assert (done.code, alice.read()) == (130, "A=mine\n")


def test_a_continuous_integration_run_is_never_asked(alice: Person, server: Peer) -> None:
    """CI=true counts as nobody there, even with a terminal."""
    alice.at(server.url).write("A=mine\n")
    assert alice.at_terminal("pull", CI="true").end().code == 2


def test_a_link_to_elsewhere_is_refused(alice: Person, server: Peer, tmp_path: Path) -> None:
    """A cloned repository cannot aim .env at a file of yours: neither one that exists, nor a new one, nor git's own."""
    outside = tmp_path / "bashrc"
    outside.write_text("echo hi\n")
    alice.at(server.url)
    for target in (outside, tmp_path / "new", alice.clone / ".git" / "config"):
        link = alice.clone / ".env"
        link.symlink_to(target)
        done = alice.keyway("pull", "--force", "--yes")
        assert done.code == 1, target
        assert "outside of this repository" in done.err
        link.unlink()
    assert outside.read_text() == "echo hi\n"
    assert not (tmp_path / "new").exists()


def test_a_link_inside_the_repository_is_followed(alice: Person, server: Peer) -> None:
    """Two packages may share one file: the link stays a link."""
    package = alice.clone / "packages" / "web"
    package.mkdir(parents=True)
    (package / ".env").symlink_to("../../.env")
    assert alice.at(server.url).keyway("pull", folder=package).code == 0
    assert (package / ".env").is_symlink()
    assert alice.read() == WRITTEN


@pytest.mark.parametrize("name", ["folder", "no/such/.env", "pipe"])
def test_what_is_no_file_is_refused(alice: Person, server: Peer, name: str) -> None:
    """Folders, pipes and missing folders: exit 1, named."""
    (alice.clone / "folder").mkdir()
    subprocess.run(["mkfifo", str(alice.clone / "pipe")], check=True)
    done = alice.at(server.url).keyway("pull", "-f", name, "--yes")
    assert done.code == 1
    assert name.split("/", maxsplit=1)[0] in done.err


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(alice: Person, server: Peer) -> None:
    """A draft that cannot be made whole (a limit on its size stands for a full disk): exit 1, old bytes, no rest."""
    alice.at(server.url).write("Z=old\n")
    done = subprocess.run(
        ["sh", "-c", f"trap '' XFSZ; ulimit -f 0; exec {KEYWAY} pull --yes"],
        cwd=alice.clone,
        env=alice.variables,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert b"cannot write" in done.stderr
    assert alice.read() == "Z=old\n"
    assert sorted(path.name for path in alice.clone.iterdir()) == [".env", ".git", ".gitignore"]


WRITING = """
import sys
from pathlib import Path
from keyway_cli.files import write_private

number = 0
while True:
    number += 1
    write_private(Path(sys.argv[1]), str(number % 10).encode() * 100_000)
    print(end=".", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_draft(tmp_path: Path, number: signal.Signals) -> None:
    """Whenever it comes: the file is one whole content, and nothing else that holds secrets is in the folder."""
    path = tmp_path / ".env"
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITING, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            assert child.stdout is not None
            assert child.stdout.read(3)
            child.send_signal(number)
        data = path.read_bytes()
        assert data == data[:1] * 100_000
        assert [one.name for one in tmp_path.iterdir()] == [".env"]


def test_the_old_file_is_there_until_the_new_one_is(tmp_path: Path) -> None:
    """While a file is replaced two hundred times a reader only ever sees one whole content or the other."""
    path = tmp_path / "file"
    contents = [b"a" * 50_000, b"b" * 70_000]
    write_private(path, contents[0])
    seen = set()
    for number in range(200):
        write_private(path, contents[number % 2])
        seen.add(path.read_bytes())
    assert seen == set(contents)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_that_git_does_not_ignore_is_a_warning(alice: Person, server: Peer) -> None:
    """Without a terminal: a warning, and .gitignore is left alone."""
    (alice.clone / ".gitignore").write_text("*.pyc")
    done = alice.at(server.url).keyway("pull")
    assert done.code == 0
    assert ".env is not ignored by git" in done.err
    assert (alice.clone / ".gitignore").read_text() == "*.pyc"


def test_a_person_may_have_it_added_to_gitignore(alice: Person, server: Peer) -> None:
    """At a terminal it is offered, and added on a line of its own."""
    (alice.clone / ".gitignore").write_text("*.pyc")
    done = alice.at(server.url).at_terminal("pull").until("Add it to .gitignore?").type("\n").end()
    assert done.code == 0, done.out
    assert (alice.clone / ".gitignore").read_text() == "*.pyc\n.env\n"
    assert "not ignored" not in alice.keyway("pull").err


def test_a_committed_file_is_a_louder_warning(alice: Person, server: Peer) -> None:
    """Ignoring does not help a file that git has already."""
    alice.write("Z=1\n")
    alice.git("add", "-f", ".env")
    done = alice.at(server.url).keyway("pull")
    assert "git rm --cached .env" in done.err


def test_a_hostile_server_cannot_put_names_into_the_file(alice: Person) -> None:
    """Names that change how programs start, and what is no name, are left out with a warning."""
    hostile = {"PATH": "x", "LD_PRELOAD": "x", "A\nB": "x", "C=D": "x", "\x1b[2J": "x", "GOOD": "1"}
    with listening(lambda _: pulled(hostile)) as server:
        done = alice.at(server.url).keyway("pull")
    assert alice.read() == "GOOD=1\n"
    assert "LD_PRELOAD" in done.err
    assert "A\ufffdB" in done.err
    assert "\x1b" not in done.err


def test_a_file_named_after_another_environment_is_a_warning(alice: Person, server: Peer) -> None:
    """`pull -f .env.production` still means development, and says so."""
    done = alice.at(server.url).keyway("pull", "-f", ".env.production")
    assert "named after production; it gets the values of development" in done.err
    assert "environment=development" in server.requests[0].path


@pytest.mark.parametrize(
    ("names", "environment"),
    [
        (
            (".env", ".env.local", ".env.dev", ".env.DEV", ".env.test.local", ".env.dev.local", "other.txt"),
            "development",
        ),
        ((".env.prod", ".env.Production", ".env.prod.local", ".env.production.local"), "production"),
        ((".env.stage", ".env.stg", ".env.staging", ".env.stage.local", ".env.staging.local"), "staging"),
        ((".env.qa", ".env.QA"), "qa"),
        ((".env.a.b",), "a.b"),
    ],
)
def test_the_environment_that_a_file_is_named_after(names: tuple[str, ...], environment: str) -> None:
    """The aliases of contract.md 11.5."""
    assert {environment_of(name) for name in names} == {environment}


def test_the_files_that_are_found(tmp_path: Path) -> None:
    """Everything called .env or .env.*, without samples and folders, .env first."""
    for name in (".env", ".env.prod", ".env.example", ".env.sample", ".env.template", ".envrc", "x.env", ".env.A"):
        (tmp_path / name).touch()
    (tmp_path / ".env.d").mkdir()
    assert [path.name for path in candidates(tmp_path)] == [".env", ".env.A", ".env.prod"]
