"""`keyway export`: on stdout, in a file, at a terminal, for an assistant, and when it cannot be done."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from consumers import readers
from keyway_cli.commands.export import command
from keyway_cli.formats.writing import FORMATS
from keyway_core import dotenv
from keyway_core.sensitive import Sensitive
from peer import Answer, Peer, Request, listening, problem, pulled
from person import KEYWAY, NOBODY, Person, Team

from tests.backend.secrets.desk import HARD

VALUES = {"A": "canary-one", "B_URL": 'canary two\'s "x" $HOME', "C": "", "PEM": "canary\nlines\n"}


@pytest.fixture
def server() -> Iterator[Peer]:
    with listening(lambda _: pulled(VALUES)) as peer:
        yield peer


def test_the_formats_are_told_once() -> None:
    """What the command offers, without loading them, is what there is."""
    (option,) = (one for one in command.params if one.name == "form")
    assert list(option.type.choices) == list(FORMATS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["yaml", "shell", "github"])
def test_stdout_holds_the_text_and_nothing_else(alice: Person, server: Peer, tmp_path: Path, name: str) -> None:
    """Whoever reads the format reads the values from the pipe; stderr is silent."""
    done = alice.at(server.url).keyway("export", "--format", name)
    assert (done.code, done.err) == (0, "")
    for reader in readers(name).values():
        assert reader(done.out, tmp_path) == VALUES


def test_a_shell_evaluates_it(alice: Person, server: Peer) -> None:
    """As the help says, in the shell of this machine."""
    script = f'eval "$({KEYWAY} export --format shell)"; printf "%s|" "$A" "$B_URL" "$PEM"'
    done = subprocess.run(
        ["sh", "-c", script], cwd=alice.clone, env=alice.at(server.url).variables, capture_output=True, check=True
    )
    assert done.stdout.decode() == "|".join([VALUES["A"], VALUES["B_URL"], VALUES["PEM"], ""])


@pytest.mark.parametrize(
    ("arguments", "more"),
    [(("export", "--format", "yaml"), {"tomllib"}), (("import", "a.json"), {"yaml.parser"}), (("--help",), set[str]())],
)
def test_nothing_is_loaded_that_is_not_used(
    alice: Person, server: Peer, arguments: tuple[str, ...], more: set[str]
) -> None:
    """Writing YAML needs no library; reading JSON needs none but ours; only reading YAML loads PyYAML."""
    alice.at(server.url).write('{"A": "1"}', "a.json")
    command = [sys.executable, "-X", "importtime", "-m", "keyway_cli", *arguments]
    done = subprocess.run(command, cwd=alice.clone, env=alice.variables, capture_output=True, check=True)
    loaded = set(re.findall(r"\| +([\w.]+)$", done.stderr.decode(), re.MULTILINE))
    assert loaded & ({"yaml", "keyring", "rich", "cryptography", "zipfile"} | more) == set()
    assert "click" in loaded


def test_dotenv_is_the_default(alice: Person, server: Peer, tmp_path: Path) -> None:
    """Without --format."""
    assert readers("dotenv")["keyway"](alice.at(server.url).keyway("export").out, tmp_path) == VALUES


def test_a_choice_of_keys_under_other_names(alice: Person, server: Peer) -> None:
    """As `run` understands it: patterns, left out keys, a prefix; a name that stands for nothing is exit 2."""
    alice.at(server.url)
    chosen = ("--only", "A,B*,PEM", "--except", "PEM", "--prefix", "TF_VAR_")
    done = alice.keyway("export", "--format", "json", *chosen)
    assert done.json == {"TF_VAR_A": VALUES["A"], "TF_VAR_B_URL": VALUES["B_URL"]}
    unknown = alice.keyway("export", "--only", "NOPE")
    assert (unknown.code, unknown.out) == (2, "")
    assert "NOPE" in unknown.err
    wrong = alice.keyway("export", "--prefix", "no-name-")
    assert (wrong.code, wrong.out) == (1, "")
    assert "no-name-A is no name" in wrong.err


def test_json_tells_more_than_the_text(alice: Person, server: Peer) -> None:
    """One object: the place, the format, the names, the revision and the text."""
    done = alice.at(server.url).keyway("export", "--json", "--only", "A")
    assert done.json == {
        "exported": True,
        "repository": "acme/app",
        "environment": "development",
        "format": "dotenv",
        "keys": ["A"],
        "revision": 1,
        "text": "A=canary-one\n",
    }


def test_what_cannot_be_carried_prints_nothing(alice: Person, server: Peer) -> None:
    """Exit 1 with the names, the reason and a way; neither stream has a value."""
    done = alice.at(server.url).keyway("export", "--format", "docker")
    assert (done.code, done.out) == (1, "")
    assert "docker cannot carry one value: PEM has several lines" in done.err
    assert "--except PEM" in done.err
    assert "canary" not in done.err
    assert alice.keyway("export", "--format", "docker", "--except", "PEM").out.startswith("A=canary-one\n")
    assert "canary" not in alice.keyway("export", "--format", "docker", "--json").out
    assert alice.keyway("export", "--format", "docker", "-o", "x.env").code == 1
    assert not (alice.clone / "x.env").exists()


def test_a_file_is_private_and_whole(alice: Person, server: Peer) -> None:
    """Mode 0600, nothing else left in the folder, no value on either stream; a second time changes nothing."""
    alice.at(server.url)
    (alice.clone / ".gitignore").write_text("*.json\n")
    done = alice.keyway("export", "--format", "json", "-o", "values.json", "--json")
    path = alice.clone / "values.json"
    assert (done.code, json.loads(path.read_text())) == (0, VALUES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (done.json["file"], done.json["keys"], "text" in done.json) == ("values.json", list(VALUES), False)
    assert "canary" not in done.out + done.err
    assert sorted(one.name for one in alice.clone.iterdir()) == [".git", ".gitignore", "values.json"]
    before = path.stat()
    assert alice.keyway("export", "--format", "json", "-o", "values.json").code == 0
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_another_file_is_not_overwritten_unasked(alice: Person, server: Peer) -> None:
    """Exit 2 with nobody to ask; --yes, or a person's yes, replaces it."""
    path = alice.at(server.url).write("mine", "x.env")
    refused = alice.keyway("export", "-o", "x.env")
    assert (refused.code, path.read_text()) == (2, "mine")
    no = alice.at_terminal("export", "-o", "x.env").until("Overwrite it?").type("n\n").end()
    assert (no.code, path.read_text()) == (0, "mine")
    (alice.clone / ".gitignore").write_text("*.env\n")
    yes = alice.at_terminal("export", "-o", "x.env").until("Overwrite it?").type("y\n").end()
    assert yes.code == 0
    assert path.read_text().startswith("A=canary-one\n")
    path.write_text("mine")
    assert alice.keyway("export", "-o", "x.env", "--yes").code == 0
    assert path.read_text().startswith("A=canary-one\n")


