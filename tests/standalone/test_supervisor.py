"""The supervisor: who its processes are, what they may see, and how everything ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from keyway_standalone.accounts import account_of
from keyway_standalone.ports import PORTS, free_ports
from keyway_standalone.process import ProcessError
from keyway_standalone.processes import Stack
from printed import end, read_until
from stack import TLS, running_stack, state_folder

_SUPERVISE = """
import sys
from pathlib import Path
from keyway_standalone.processes import Stack
from keyway_standalone.supervisor import run
from rich.console import Console
stack = Stack(Path(sys.argv[1]), only={"postgres", "github"}, test_controls=False)
sys.exit(run(stack, Console(soft_wrap=True)))
"""


def children(pid: int) -> dict[str, psutil.Process]:
    """The supervised processes, by name."""
    found = {}
    for child in psutil.Process(pid).children():
        line = " ".join(child.cmdline())
        found["github" if "github_standin" in line else "postgres"] = child
    return found


@pytest.fixture(scope="class")
def folder() -> Iterator[Path]:
    """One for all that end: making a database takes longer than starting one."""
    with state_folder() as path:
        yield path


@contextmanager
def supervised(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, psutil.Process]]]:
    """A supervisor of two processes, as a process."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISE, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said = read_until(process, "Ctrl-C stops everything")
        assert "postgres ready" in said
        yield process, children(process.pid)
    finally:
        end(process)


class TestTheEnd:
    """Nothing is left behind, however it ends."""

    def test_a_signal_stops_everything_in_order(self, folder: Path) -> None:
        """A wanted stop exits 0 and leaves no process (by SIGTERM: test_newcomer.py)."""
        with supervised(folder) as (process, running):
            process.send_signal(signal.SIGINT)
            said = read_until(process, "everything is kept in")
            assert process.wait(10) == 0, said
            assert not [child for child in running.values() if child.is_running()]

    def test_a_reader_that_goes_away_with_ctrl_c_leaves_nothing_running(self, folder: Path) -> None:
        """When what we print is piped and the reader ends by the same Ctrl-C, everything is stopped all the same."""
        with supervised(folder) as (process, running):
            assert process.stdout is not None
            process.stdout.close()
            process.send_signal(signal.SIGINT)
            process.wait(20)
            assert not [child for child in running.values() if _alive(child)]
            process.stdout = None

    def test_the_death_of_one_stops_the_rest(self, folder: Path) -> None:
        """A process that dies is named with its code, the others are stopped, and the exit code is 1."""
        with supervised(folder) as (process, running):
            running["github"].kill()
            said = read_until(process, "everything is kept in")
            assert "github was killed by SIGKILL" in said
            assert process.wait(10) == 1
            assert not [child for child in running.values() if child.is_running()]

    def test_a_killed_supervisor_is_cleaned_up_after(self, folder: Path) -> None:
        """What a killed supervisor left running is ended by the next start of the folder, which then serves."""
        with supervised(folder) as (process, running):
            process.kill()
            process.wait()
            assert running["postgres"].is_running()
            with Stack(folder, only={"postgres", "github"}, test_controls=False) as again:
                assert not [child for child in running.values() if _alive(child)]
                assert httpx.get(f"{again.github_url}/_ready", verify=TLS).status_code == 200

    def test_a_start_that_fails_leaves_nothing_running(self) -> None:
        """When one process cannot start, those that could are stopped again, and its last lines are told."""
        with state_folder() as folder:
            stack = Stack(folder, only={"postgres", "crypto"}, crypto_env={"ENCRYPTION_KEY_FILE": "/nowhere"})
            with pytest.raises(ProcessError, match=r"(?s)crypto ended with .*ENCRYPTION_KEY_FILE"):
                stack.start()
            assert not [process for process in stack.wanted if process.running]


class TestOneFolder:
    """A state folder belongs to one Keyway."""

    def test_two_at_once_are_refused(self) -> None:
        """A second start in the same folder is told what to do."""
        with (
            running_stack(cold=True, only={"github"}) as first,
            pytest.raises(ProcessError, match=r"another Keyway is running in .*--state"),
        ):
            Stack(first.folder.path, only={"github"}).start()

    def test_a_taken_port_is_named_with_the_way_out(self) -> None:
        """The port, what it is for, and the flag that changes it."""
        with running_stack(cold=True, only={"github"}) as first, state_folder() as other:
            ports = free_ports() | {"github": first.ports["github"]}
            with pytest.raises(ProcessError, match=rf"port {ports['github']} \(github\) is taken .*--port github=N"):
                Stack(other, only={"github"}, ports=ports).start()

    def test_ports_of_up_are_the_documented_ones(self) -> None:
        """`up` listens where the documentation says."""
        assert sorted(PORTS.values()) == [3000, 5433, 8080, 8081, 8090, 50051]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root's folders can be out of reach")
    def test_an_unreachable_folder_is_refused(self, tmp_path: Path) -> None:
        """A folder below one that only root may enter is refused with advice, and no permission is widened."""
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        with pytest.raises(ProcessError, match="choose another folder with --state"):
            Stack(closed / "state")
        assert closed.stat().st_mode & 0o777 == 0o700


class TestWhatEachMaySee:
    """Processes share a machine and nothing else."""

    @pytest.fixture(scope="class")
    @classmethod
    def parts(cls) -> Iterator[Stack]:
        """Database, stand-in and crypto."""
        with running_stack(cold=True, only={"postgres", "github", "crypto"}) as running:
            yield running

    @pytest.mark.skipif(os.geteuid() != 0, reason="users are changed by root only")
    def test_as_root_each_is_a_user_of_its_own(self, parts: Stack) -> None:
        """No process of ours runs as root, and no two as the same user."""
        users = [psutil.Process(process.pid).uids() for process in parts.wanted]
        assert all(user.real == user.effective == user.saved != 0 for user in users)
        assert len({user.real for user in users}) == len(users)
        groups = [Path(f"/proc/{process.pid}/status").read_text() for process in parts.wanted]
        assert all(re.search(r"^Groups:\s*$", status, re.MULTILINE) for status in groups)

    def test_secrets_are_private_files_of_their_process(self, parts: Stack) -> None:
        """Every key is 0600 and belongs to the one process that needs it; the folders of others are closed."""
        folder = parts.folder
        keys = {
            folder.encryption_key: "crypto",
            folder.certificates / "crypto.key": "crypto",
            folder.certificates / "backend.key": "backend",
        }
        for path, process in keys.items():
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.stat().st_uid == (account_of(process).uid or os.geteuid())
        for private in (folder.postgres, folder.crypto, folder.github, folder.logs):
            assert private.stat().st_mode & 0o777 == 0o700
        assert (folder.path / "instance.json").stat().st_mode & 0o777 == 0o600

    def test_nothing_of_our_environment_is_passed_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A child sees what it is given and a few harmless variables, never the rest of the starter's environment."""
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
        monkeypatch.setenv("TZ", "UTC")
        with running_stack(cold=True, only={"github", "crypto"}) as running:
            told = {process.name: psutil.Process(process.pid).environ() for process in running.wanted}
        assert {name: values["TZ"] for name, values in told.items()} == {"github": "UTC", "crypto": "UTC"}
        assert not [name for name, values in told.items() if "AWS_SECRET_ACCESS_KEY" in values or "HOME" in values]
        assert [name for name, values in told.items() if "ENCRYPTION_KEY_FILE" in values] == ["crypto"]


def _alive(process: psutil.Process) -> bool:
    deadline = time.monotonic() + 2
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return False
