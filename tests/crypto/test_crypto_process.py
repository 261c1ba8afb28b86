"""What the process looks like from outside: to the operating system, to an operator, in its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from crypto_process import Client, Process, channel, new_key, next_manifest, running, scope, variables
from keyway_certificates import ensure
from keyway_protos import crypto_pb2 as pb

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
PACKAGE = Path(__file__).resolve().parents[2] / "crypto" / "keyway_crypto"
NOBODY = 65_534

# Loads everything as root, because an interpreter under /root cannot be read later, becomes nobody with memory that
# others of that user may read, and only then starts: whatever is closed afterwards was closed by the service itself.
AS_NOBODY = f"""
import ctypes, os, sys
from keyway_crypto.__main__ import main
os.setgid({NOBODY}); os.setuid({NOBODY})
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
if "control" in sys.argv:
    print("open", flush=True); sys.stdin.read()
sys.exit(main())
"""
LOOK = f"""
import os, sys
os.setgid({NOBODY}); os.setuid({NOBODY})
try:
    open(f"/proc/{{sys.argv[1]}}/environ", "rb").read()
    open(f"/proc/{{sys.argv[1]}}/mem", "rb").close()
except PermissionError:
    sys.exit(13)
"""


def refused_start(environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    command = [sys.executable, "-m", "keyway_crypto"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


class TestRefusedStart:
    def test_a_bad_key_is_one_line_and_exit_78(self, certificates: Path) -> None:
        """The forgotten prefix, with the key in it: the line names the variable and not the key."""
        key = new_key()
        code, output = refused_start(variables(certificates, ENCRYPTION_KEYS=key))
        assert (code, output.count("\n")) == (78, 1)
        assert output.startswith("keyway-crypto: ENCRYPTION_KEYS: ")
        assert key[:12] not in output

    def test_without_certificates_there_is_no_start(self, certificates: Path) -> None:
        """No plaintext mode to fall back to."""
        environment = variables(certificates, ENCRYPTION_KEY=new_key())
        del environment["CRYPTO_TLS_CA_PATH"]
        code, output = refused_start(environment)
        assert (code, output.count("\n")) == (78, 1)
        assert "CRYPTO_TLS_CA_PATH" in output

    def test_a_taken_port_is_named(self, crypto: Process, certificates: Path) -> None:
        """A second service on the same port would take half of the calls."""
        more = {"ENCRYPTION_KEY": new_key(), "GRPC_PORT": str(crypto.port())}
        code, output = refused_start(variables(certificates, **more))
        assert (code, output.count("\n")) == (78, 1)
        assert "GRPC_PORT" in output


@linux
class TestHardening:
    def test_no_core_file(self, crypto: Process) -> None:
        """Soft and hard limit are 0, so that the process cannot raise it again."""
        limits = Path(f"/proc/{crypto.pid}/limits").read_text("ascii")
        (core,) = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
        assert core[4:6] == ["0", "0"]

    def test_a_crash_leaves_nothing(self, tmp_path: Path, certificates: Path) -> None:
        """Killed as a crash would, in a directory of its own."""
        with running(tmp_path, certificates, ENCRYPTION_KEY=new_key()) as process:
            assert process.stop(signal.SIGSEGV) == -signal.SIGSEGV
            assert [path.name for path in tmp_path.iterdir()] == [process.log.name]

    def test_a_key_from_a_file_is_nowhere_in_proc(self, tmp_path: Path, certificates: Path) -> None:
        """Neither in the environment that the process was started with, nor on its command line."""
        key = new_key()
        file = tmp_path / "key"
        file.write_text(key)
        file.chmod(0o600)
        with running(tmp_path, certificates, ENCRYPTION_KEY_FILE=str(file), CANARY=new_key()) as process:
            for name in ("environ", "cmdline"):
                content = Path(f"/proc/{process.pid}/{name}").read_bytes()
                assert not any(text in content for text in (key.encode(), key.upper().encode(), bytes.fromhex(key)))
            assert b"CANARY=" in Path(f"/proc/{process.pid}/environ").read_bytes()

    @pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
    def test_nobody_else_of_its_user_can_look_into_it(self, public: Path) -> None:
        """Not dumpable: its files in /proc belong to root, and its own user reads neither environment nor memory."""
        control = subprocess.Popen(
            [sys.executable, "-c", AS_NOBODY, "control"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with control:
            assert control.stdout is not None
            assert control.stdout.readline() == b"open\n"
            assert self.look(control.pid) == (NOBODY, 0), "the control must be readable, or the check proves nothing"
            control.kill()
        command = (sys.executable, "-c", AS_NOBODY)
        with running(public, public, command, ENCRYPTION_KEY=new_key()) as process:
            assert f"Uid:\t{NOBODY}" in Path(f"/proc/{process.pid}/status").read_text("ascii")
            assert self.look(process.pid) == (0, 13)

    @staticmethod
    def look(pid: int) -> tuple[int, int]:
        """Who owns the process's files, and whether its own user may read them."""
        code = subprocess.run([sys.executable, "-c", LOOK, str(pid)], check=False, timeout=60).returncode
        return Path(f"/proc/{pid}/environ").stat().st_uid, code

    @pytest.fixture
    def public(self) -> Iterator[Path]:
        """Certificates where an unprivileged user can read them."""
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            ensure(directory)
            for path in (directory, *directory.iterdir()):
                os.chown(path, NOBODY, NOBODY)
            yield directory


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_a_call_finish(number: signal.Signals, tmp_path: Path, certificates: Path) -> None:
    """A large call that is under way is answered, then the process ends with 0 and says so."""
    with running(tmp_path, certificates, ENCRYPTION_KEY=new_key()) as process:
        with channel(process.port(), certificates) as connection:
            client = Client(connection)
            client.call("Status", pb.StatusRequest())
            items = [pb.SealItem(key=f"K{n}", value_id=b"n" * 16, plaintext=bytes(400)) for n in range(10_000)]
            call = client.stub.Seal.future(pb.SealRequest(scope=scope(), items=items), timeout=20)
            time.sleep(0.05)
            process.popen.send_signal(number)
            assert len(call.result().sealed) == 10_000
        assert process.popen.wait(20) == 0
        assert [line["event"] for line in process.lines()] == ["serving", "stopped"]


