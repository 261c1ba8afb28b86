"""Programs that print values in every way that comes to mind, and what of it gets through `keyway run --mask`.

`python tests/cli/leaking.py` prints the table. A leak is a piece of 6 characters of a value of 16 or more (of 8 in
hexadecimal, where 6 are found in any checksum) that is not public; of a shorter value the whole.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import pty
import random
import re
import shlex
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from peer import listening, pulled
from person import KEYWAY, Person

ALPHABET = string.ascii_letters + string.digits + "+/=&%$'\"\\ {}:,@#!?<>;|~^*()[]_-."
FROM_LENGTH = 16
PIECE = 6
HEX_PIECE = 8

# What everybody knows of a key file or an address: by itself, away from the rest of the value, it is no secret.
PUBLIC = (
    b"-----BEGIN PRIVATE KEY-----",
    b"-----END PRIVATE KEY-----",
    b"postgresql://postgres:",
    b"@localhost:",
    b"?sslmode=require",
)

Transform = Callable[[str], bytes]


def _base64(before: bytes, after: bytes) -> Transform:
    return lambda value: base64.b64encode(before + value.encode() + after)


TRANSFORMS: dict[str, Transform] = {
    "raw": str.encode,
    "per line": lambda value: b"\n".join(b"> " + line for line in value.encode().split(b"\n")),
    "base64": _base64(b"", b""),
    "base64 at 1": _base64(b"x", b"yz"),
    "base64 at 2": _base64(b"xy", b"zzz"),
    "base64url": lambda value: base64.urlsafe_b64encode(value.encode()),
    "base64 in lines of 76": lambda value: base64.encodebytes(b"some words before that fill it " + value.encode()),
    "hex": lambda value: value.encode().hex().encode(),
    "HEX": lambda value: value.encode().hex().upper().encode(),
    "URL": lambda value: quote(value, safe="").encode(),
    "URL form": lambda value: quote_plus(value).encode(),
    "JSON": lambda value: json.dumps(value)[1:-1].encode(),
    "JSON in JSON": lambda value: json.dumps(json.dumps(value)[1:-1])[1:-1].encode(),
    "JSON, UTF-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1].encode(),
    "shell": lambda value: shlex.quote(value).strip("'").encode(),
    "Python": lambda value: repr(value)[1:-1].encode(),
    "HTML": lambda value: html.escape(value).encode(),
    "coloured inside": lambda value: b"\x1b[1;31m" + value.encode()[:5] + b"\x1b[0m" + value.encode()[5:],
}
NOT_PROMISED: dict[str, Transform] = {
    "reversed": lambda value: value[::-1].encode(),
    "compressed": lambda value: base64.b64encode(gzip.compress(value.encode(), mtime=0)),
}
WAYS = ("whole", "in pieces", "byte by byte", "at a border", "both streams", "at 65536")
BORDER = 65_536  # what is read at once
AT_BORDER = 4  # so many values, for the sake of time


def values(seed: int, count: int = 24) -> dict[str, str]:
    """Values of many lengths, some of several lines, some with what URLs, JSON and shells escape, some not ASCII."""
    rng = random.Random(seed)  # noqa: S311 - a test's

    def text(length: int) -> str:
        return "".join(rng.choice(ALPHABET) for _ in range(length))

    found = {f"V{number}": text(rng.randint(8, 80)) for number in range(count)}
    lines = "\n".join(text(64) for _ in range(6))
    found["PEM"] = f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n"
    found["URL"] = f"postgresql://postgres:{text(24)}@localhost:5432/app?sslmode=require"
    found["JSON"] = json.dumps({"type": "service_account", "private_key": text(40), "id": text(20)})
    found["UNICODE"] = "pässwörd-" + text(12) + "-日本語-🔑" + text(6)
    found["TOKEN"] = "ghp_" + "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(36))
    return found


# The program. It knows how to print, and gets what to print by name.
PROGRAM = r"""
import importlib.util, os, random, sys
spec = importlib.util.spec_from_file_location("leaking", sys.argv[1])
leaking = importlib.util.module_from_spec(spec); sys.modules["leaking"] = leaking
spec.loader.exec_module(leaking)
rng = random.Random(7)

def put(stream, data):
    while data:
        data = data[os.write(stream, data):]

