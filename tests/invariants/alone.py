"""Runs inside a network namespace of its own (see test_no_outside.py) and prints what was seen on its only wire."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import psycopg
from backend.alerts import watching
from backend.webhooks.github_post import Post
from oracle import keys, stage
from oracle.stage import Home
from stack import running_stack, sign_in

WIRE: Final = "wire0"
ALL_PROTOCOLS: Final = 3
SECONDS: Final = 60.0
WAYS: Final = ("tcp", "udp", "name")
PROVIDERS: Final = "/v1/integrations"
# Every service that asks somewhere by itself, at its own address, and Railway, which a person asks for.
ELSEWHERE: Final = {
    "POSTHOG_KEY": "phc_nothing",
    "SENTRY_DSN": "https://key@o1.ingest.sentry.io/1",
    "IPINFO_TOKEN": "nothing",
    "TRUSTED_PROXIES": "127.0.0.0/8",
    "RESEND_API_KEY": "re_nothing",
    "MAIL_FROM": "keyway@example.org",
}
NAMES: Final = [name.hex() for name in (b"posthog", b"sentry", b"ipinfo", b"resend", b"railway")]
# TEST-NET-3: addresses that belong to nobody.
OUTSIDE: Final = {"tcp": "203.0.113.7", "udp": "203.0.113.8"}
NAME: Final = "somewhere.example"
MARK: Final = b"somewhere".hex()
SERVER_OF_NAMES: Final = "198.51.100.53"


def lay_wire() -> socket.socket:
    """The loopback and a wire with a route to everywhere, names asked beyond it; what listens on the wire."""
    for command in (
        "ip link set lo up",
        f"ip link add {WIRE} type veth peer name {WIRE}-end",
        f"sysctl -qw net.ipv6.conf.{WIRE}.disable_ipv6=1",
        f"sysctl -qw net.ipv6.conf.{WIRE}-end.disable_ipv6=1",
        f"ip address add 203.0.113.1/24 dev {WIRE}",
        f"ip link set {WIRE}-end up",
        f"ip link set {WIRE} up",
        f"ip route add default dev {WIRE}",
        # Whose questions for names are seen whole: without a neighbour the kernel would only ask where it is.
        f"ip neighbour add {SERVER_OF_NAMES} lladdr 02:00:00:00:00:01 dev {WIRE} nud permanent",
    ):
        subprocess.run(command.split(), check="sysctl" not in command, capture_output=True)
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(f"nameserver {SERVER_OF_NAMES}\noptions timeout:1 attempts:1\n")
    Path(file.name).chmod(0o644)
    subprocess.run(["mount", "--bind", file.name, str(Path("/etc/resolv.conf").resolve())], check=True)
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    tap.bind((WIRE, 0))
    tap.settimeout(0)
    return tap


def seen(tap: socket.socket) -> list[str]:
    """What went onto the wire, without what the kernel says of its own."""
    packets = []
    with suppress(BlockingIOError):
        while True:
            frame = tap.recv(4_096)
            if frame[12:14] == b"\x86\xdd" and frame[20] in {0, 58}:
                continue  # neighbours and groups, of which the kernel tells by itself
            packets.append(frame[:160].hex())
    return packets


def live() -> list[str]:
    """A day of an installation without any optional service."""
    done = []
    with running_stack() as stack:
        home = stage.home(stack, "alone")
        done.append("sign-in")
        assert home.push({"KEPT": "2"}, "development").status == 200
        done.append("push")
        assert home.values("development") == {"KEPT": "2"}
        done.append("pull")
        login = home.login_with("write")
        person = sign_in(stack, login)
        payload = {"action": "created", "installation": {"id": 1, "account": {"id": home.owner_id}}}
        assert Post(stack.api_url, stack.instance.webhook_secret)("installation", payload).status < 300
        done.append("webhook")
        statement = "SELECT count(*) FROM webhook_deliveries WHERE applied_at IS NULL"
        watching.wait_for(lambda: keys.sql(stack, statement)[0][0] == 0)
        done.append("job")
        for number in range(1, 4):
            watching.read(home, person, source=f"127.77.0.{number}", agent=f"new-{number}/1")
        assert watching.judged(home)
        done.append("alert")
        for path in (PROVIDERS, f"{PROVIDERS}/connections", f"{PROVIDERS}/providers/railway/all-projects"):
            assert home.get(path).status == 200
        assert home.get(f"{PROVIDERS}/vercel/authorize").status == 400
        done.append("providers")
        err(home)
        done.append("error")
        # By itself, because the stack kills it: who is asked to leave may tell somebody.
        stack.backend.stop()
        assert stack.backend.exit_code == 0
        done.append("end")
    return done


def err(home: Home) -> None:
    """An error that nobody expects: a table refuses rows."""
    with psycopg.connect(home.stack.superuser_database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE device_logins ADD CONSTRAINT planted CHECK (false) NOT VALID")
    assert home.post("/v1/auth/device/start", {}).status == 503


def live_with_all(tap: socket.socket) -> list[str]:
    """A day of an installation with every service on that is elsewhere, until each was looked for."""
    found: list[str] = []
    with running_stack(backend_env=ELSEWHERE) as stack:
        home = stage.home(stack, "connected")
        keys.sql(stack, "UPDATE users SET email = 'somebody@example.org'")
        sign_in(stack, stage.GitHub(stack).user("welcomed"))
        watching.read(home, home.token, watching.CLI, ("X-Forwarded-For", "8.8.8.8"))
        home.post(f"{PROVIDERS}/railway/connect", {"token": "pasted"})
        err(home)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and not all(any(name in one for one in found) for name in NAMES):
            found += seen(tap)
            time.sleep(0.1)
    return found


def leave(way: str) -> None:
    """What the control plants."""
    kind = socket.SOCK_STREAM if way == "tcp" else socket.SOCK_DGRAM
    with suppress(OSError), socket.socket(socket.AF_INET, kind) as planted:
        planted.settimeout(0)
        planted.connect((OUTSIDE[way], 443))
        planted.send(b"x")


def left_by(way: str, tap: socket.socket) -> list[str]:
    """The marks that it leaves."""
    if way != "name":
        leave(way)
        return seen(tap)
    # It waits for an answer that nobody gives: there is nothing more to see once it has asked.
    found: list[str] = []
    with subprocess.Popen(["getent", "hosts", NAME]) as asking:
        while asking.poll() is None and not any(MARK in one for one in found):
            time.sleep(0.01)
            found += seen(tap)
        asking.kill()
    return found + seen(tap)


def main() -> None:
    """Life with everything off or with all on, and what the control leaves on the same wire afterwards."""
    what, tap = sys.argv[1], lay_wire()
    done = live() if what == "life" else []
    packets = live_with_all(tap) if what == "all" else []
    packets += seen(tap)
    left = {way: left_by(way, tap) for way in WAYS}
    print(json.dumps({"done": done, "packets": packets, "left": left}))


if __name__ == "__main__":
    main()