def test_the_log_says_what_happened_and_nothing_of_what_was_in_it(tmp_path: Path, certificates: Path) -> None:
    """Start, refusals and integrity alarms are lines of JSON; no key, value, name or size of a value at any level."""
    key, canary = new_key(), "canary-" + new_key()
    with (
        running(tmp_path, certificates, ENCRYPTION_KEY=key, LOG_LEVEL="DEBUG") as process,
        channel(process.port(), certificates) as connection,
    ):
        client = Client(connection)
        ids, answer = client.seal(scope(), {f"NAME_{canary}"[:200]: canary.encode()}, manifest=next_manifest())
        request = pb.OpenRequest(scope=scope(), keys=[canary], value_ids=ids, sealed=answer.sealed)
        client.refusal("Open", request)
        client.refusal("Open", pb.OpenRequest(scope=scope(purpose=canary)))
        with pytest.raises(grpc.RpcError):
            connection.unary_unary("/keyway.crypto.v1.Crypto/Seal")(canary.encode(), timeout=5)
        lines, text = process.lines(), process.log.read_text("utf-8")
    assert [line["event"] for line in lines] == ["serving", *["call refused"] * 3]
    assert [line["status"] for line in lines[1:]] == ["DATA_LOSS", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]
    assert lines[0]["version"]
    assert len(lines[0]["keys"]["1"]) == 16
    assert key not in text
    assert canary not in text


def test_the_service_is_small_enough_to_read() -> None:
    """At most 800 lines, blank ones, comments and docstrings included; at most 10 packages at run time."""
    lines = [line for path in PACKAGE.rglob("*.py") for line in path.read_text("utf-8").splitlines()]
    assert 400 < len(lines) <= 800
    lock = PACKAGE.parents[1] / "requirements" / "crypto.txt"
    assert 3 <= sum("==" in line for line in lock.read_text("utf-8").splitlines()) <= 10
