"""`keyway run` beside its program: choices, files that disappear, caches, watching, signals, PID 1."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from peer import Answer, Peer, Request, listening, problem, pulled
from person import KEYWAY, Person

VALUES = {"DB_URL": "canary-db-url-0123456789", "DB_USER": "canary-user", "API": "canary-api-key-abcdef", "PORT": "80"}
SHOW = "import os, json; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def server() -> Iterator[Peer]:
    """Answers every pull with the same values, and 304 to whoever has them."""

    def answer(request: Request) -> Answer:
        if request.headers.get("if-none-match") == '"tag-1"':
            return Answer(304, b"", {"ETag": '"tag-1"'})
        return pulled(VALUES)._replace(headers={"ETag": '"tag-1"'})

    with listening(answer) as peer:
        yield peer


def eventually(what: str, seconds: float = 30) -> Iterator[None]:
    """Turns of waiting; fails when they run out."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)
    pytest.fail(f"never: {what}")


def shown(person: Person, *arguments: str, **variables: str) -> dict[str, str]:
    """The variables that a program gets."""
    done = person.keyway("run", *arguments, "--", sys.executable, "-c", SHOW, **variables)
    assert done.code == 0, done.err
    found: dict[str, str] = json.loads(done.out)
    return found


# --- choices


def test_keys_can_be_chosen_left_out_and_prefixed(alice: Person, server: Peer) -> None:
    """--only and --except take names and patterns, more than once or with commas; --prefix goes before each name."""
    alice.at(server.url)
    keys = set(VALUES)
    assert keys & shown(alice, "--only", "DB_*,API").keys() == {"DB_URL", "DB_USER", "API"}
    assert keys & shown(alice, "--only", "DB_*", "--only", "PORT", "--except", "DB_USER").keys() == {"DB_URL", "PORT"}
    prefixed = shown(alice, "--prefix", "APP_")
    assert prefixed["APP_PORT"] == "80"
    assert not keys & prefixed.keys()


def test_a_choice_of_nothing_starts_nothing(alice: Person, server: Peer) -> None:
    """A name that stands for no key is exit 2; a prefix that makes a dangerous name hands nothing over."""
    alice.at(server.url)
    for option in ("--only", "--except"):
        done = alice.keyway("run", option, "NOPE", "--", "touch", "started")
        assert (done.code, "NOPE" in done.err) == (2, True)
    assert not (alice.clone / "started").exists()
    assert "LD_API" not in shown(alice, "--prefix", "LD_")


def test_a_program_can_get_nothing_but_the_values(alice: Person, server: Peer) -> None:
    """--no-inherit-env: what finds programs and a home stays, a token of ours and everything else does not."""
    found = shown(alice.at(server.url), "--no-inherit-env", OTHER="x", AWS_SECRET_ACCESS_KEY="y")
    assert found["DB_USER"] == VALUES["DB_USER"]
    assert found["PATH"] == alice.variables["PATH"]
    assert {"OTHER", "AWS_SECRET_ACCESS_KEY", "KEYWAY_TOKEN", "KEYWAY_API_URL"}.isdisjoint(found)


# --- a file that disappears


def test_values_can_go_into_a_file_that_disappears(alice: Person, server: Peer) -> None:
    """It is there, 0600 and complete while the program runs, gone afterwards; the variables do not have the values."""
    alice.at(server.url)
    code = "stat -c %a .env.run; cat .env.run; echo API=[$API]"
    done = alice.keyway("run", "--env-file", ".env.run", "--", "sh", "-c", f"{code}; exit 7")
    assert done.code == 7
    assert done.out.startswith("600\n")
    assert f"DB_URL={VALUES['DB_URL']}" in done.out
    assert "API=[]" in done.out
    assert not (alice.clone / ".env.run").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_file_disappears_when_keyway_is_killed(alice: Person, server: Peer, number: int) -> None:
    """However keyway ends, the file goes."""
    alice.at(server.url)
    file = alice.clone / ".env.run"
    with subprocess.Popen(
        [KEYWAY, "run", "--env-file", str(file), "--", "sleep", "30"],
        cwd=alice.clone,
        env=alice.variables,
        start_new_session=True,
    ) as child:
        for _ in eventually("the file"):
            if file.exists():
                break
        child.send_signal(number)
        child.wait(20)
        for _ in eventually("the file gone"):
            if not file.exists():
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def test_a_file_that_is_there_is_not_touched(alice: Person, server: Peer) -> None:
    """Exit 2; so is nothing started for a folder that does not exist."""
    path = alice.at(server.url).write("MINE=1\n")
    done = alice.keyway("run", "--env-file", ".env", "--", "touch", "started")
    assert (done.code, path.read_text()) == (2, "MINE=1\n")
    assert alice.keyway("run", "--env-file", "no/where", "--", "touch", "started").code == 1
    assert not (alice.clone / "started").exists()