def test_a_file_that_git_would_commit_is_told(alice: Person, server: Peer) -> None:
    """As for `pull`."""
    done = alice.at(server.url).keyway("export", "--format", "yaml", "-o", "values.yaml")
    assert done.code == 0
    assert "values.yaml is not ignored by git" in done.err


@pytest.mark.parametrize("output", ["/dev/full", "no/such/folder/x", ".", "link"])
def test_what_is_no_file_of_ours_is_not_written(alice: Person, server: Peer, tmp_path: Path, output: str) -> None:
    """Devices, folders, and links that lead out of the repository."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("theirs")
    (alice.clone / "link").symlink_to(elsewhere)
    done = alice.at(server.url).keyway("export", "-o", output, "--yes")
    assert done.code == 1
    assert "canary" not in done.err + done.out
    assert elsewhere.read_text() == "theirs"


def test_a_disk_that_is_full_keeps_the_old_file(alice: Person) -> None:
    """Nothing half-written, and no draft left behind."""
    with listening(lambda _: pulled({f"K{number}": "canary" * 2_000 for number in range(10)})) as server:
        path = alice.at(server.url).write("old", "x.env")
        script = f"ulimit -f 4; trap '' XFSZ; exec {KEYWAY} export -o x.env --yes"
        done = subprocess.run(
            ["bash", "-c", script], cwd=alice.clone, env=alice.variables, capture_output=True, check=False
        )
    assert done.returncode == 1
    assert b"file too large" in done.stderr
    assert path.read_text() == "old"
    assert [one.name for one in alice.clone.iterdir() if one.name.endswith(".tmp")] == []


def test_a_reader_that_goes_away(alice: Person, server: Peer) -> None:
    """No traceback."""
    script = f"{KEYWAY} export | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=alice.clone, env=alice.at(server.url).variables, capture_output=True, check=False
    )
    assert done.returncode in {0, 1}
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "more"),
    [
        *((variable, ()) for variable in ("CODEX_SANDBOX", "AGENT")),
        *(("CLAUDECODE", more) for more in ((), ("--yes",), ("--json",), ("-o", "-"))),
    ],
)
def test_nothing_is_printed_for_an_assistant(alice: Person, server: Peer, variable: str, more: tuple[str, ...]) -> None:
    """Exit 2, whatever it says, and the server was not even asked."""
    done = alice.at(server.url).keyway("export", *more, **{variable: "1"})
    assert done.code == 2
    assert "canary" not in done.out + done.err
    assert server.requests == []


def test_a_person_can_confirm_for_an_assistant(alice: Person, server: Peer) -> None:
    """By typing the environment's name at a terminal, and by nothing else."""
    alice.at(server.url)
    refused = alice.at_terminal("export", CLAUDECODE="1").until("type development").type("y\n").end()
    assert (refused.code, "canary" in refused.out) == (2, False)
    shown = alice.at_terminal("export", CLAUDECODE="1").until("type development").type("development\n").end()
    assert (shown.code, "canary-one" in shown.out) == (0, True)