for name, transform in (leaking.TRANSFORMS | leaking.NOT_PROMISED).items():
    for number, key in enumerate(sys.argv[2].split(",")):
        data = transform(os.environ[key])
        for way in leaking.WAYS if number < leaking.AT_BORDER else leaking.WAYS[:-1]:
            head = f"\n\x02{name}|{key}|{way}\x03".encode()
            if way == "at 65536":  # in one write, so that it is read in two
                put(1, head + b"." * (leaking.BORDER - len(head) - len(data) // 2) + data + b"\x04\n")
                continue
            put(1, head)
            if way == "whole":
                put(1, data)
            elif way == "byte by byte":
                for place in range(len(data)):
                    put(1, data[place:place + 1])
            elif way == "in pieces":
                place = 0
                while place < len(data):
                    size = rng.randint(1, 11)
                    put(1, data[place:place + size]); place += size
            elif way == "at a border":
                put(1, b"." * (4096 - len(data) // 2) + data)
            else:
                for place in range(0, len(data), 9):
                    put(1, data[place:place + 9]); put(2, b"-noise-")
            put(1, b"\x04\n")
"""


def prints(kept: Mapping[str, str]) -> int:
    """How often each transformation is printed."""
    return len(kept) * (len(WAYS) - 1) + AT_BORDER


def leaks(output: bytes, kept: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """By transformation: how many prints there were, and in how many a piece of the value could be read."""
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", output.replace(b"\r", b""))
    counts = dict.fromkeys(TRANSFORMS | NOT_PROMISED, (0, 0))
    for name, key, _, shown in re.findall(rb"\x02([^|]+)\|(\w+)\|([\w ]+)\x03(.*?)\x04", plain, re.DOTALL):
        transform = (TRANSFORMS | NOT_PROMISED)[name.decode()]
        tries, found = counts[name.decode()]
        counts[name.decode()] = tries + 1, found + _is_read(name.decode(), shown, kept[key.decode()], transform)
    return counts


def _is_read(name: str, shown: bytes, value: str, transform: Transform) -> bool:
    raw = value.encode()
    form = re.sub(rb"\x1b\[[0-9;]*m", b"", transform(value))
    if name == "base64 at 1":  # what the value alone decides
        form = form[2 : (1 + len(raw)) * 8 // 6]
    elif name == "base64 at 2":
        form = form[3 : (2 + len(raw)) * 8 // 6]
    elif name == "base64 in lines of 76":
        form = form[44:]
    elif name == "per line":
        form = raw
    if len(raw) < FROM_LENGTH:
        return len(form) >= PIECE and form in shown
    size = HEX_PIECE if name.lower() == "hex" else PIECE
    pieces = {form[place : place + size] for place in range(len(form) - size + 1)}
    return any(
        piece in shown and b"\n" not in piece and not any(piece in public for public in PUBLIC) for piece in pieces
    )


def printed(person: Person, kept: Mapping[str, str], *, terminal: bool) -> bytes:
    """What gets through of everything that the program prints."""
    with listening(lambda _: pulled(dict(kept))) as server:
        person.at(server.url)
        command = [KEYWAY, "run", "--mask", "--", sys.executable, "-c", PROGRAM, __file__, ",".join(kept)]
        if terminal:
            return _at_terminal(command, person)
        done = subprocess.run(command, cwd=person.clone, env=person.variables, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace")[-2000:])
    return done.stdout


def _at_terminal(command: list[str], person: Person) -> bytes:
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(person.clone)
        os.execvpe(command[0], command, person.variables | {"TERM": "xterm"})  # noqa: S606
    parts = []
    while True:
        try:
            data = os.read(master, 65_536)
        except OSError:
            break
        if not data:
            break
        parts.append(data)
    os.waitpid(pid, 0)
    os.close(master)
    return b"".join(parts)


def main() -> None:
    """Prints the table."""
    totals: dict[str, list[int]] = {name: [0, 0] for name in TRANSFORMS | NOT_PROMISED}
    for seed in range(4):
        for terminal in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                kept = values(seed)
                output = printed(Person(Path(folder) / "p"), kept, terminal=terminal)
            for name, (tries, found) in leaks(output, kept).items():
                totals[name][0] += tries
                totals[name][1] += found
    print(f"{'transformation':<24} {'prints':>8} {'leaks':>8}")
    for name, (tries, found) in totals.items():
        note = "   not promised" if name in NOT_PROMISED else ""
        print(f"{name:<24} {tries:>8} {found:>8}{note}")


if __name__ == "__main__":
    main()