def test_the_file_takes_what_no_variable_can(alice: Person) -> None:
    """200 KiB in one value: refused as a variable, handed over in a file."""
    with listening(lambda _: pulled({"HUGE": "x" * 60_000 * 3})) as server:
        done = alice.at(server.url).keyway("run", "--env-file", ".env.run", "--", "wc", "-c", ".env.run")
    assert done.code == 0, done.err
    assert int(done.out.split()[0]) > 180_000


# --- a cache that was asked for


def test_nothing_is_kept_unless_asked(alice: Person, server: Peer) -> None:
    """Without --cache-max-age no file holds anything, and --offline has nothing to use: exit 75."""
    assert shown(alice.at(server.url))["PORT"] == "80"
    assert not list((alice.home / ".cache").rglob("*.sealed")) if (alice.home / ".cache").exists() else True
    done = alice.keyway("run", "--offline", "--", "true")
    assert done.code == 75
    assert "no values" in done.err


def test_a_cache_serves_while_the_server_is_away(alice: Person, server: Peer) -> None:
    """Its age is told. It is sealed: no value is in the file; another token does not open it; nor one altered byte."""
    alice.at(server.url)
    assert shown(alice, "--cache-max-age", "1h")["API"] == VALUES["API"]
    (kept,) = (alice.home / ".cache").rglob("*.sealed")
    assert kept.stat().st_mode & 0o777 == 0o600
    content = kept.read_bytes()
    assert not any(value.encode() in content for value in VALUES.values() if len(value) > 4)
    asked = len(server.requests)
    done = alice.keyway("run", "--offline", "--", "sh", "-c", "echo $API")
    assert (done.code, done.out) == (0, VALUES["API"] + "\n"), done.err
    assert "ago, revision 1" in done.err
    assert len(server.requests) == asked
    assert alice.keyway("run", "--offline", "--", "true", KEYWAY_TOKEN="another").code == 75
    assert alice.keyway("run", "--offline", "-e", "staging", "--", "true").code == 75
    kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert alice.keyway("run", "--offline", "--", "true").code == 75


def test_a_cache_is_revalidated_and_used_when_nobody_answers(alice: Person) -> None:
    """The second time the tag is sent and 304 is enough; a dead server is a warning; without a cache it is exit 75."""
    state = {"down": False}

    def answer(request: Request) -> Answer:
        if state["down"]:
            return problem(503, "down")
        if request.headers.get("if-none-match") == '"tag-1"':
            return Answer(304, b"", {"ETag": '"tag-1"'})
        return pulled(VALUES)._replace(headers={"ETag": '"tag-1"'})

    with listening(answer) as server:
        alice.at(server.url)
        for _ in range(2):
            assert shown(alice, "--cache-max-age", "1h")["API"] == VALUES["API"]
        assert server.requests[-1].headers["if-none-match"] == '"tag-1"'
        state["down"] = True
        done = alice.keyway("run", "--cache-max-age", "1h", "--", "sh", "-c", "echo $API")
        assert (done.code, done.out) == (0, VALUES["API"] + "\n")
        assert "warning" in done.err
        assert alice.keyway("run", "--", "true").code == 75


@pytest.mark.parametrize("status", [401, 403, 404])
def test_whoever_is_refused_loses_the_cache(alice: Person, status: int) -> None:
    """A removed person does not go on with what was kept."""
    state = {"refuse": False}
    with listening(lambda _: problem(status, "no") if state["refuse"] else pulled(VALUES)) as server:
        alice.at(server.url)
        shown(alice, "--cache-max-age", "1h")
        state["refuse"] = True
        assert alice.keyway("run", "--cache-max-age", "1h", "--", "true").code in {3, 4}
        assert alice.keyway("run", "--offline", "--", "true").code == 75


def test_a_cache_expires(alice: Person, server: Peer) -> None:
    """By the time for which it was kept, by the time that is said now, and when the clock went back."""
    alice.at(server.url)
    shown(alice, "--cache-max-age", "1s")
    for _ in eventually("expiry"):
        if alice.keyway("run", "--offline", "--", "true").code == 75:
            break
    shown(alice, "--cache-max-age", "1h")
    assert alice.keyway("run", "--offline", "--", "true").code == 0
    for _ in eventually("older than a second"):
        if alice.keyway("run", "--offline", "--cache-max-age", "1s", "--", "true").code == 75:
            break
    for wrong in ("soon", "0m", "31d", "-1h", "5"):
        assert alice.keyway("run", "--cache-max-age", wrong, "--", "true").code == 2


