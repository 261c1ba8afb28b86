"""`keyway run`: the program is the program, with values around it (assurance.md M-06, M-09)."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from peer import Peer, listening, problem, pulled
from person import KEYWAY, Person

AWKWARD = {
    "PEM": "-----BEGIN PRIVATE KEY-----\nMIIB+/==\n-----END PRIVATE KEY-----\n",
    "JSON": '{"a": "$HOME `id` \\n"}',
    "QUOTES": 'it\'s "x"',
    "CR": "a\r\nb\r",
    "EMPTY": "",
    "NBSP": "\u00a0\ufeff\u2028",
    "EMOJI": "👩‍🚀",
    "TAB": "\t x \t",
    "LONG": "é" * 32_768,
}
SHOW = "import os; print(dict(os.environb))"


@pytest.fixture
def server() -> Iterator[Peer]:
    with listening(lambda _: pulled(AWKWARD | {"HOME_PAGE": "x"})) as peer:
        yield peer


def run(person: Person, server: Peer, *command: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    person.at(server.url)
    return subprocess.run(
        [KEYWAY, "run", "--", *command],
        cwd=person.clone,
        env=person.variables | variables,
        capture_output=True,
        timeout=90,
        check=False,
    )


def test_no_environment_no_program(alice: Person) -> None:
    """When the values cannot be had the program is not started, and the code says why."""
    for status, code in ((404, 4), (403, 4), (401, 3), (503, 75), (500, 1)):
        with listening(lambda _, status=status: problem(status, "no")) as server:
            assert run(alice, server, "touch", "started").returncode == code
    assert not (alice.clone / "started").exists()


def test_names_that_change_how_programs_start_are_left_out(alice: Person) -> None:
    """Whatever a server sends: named in a warning, and not in the program's environment."""
    names = [
        "PATH",
        "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES",
        "BASH_ENV",
        "ENV",
        "GITHUB_ENV",
        "GITHUB_PATH",
        "1A",
        "A B",
        "A=B",
        "",
        "A\nB",
    ]
    with listening(lambda _: pulled(dict.fromkeys(names, "canary-x") | {"GOOD": "1"})) as server:
        done = run(alice, server, sys.executable, "-c", "import os; print(dict(os.environ))")
    assert done.returncode == 0, done.stderr
    assert b"canary-x" not in done.stdout + done.stderr
    assert b"'GOOD': '1'" in done.stdout
    assert b"not handed to the program" in done.stderr
    assert b"\x00" not in done.stderr


def test_a_value_that_no_process_can_hold_is_left_out(alice: Person) -> None:
    """NUL ends a string for the kernel; the key is named and the program runs without it."""
    with listening(lambda _: pulled({"A": "x\0y", "B": "\ud800", "C": "1"})) as server:
        done = run(alice, server, "sh", "-c", "echo ${A-none}${B-none}$C")
    assert done.stdout == b"nonenone1\n"
    assert b"A, B" in done.stderr


@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "en_US.ISO-8859-1"])
def test_every_value_arrives_byte_for_byte(alice: Person, server: Peer, locale: str) -> None:
    """Line ends, quotes, no-break spaces, 64 KiB: in UTF-8, also where the locale is another."""
    done = run(alice, server, sys.executable, "-c", SHOW, LC_ALL=locale)
    assert done.stderr == b""
    seen = ast.literal_eval(done.stdout.decode())
    assert {key: seen.get(key.encode()) for key in AWKWARD} == {key: value.encode() for key, value in AWKWARD.items()}


def test_a_value_replaces_a_variable_and_leaves_the_others(alice: Person) -> None:
    """The vault wins over the shell."""
    with listening(lambda _: pulled({"A": "vault"})) as server:
        done = run(alice, server, "sh", "-c", "echo $A $B", A="shell", B="stays")
    assert done.stdout == b"vault stays\n"


@pytest.mark.parametrize("code", [0, 1, 75, 127, 255])
def test_the_exit_code_is_the_programs(alice: Person, server: Peer, code: int) -> None:
    """Every code, ours included."""
    assert run(alice, server, "sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGPIPE"])
def test_death_by_a_signal_is_the_programs(alice: Person, server: Peer, name: str) -> None:
    """The parent sees the signal itself (a shell shows 128 + n)."""
    number = signal.Signals[name]
    assert run(alice, server, "sh", "-c", f"kill -{number} $$").returncode == -number


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_a_signal_reaches_the_program(alice: Person, server: Peer, name: str) -> None:
    """It is one process: what is sent to `keyway` is sent to the program."""
    alice.at(server.url)
    script = f"trap 'echo got; exit 7' {name[3:]}; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [KEYWAY, "run", "sh", "-c", script], cwd=alice.clone, env=alice.variables, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.Signals[name])
        assert child.stdout.read() == b"got\n"
    assert child.returncode == 7


