"""Linux, macOS and Windows: what only one of them has is not asked for on the others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest
from elsewhere import ABSENT
from keyway_cli import files, git, system
from keyway_cli.refused import is_refused
from peer import Answer, Peer, Request, listening, pulled
from person import Done, Person

DRIVER = str(Path(__file__).with_name("elsewhere.py"))
VALUES = {"A": "canary-one", "PEM": "canary\nlines\n"}


def elsewhere(person: Person, machine: str, *arguments: str, **variables: str) -> Done:
    """One command as on another system."""
    done = subprocess.run(
        [sys.executable, DRIVER, machine, *arguments],
        cwd=person.clone,
        env=person.variables | variables,
        input=b"",
        capture_output=True,
        timeout=180,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def answer(request: Request) -> Answer:
    if request.method == "GET":
        return pulled(VALUES)
    stats = {"created": 1, "updated": 0, "deleted": 0}
    return Answer(body={"data": {"stats": stats, "revision": {"id": "rev-2", "number": 2}}, "meta": {}})


@pytest.fixture
def server() -> Iterator[Peer]:
    with listening(answer) as peer:
        yield peer


@pytest.mark.parametrize("machine", list(ABSENT))
def test_every_module_can_be_imported_everywhere(alice: Person, machine: str) -> None:
    """Without fcntl, termios, pty, pwd, ..., without msvcrt, winreg, ..., without signals that others have not."""
    done = elsewhere(alice, machine, "import")
    assert done.code == 0, done.err
    assert int(done.out) > 100


def test_the_same_test_sees_a_module_that_asks(alice: Person, tmp_path: Path) -> None:
    """What it would find: at import, and when a command runs."""
    (tmp_path / "asks.py").write_text("import fcntl\n")
    asking = f"import sys; sys.path[:0] = [{str(Path(DRIVER).parent)!r}, {str(tmp_path)!r}]\nimport elsewhere\n"
    move = "elsewhere.move_to('windows')\nimport os, signal\n"
    tries = "".join(
        f"try:\n  {body}\nexcept (ImportError, AttributeError) as error:\n  print(type(error).__name__)\n"
        for body in ("import asks", "os.fork", "signal.SIGWINCH")
    )
    command = [sys.executable, "-c", asking + move + tries]
    done = subprocess.run(command, env=alice.variables, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["ModuleNotFoundError", "AttributeError", "AttributeError"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--format", "json", "-o", "x.json"),
        ("import", "in.json", "--apply"),
        ("set", "B", "2"),
        ("completion", "powershell"),
        ("run", "--", sys.executable, "-c", "print('started')"),
        ("run", "--env-file", "new.env", "--", sys.executable, "-c", "print('started')"),
    ],
)
def test_commands_do_their_work_without_what_windows_has_not(
    alice: Person, server: Peer, arguments: tuple[str, ...]
) -> None:
    """As on Linux: exit 0, and no bug is reported."""
    alice.at(server.url)
    alice.write('{"B": "2"}', "in.json")
    done = elsewhere(alice, "windows", "run", *arguments, USERNAME="ann")
    assert done.code == 0, done.err
    assert "a bug in keyway" not in done.err
    if "print('started')" in arguments:
        assert done.out == "started\n"


def test_a_program_that_does_not_start_is_told_on_windows(alice: Person, server: Peer) -> None:
    """127, as elsewhere."""
    done = elsewhere(alice.at(server.url), "windows", "run", "run", "--", "no-such-program")
    assert (done.code, "command not found" in done.err) == (127, True)


def test_masking_on_windows_has_pipes_and_no_terminal(alice: Person, server: Peer) -> None:
    """A program's output is masked all the same."""
    program = "import os, sys; print(os.environ['A']); print(os.environ['A'], file=sys.stderr)"
    done = elsewhere(alice.at(server.url), "windows", "run", "run", "--mask", "--", sys.executable, "-c", program)
    assert done.code == 0
    assert "canary" not in done.out + done.err


def test_what_windows_cannot_do_is_said(alice: Person, server: Peer) -> None:
    """--watch ends programs by signals: exit 2, and nothing is started."""
    done = elsewhere(alice.at(server.url), "windows", "run", "run", "--watch", "--", sys.executable, "-c", "print(1)")
    assert (done.code, done.out) == (2, "")
    assert "Windows" in done.err


def test_a_program_is_found_as_windows_names_it(alice: Person, server: Peer, tmp_path: Path) -> None:
    """`npm` is a file npm.cmd there."""
    tool = tmp_path / "tool.cmd"
    tool.write_text("#!/bin/sh\necho found $A\n")
    tool.chmod(0o755)
    path = f"{tmp_path}:{alice.variables['PATH']}"
    done = elsewhere(alice.at(server.url), "windows", "run", "run", "--", "tool", PATH=path, PATHEXT=".exe:.cmd")
    assert (done.code, done.out) == (0, "found canary-one\n")


def test_a_file_on_windows_is_opened_to_its_person_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the system's own program, while it is empty; in a person's own folder nothing has to be done."""
    system32 = tmp_path / "System32"
    system32.mkdir()
    icacls = system32 / "icacls.exe"
    icacls.write_text(f'#!/bin/sh\nwc -c < "$1" > {tmp_path}/size\nshift\nprintf "%s\\n" "$*" > {tmp_path}/arguments\n')
    icacls.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {"SYSTEMROOT": tmp_path, "USERDOMAIN": "CORP", "USERNAME": "ann", "HOME": home}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(system, "WINDOWS", True)
    files.write_private(home / "x", b"canary")
    assert not (tmp_path / "arguments").exists()
    files.write_private(tmp_path / "x", b"canary")
    assert (tmp_path / "x").read_bytes() == b"canary"
    assert (tmp_path / "size").read_text().strip() == "0"
    assert (tmp_path / "arguments").read_text() == ("/inheritance:r /grant:r CORP\\ann:F *S-1-5-18:F *S-1-5-32-544:F\n")
    icacls.unlink()
    files.write_private(tmp_path / "y", b"canary")
    assert (tmp_path / "y").read_bytes() == b"canary"


def test_names_have_no_case_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """There `Path` is PATH; elsewhere it is a name like any other. What loads code on macOS is refused everywhere."""
    assert [is_refused(name) for name in ("PATH", "Path", "ld_preload", "DYLD_X", "GOOD")] == [
        *(True, False, False, True, False)
    ]
    monkeypatch.setattr("keyway_cli.system.WINDOWS", True)
    assert all(is_refused(name) for name in ("PATH", "Path", "ld_preload", "Bash_Env", "dyld_x"))
    assert not is_refused("Good")


@pytest.mark.parametrize("name", [".git", ".GIT", ".Git.", ".git ", "GIT~1"])
def test_the_folder_of_git_by_any_name(name: str) -> None:
    """What other systems take for .git is no place for a file of values."""
    assert git.leads_into(PurePath("a", name, "config"))
    assert not git.leads_into(PurePath("a", f"{name}x".replace(" ", "")))