def test_a_full_disk_is_a_warning(alice: Person, server: Peer) -> None:
    """What cannot be kept is told, and the program starts all the same."""
    (alice.home / ".cache").write_text("a file where a folder should be")
    done = alice.at(server.url).keyway("run", "--cache-max-age", "1h", "--", "sh", "-c", "echo $PORT")
    assert (done.code, done.out) == (0, "80\n")
    assert "not kept" in done.err


# --- watching


def test_a_program_is_started_again_when_its_values_change(alice: Person) -> None:
    """The names are told, the old program ends by SIGTERM, the new one has the new value; other keys do not matter."""
    state = {"number": 1, "A": "one", "B": "x"}

    def answer(request: Request) -> Answer:
        tag = f'"rev-{state["number"]}"'
        if request.path.endswith("/revision"):
            if request.headers.get("if-none-match") == tag:
                return Answer(304, b"", {"ETag": tag})
            return Answer(body={"data": {"revision": {"id": tag.strip('"'), "number": state["number"]}}})
        return pulled({"A": str(state["A"]), "B": str(state["B"])}, int(state["number"]))

    code = "trap 'echo stopped; exit 0' TERM; echo A=$A; while :; do sleep 0.1; done"
    with listening(answer) as server:
        alice.at(server.url)
        with subprocess.Popen(
            [KEYWAY, "run", "--watch", "--only", "A", "--", "sh", "-c", code],
            cwd=alice.clone,
            env=alice.variables | {"KEYWAY_WATCH_SECONDS": "0.2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "A=one\n"
            state.update(number=2, B="y")
            for _ in eventually("the pull of revision 2"):
                if any("pull" in request.path for request in server.requests[2:]):
                    break
            state.update(number=3, A="two")
            assert [child.stdout.readline() for _ in range(2)] == ["stopped\n", "A=two\n"]
            child.terminate()
            _, errors = child.communicate(timeout=90)
    assert child.returncode == 0
    assert "revision 3: A changed" in errors
    assert "B" not in errors.replace("Begin", "")


def test_a_watched_program_that_ends_is_the_end(alice: Person, server: Peer) -> None:
    """Its exit code is ours, at once."""
    assert alice.at(server.url).keyway("run", "--watch", "--", "sh", "-c", "exit 5").code == 5
    assert alice.keyway("run", "--watch", "--offline", "--", "true").code == 2


# --- signals and exit codes


@pytest.mark.parametrize("option", ["--mask", "--watch", "--env-file=.env.run"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_reaches_the_program_once(alice: Person, server: Peer, option: str, number: signal.Signals) -> None:
    """Without a terminal every signal is passed on, and the program's own exit code comes back."""
    alice.at(server.url)
    code = f"n=0; trap 'n=$((n+1))' {number.name[3:]}; echo ready; while [ $n = 0 ]; do sleep 0.1; done; sleep 0.3"
    code += "; exit $((40+n))"
    with subprocess.Popen(
        [KEYWAY, "run", option, "--", "sh", "-c", code], cwd=alice.clone, env=alice.variables, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(number)
        assert child.wait(30) == 41


@pytest.mark.parametrize("option", ["--mask", "--watch", "--env-file=.env.run"])
def test_a_program_that_a_signal_ends_is_128_and_its_number(alice: Person, server: Peer, option: str) -> None:
    """143 for SIGTERM, 137 for SIGKILL."""
    alice.at(server.url)
    for number in (signal.SIGTERM, signal.SIGKILL):
        done = alice.keyway("run", option, "--", "sh", "-c", f"kill -{number.value} $$")
        assert done.code == 128 + number, done.err


@pytest.mark.parametrize("option", ["--mask", "--env-file=.env.run"])
def test_what_cannot_be_started_is_127_or_126(alice: Person, server: Peer, option: str) -> None:
    """As without the option, and no file is left."""
    alice.at(server.url)
    (alice.clone / "plain").write_text("text")
    assert alice.keyway("run", option, "--", "no-such-program").code == 127
    assert alice.keyway("run", option, "--", "./plain").code == 126
    assert not (alice.clone / ".env.run").exists()


# Takes each signal by itself, at once: two that wait together would count as one.
COUNT = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("ready", flush=True)
seen = 1 if signal.sigwaitinfo({signal.SIGINT}) else 0
while signal.sigtimedwait({signal.SIGINT}, 0.7):
    seen += 1
print("interrupts:", seen, flush=True)
"""


@pytest.mark.parametrize("option", ["", "--mask", "--watch", "--env-file=.env.run"])
def test_ctrl_c_at_a_terminal_interrupts_once(alice: Person, server: Peer, option: str) -> None:
    """The key goes to the foreground group; nobody passes it on a second time."""
    alice.at(server.url)
    command = [KEYWAY, "run", *([option] if option else []), "--", sys.executable, "-c", COUNT]
    with at_keyboard(command, alice) as (keyboard, screen):
        screen.until("ready")
        os.write(keyboard, b"\x03")
        assert "interrupts: 1" in screen.end()


class Screen:
    """What a program at a terminal of its own shows."""

    def __init__(self, master: int, pid: int) -> None:
        self._master, self._pid = master, pid
        self.seen = ""

    def until(self, text: str) -> None:
        for _ in eventually(f"{text!r} in {self.seen!r}"):
            if text in self.seen or not self._read():
                break
        assert text in self.seen

    def end(self) -> str:
        while self._read():
            pass
        self.status = os.waitpid(self._pid, 0)[1]
        return self.seen

    def _read(self) -> bool:
        try:
            data = os.read(self._master, 65_536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)


@contextlib.contextmanager
def at_keyboard(command: list[str], person: Person) -> Iterator[tuple[int, Screen]]:
    """A command as the foreground of a terminal of its own, so that keys become signals."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(person.clone)
        os.execvpe(command[0], command, person.variables | {"TERM": "xterm"})  # noqa: S606
    try:
        yield master, Screen(master, pid)
    finally:
        os.close(master)


def test_a_masked_program_has_a_terminal_of_our_size(alice: Person, server: Peer) -> None:
    """It sees a terminal on all three streams, our window's size, colours stay, and typing reaches it."""
    code = (
        "import os, sys; print([os.isatty(n) for n in range(3)], *os.get_terminal_size());"
        "print('\\x1b[31mred\\x1b[0m'); print('got', input('name? ')); print(os.environ['API'])"
    )
    command = ["sh", "-c", f'stty rows 33 cols 77; exec {KEYWAY} run --mask -- {sys.executable} -c "$CODE"']
    alice.at(server.url).variables["CODE"] = code
    with at_keyboard(command, alice) as (keyboard, screen):
        screen.until("name? ")
        os.write(keyboard, b"ann\n")
        seen = screen.end()
    assert "[True, True, True] 77 33" in seen
    assert "\x1b[31mred\x1b[0m" in seen
    assert "got ann" in seen
    assert VALUES["API"] not in seen
    assert "*****" in seen


def test_our_terminal_comes_back_as_it_was(alice: Person, server: Peer) -> None:
    """After a masked program, and after one that was killed, typing is shown again."""
    alice.at(server.url)
    for ending in ("exit 0", "kill -9 $$"):
        script = f"{KEYWAY} run --mask -- sh -c '{ending}'; stty -a"
        with at_keyboard(["sh", "-c", script], alice) as (_, screen):
            seen = screen.end()
        assert " echo " in seen
        assert " icanon " in seen


UNSHARE = shutil.which("unshare")


@pytest.mark.skipif(UNSHARE is None or os.geteuid() != 0, reason="a namespace of processes needs root here")
def test_as_the_first_process_of_a_system(alice: Person, server: Peer) -> None:
    """PID 1: the program ends by SIGTERM though it handles none, exit codes come back, and orphans are buried."""
    alice.at(server.url)
    first = [str(UNSHARE), "--pid", "--fork", "--mount-proc", "--kill-child"]

    def run(script: str) -> subprocess.Popen[str]:
        command = [*first, KEYWAY, "run", "--", "sh", "-c", script]
        return subprocess.Popen(command, cwd=alice.clone, env=alice.variables, stdout=subprocess.PIPE, text=True)

    with run("exit 9") as child:
        assert child.wait(30) == 9
    with run("kill -15 $$") as child:
        assert child.wait(30) == 143
    orphans = "(sleep 0.2 & ) ; sleep 1; ps -e -o stat= | grep -c Z; true"
    with run(orphans) as child:
        assert child.stdout is not None
        assert child.stdout.read().strip() == "0"
    with run("echo $PPID; exec sleep 60") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        (keyway,) = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        os.kill(int(keyway), signal.SIGTERM)
        assert child.wait(30) == 143