def test_names_that_start_programs_are_left_out(alice: Person) -> None:
    """As for `pull`: a server that sends them is not believed."""
    with listening(lambda _: pulled({"A": "1", "LD_PRELOAD": "/x", "../B": "2"})) as server:
        done = alice.at(server.url).keyway("export", "--format", "shell")
    assert (done.code, done.out) == (0, "export A='1'\n")
    assert "LD_PRELOAD" in done.err


@pytest.mark.parametrize(
    ("code", "status", "arguments"),
    [(3, 401, ()), (4, 404, ("-e", "nowhere")), (75, 503, ()), (2, 200, ("--name", "A b"))],
)
def test_what_goes_wrong_prints_nothing(alice: Person, code: int, status: int, arguments: tuple[str, ...]) -> None:
    """Each with its exit code."""

    def answer(_: Request) -> Answer:
        return pulled(VALUES) if status == 200 else problem(status, "no")

    with listening(answer) as server:
        done = alice.at(server.url).keyway("export", *arguments)
    assert (done.code, done.out) == (code, "")


def test_nobody_and_no_server(alice: Person) -> None:
    """Not signed in is exit 3, a server that is gone 75."""
    assert alice.at(NOBODY).keyway("export").code == 75
    assert alice.at(NOBODY, token=None).keyway("export").code == 3


def test_from_the_real_server(vault: Team, tmp_path: Path) -> None:
    """The hard values, pushed and exported in each format; who may not read production exports nothing of it."""
    owner, reader = vault.owner, vault.person("reader", "read")
    values = {key: value for key, value in HARD.items() if not value.endswith("\r")}
    owner.write(dotenv.render({key: Sensitive(value) for key, value in values.items()}))
    assert owner.keyway("push", "--yes").code == 0
    for name in ("yaml", "csv", "k8s", "tfvars"):
        done = owner.keyway("export", "--format", name)
        assert done.code == 0, done.err
        assert next(iter(readers(name).values()))(done.out, tmp_path) == values
    assert reader.keyway("export", "--format", "json").json == values
    assert (reader.keyway("export", "-e", "production").code, owner.keyway("export", "-e", "nowhere").code) == (4, 4)