def test_a_pipe_that_closes_ends_the_program(alice: Person, server: Peer) -> None:
    """Python ignores SIGPIPE; the program must not inherit that."""
    alice.at(server.url)
    start = time.monotonic()
    done = subprocess.run(
        ["sh", "-c", f"{KEYWAY} run -- yes | head -1"],
        cwd=alice.clone,
        env=alice.variables,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"y\n"
    assert time.monotonic() - start < 5


def test_input_and_output_pass_through(alice: Person, server: Peer) -> None:
    """stdin is the program's, stdout carries nothing of ours."""
    done = alice.at(server.url).keyway("run", "cat", stdin=b"\x00\xff bytes".replace(b"\xff", b"x"))
    assert (done.code, done.out, done.err) == (0, "\x00x bytes", "")


def test_options_after_the_program_are_the_programs(alice: Person, server: Peer) -> None:
    """With or without `--`, what follows the program's name is not ours."""
    alice.at(server.url)
    assert alice.keyway("run", "echo", "-e", "--json", "--help").out.strip().endswith("--json --help")
    assert alice.keyway("run", "-e", "staging", "--", "echo", "--", "-h").out == "-- -h\n"
    assert "environment=staging" in server.requests[-1].path


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("no-such-program", 127, "command not found"),
        ("./no/such", 127, "command not found"),
        ("./plain", 126, "permission denied"),
        (".", 126, "permission denied"),
    ],
)
def test_a_program_that_cannot_be_started(alice: Person, server: Peer, program: str, code: int, words: str) -> None:
    """127 when it is not there, 126 when it is no program: as a shell says it."""
    (alice.clone / "plain").write_text("#!/bin/sh\n")
    done = run(alice, server, program)
    assert done.returncode == code
    assert f"keyway: {program}: {words}" in done.stderr.decode()


def test_a_value_that_is_too_long_for_the_kernel_is_named(alice: Person) -> None:
    """One string over 128 KiB: exit 1, the key, and nothing started."""
    with listening(lambda _: pulled({"SMALL": "x", "HUGE": "canary" * 22_000})) as server:
        done = run(alice, server, "touch", "started")
    assert done.returncode == 1
    assert b"HUGE takes 132006 bytes; the system hands over 131072" in done.stderr
    assert b"--env-file" in done.stderr
    assert b"canary" not in done.stderr
    assert not (alice.clone / "started").exists()


def test_an_environment_that_is_too_large_for_the_kernel_is_explained(alice: Person) -> None:
    """Ten thousand keys and 10 MB: exit 1, the size and the largest keys, and nothing started."""
    values = {f"K{number}": "x" * 1_000 for number in range(10_000)} | {"LARGEST": "y" * 100_000}
    with listening(lambda _: pulled(values)) as server:
        done = run(alice, server, "touch", "started")
    assert done.returncode == 1
    assert re.search(rb"the variables take 10\d{6} bytes; the system hands over \d+", done.stderr)
    assert b"LARGEST (100009)" in done.stderr
    assert b"--env-file" in done.stderr
    assert not (alice.clone / "started").exists()


def test_ten_thousand_small_values_are_no_problem(alice: Person) -> None:
    """As many as fit are handed over."""
    with listening(lambda _: pulled({f"K{number}": "v" for number in range(10_000)})) as server:
        done = run(alice, server, sys.executable, "-c", "import os; print(sum(k[0] == 'K' for k in os.environ))")
    assert int(done.stdout) >= 10_000


def test_values_are_in_no_command_line_and_no_parent(alice: Person, server: Peer) -> None:
    """While the program runs, no process has a value in its arguments, and no file was written."""
    alice.at(server.url)
    with subprocess.Popen(
        [KEYWAY, "run", "sh", "-c", "echo ready; exec sleep 5"],
        cwd=alice.clone,
        env=alice.variables,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with open(f"/proc/{child.pid}/cmdline", "rb") as file:  # noqa: PTH123
            assert b"MIIB" not in file.read()
        child.kill()
    assert not any("MIIB" in path.read_text(errors="replace") for path in alice.home.rglob("*") if path.is_file())
    assert os.environ.get("PEM") is None
