"""Runs inside a network namespace of its own (see test_no_outside.py) and prints what was seen on its only wire."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from backend.alerts import watching
from backend.webhooks.github_post import Post
from oracle import keys, stage
from stack import running_stack, sign_in

WIRE: Final = "wire0"
ALL_PROTOCOLS: Final = 3
# TEST-NET-3: an address that belongs to nobody.
OUTSIDE: Final = "203.0.113.7"


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
    ):
        subprocess.run(command.split(), check="sysctl" not in command, capture_output=True)
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("nameserver 198.51.100.53\n")
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
            packets.append(frame[:60].hex())
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
    return done


def leave(way: str) -> None:
    """What the control plants."""
    kind = socket.SOCK_STREAM if way == "tcp" else socket.SOCK_DGRAM
    with suppress(OSError):
        if way == "name":
            subprocess.run(["timeout", "1", "getent", "hosts", "somewhere.example"], check=False)
            return
        with socket.socket(socket.AF_INET, kind) as planted:
            planted.settimeout(0)
            planted.connect((OUTSIDE, 443))
            planted.send(b"x")


def main() -> None:
    """life, tcp, udp or name."""
    way, tap = sys.argv[1], lay_wire()
    done = live() if way == "life" else []
    if way != "life":
        leave(way)
    print(json.dumps({"done": done, "packets": seen(tap)}))


if __name__ == "__main__":
    main()
