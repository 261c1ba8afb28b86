"""What a hostile assistant tries: programs that say their variables in every way, and every tool with everything.

`calls()` is the script: at least 300 calls. `leaks()` is what of the canaries stands in a text.
"""

from __future__ import annotations

import base64
import json
import random
import shlex
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

RARE, UPPER = "qxzjkw", "BCDFGHKLMNPQRSTVWXZ0123456789"
COUNT = 200
Call = tuple[str, dict[str, Any]]


def canaries(seed: int, count: int = COUNT) -> dict[str, str]:
    """Values of which no four characters stand in any honest text; some with lines, quotes and what URLs escape."""
    rng = random.Random(seed)  # noqa: S311 - a test's

    def one(length: int) -> str:
        return "".join(rng.choice(RARE) + rng.choice(UPPER) for _ in range(length // 2))

    found = {f"CANARY_{number}": one(rng.randrange(16, 60)) for number in range(count - 12)}
    for number in range(12):
        parts = [one(12) for _ in range(3)]
        found[f"CANARY_SPECIAL_{number}"] = ("\n", "&", '"', "\\", " ", "'", "%", "é", "=", "/", "$", "<")[number].join(
            parts
        )
    return found


def encodings(value: str) -> dict[str, str]:
    """Eight ways in which programs write a value."""
    raw = value.encode()
    return {
        "raw": value,
        "base64": base64.b64encode(raw).decode().rstrip("="),
        "base64 at 1": base64.b64encode(b"x" + raw).decode()[2:-4],
        "base64url": base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "URL": quote(value, safe=""),
        "JSON": json.dumps(value)[1:-1],
    }


def leaks(values: dict[str, str], texts: Iterable[str]) -> list[str]:
    """Which values stand in texts: eight characters of them in an encoding, or four as they are."""
    shown = {size: {text[at : at + size] for text in texts for at in range(len(text) - size + 1)} for size in (4, 8)}
    found = set()
    for name, value in values.items():
        forms = [("piece", value, 4), *((kind, form, 8) for kind, form in encodings(value).items())]
        for kind, form, size in forms:
            if any(form[at : at + size] in shown[size] for at in range(len(form) - size + 1)):
                found.add(f"{name} {kind}")
    return sorted(found)


# Each prints the variable "$V" (or all of them) in a way of its own.
SHELL = (
    "env",
    "printenv",
    "export -p",
    "set",
    "cat /proc/self/environ",
    "cat /proc/$$/environ | tr '\\0' '\\n'",
    "cat /proc/$PPID/environ",
    "for p in /proc/[0-9]*; do cat $p/environ 2>/dev/null; done | tr '\\0' '\\n' | head -c 60000",
    'printf %s "$V"',
    'printf %s "$V" >&2',
    'echo "prefix${V}suffix"',
    'printf %s "$V" | base64',
    'printf %s "x$V" | base64',
    'printf %s "xy$V" | base64 -w 8',
    'printf %s "$V" | base64 | base64',
    'printf %s "$V" | rev',
    'printf %s "$V" | rev | base64',
    'printf %s "$V" | od -An -tx1',
    'printf %s "$V" | od -An -tx1 -v | tr -d " \\n"',
    'printf %s "$V" | od -c',
    'printf %s "$V" | od -b',
    'printf %s "$V" | od -x',
    'printf %s "$V" | od -An -tu1',
    'printf %s "$V" | fold -w 1',
    'printf %s "$V" | fold -w 2',
    'printf %s "$V" | fold -w 4',
    'printf %s "$V" | sed "s/./&,/g"',
    'printf %s "$V" | sed "s/./& - /g"',
    'printf %s "$V" | tr a-z A-Z',
    'printf %s "$V" | tr A-Z a-z',
    'printf %s "$V" | tr a-zA-Z n-za-mN-ZA-M',
    'printf %s "$V" | tr a-zA-Z A-Za-z',
    'printf %s "$V" | gzip -n | base64 -w 0',
    'printf %s "$V" | cut -c 1-5',
    'printf %s "$V" | tail -c 5',
    'printf %s "$V" | head -c 4',
    'printf "\\033[1m%s\\033[0m" "$V"',
    'for i in 1 2 3 4 5 6 7 8 9; do printf "%s\\033[3${i}m" "$(printf %s "$V" | cut -c $i)"; done',
    'printf %s "$V" | sed "s/./&\\r/g"',
    'printf %s "$V" | sed "s/./&\\x00/g"',
    'head -c 200000 /dev/zero | tr "\\0" "."; printf %s "$V"',
    'printf %s "$V"; head -c 1048576 /dev/zero | tr "\\0" "."',
    'head -c 1048570 /dev/zero | tr "\\0" "."; printf %s "$V"; printf %s "$V"',
    'head -c 65530 /dev/zero | tr "\\0" "."; printf %s "$V"; head -c 131060 /dev/zero | tr "\\0" "."',
    'printf %s "$V" > stolen.txt; base64 < stolen.txt > stolen.b64; env > stolen.env; exit 7',
    "cat stolen.txt stolen.b64",
    "tail -c 60000 stolen.env",
    'awk \'BEGIN { n = split(ENVIRON["V"], c, ""); for (i = 1; i <= n; i++) print c[i] }\'',
    'printf %s "$V" | (sleep 0; cat) | tee /dev/stderr',
    'cat $HOME/.config/keyway/logins/* 2>/dev/null; printf %s "$KEYWAY_TOKEN"; env | grep -i keyway',
)
PYTHON = (
    "print(v)",
    "print(repr(v)); print(v.encode()); print(ascii(v))",
    "import json; print(json.dumps({'v': v})); print(json.dumps(json.dumps(v)))",
    "import urllib.parse as u; print(u.quote(v, safe='')); print(u.quote_plus(v))",
    "print(''.join('%%%02x' % b for b in v.encode()))",
    "import base64 as b; print(b.b64encode(v.encode()), b.urlsafe_b64encode(v.encode()))",
    "import base64 as b; print(b.b32encode(v.encode()), b.b85encode(v.encode()), b.a85encode(v.encode()))",
    "print(v.encode().hex()); print(v.encode().hex().upper()); print(v.encode().hex(' '))",
    "print(v.encode().hex(':')); print(v[::-1].encode().hex())",
    "print(v.encode('utf-16-le').decode('latin-1'))",
    "print([ord(c) for c in v])",
    "print(' '.join(hex(ord(c)) for c in v)); print(''.join('\\\\x%02x' % b for b in v.encode()))",
    "print(''.join('\\\\u%04x' % ord(c) for c in v)); print(''.join('&#%d;' % ord(c) for c in v))",
    "print(' '.join(format(b, '08b') for b in v.encode()))",
    "print('.'.join(v)); print('|'.join(v)); print('\\u200b'.join(v))",
    "print('\\n'.join(v[i:i+3] for i in range(0, len(v), 3)))",
    "import sys, time\nfor c in v: sys.stdout.write(c); sys.stdout.flush()",
    "import sys\nfor i, c in enumerate(v): (sys.stdout if i % 2 else sys.stderr).write(c)",
    "import zlib, base64; print(base64.b64encode(zlib.compress(v.encode())))",
    "print(bytes(b ^ 42 for b in v.encode()).hex())",
    "print(v.swapcase()); print(v.title()); print(v.upper())",
    "raise RuntimeError(v)",
    "import sys; sys.exit(v)",
    "print({}[v])",
    "import os; print(dict(os.environ))",
    "import os; print(open('/proc/self/environ').read()); print(open(f'/proc/{os.getppid()}/environ').read())",
    "import os; print(open(f'/proc/{os.getppid()}/cmdline').read()); print(os.listdir(f'/proc/{os.getppid()}/fd'))",
    "import os\nm = open(f'/proc/{os.getppid()}/maps').read().splitlines()\n"
    "f = open(f'/proc/{os.getppid()}/mem', 'rb')\n"
    "for l in m:\n    if '[heap]' in l:\n        a, b = (int(x, 16) for x in l.split()[0].split('-')); f.seek(a)\n"
    "        d = f.read(b - a); i = d.find(v.encode()); print(i, d[i:i+60])",
)


def calls(keys: list[str]) -> Iterator[Call]:
    """The script. Every way of printing with values of its own, then what the other tools are asked."""
    python = sys.executable
    for number, line in enumerate(SHELL):
        three = " ".join(f'"${keys[place]}"' for place in (number, number + len(SHELL), -1 - number))
        yield "keyway_inject_run", {"command": "sh", "args": ["-c", f"for V in {three}; do export V; ({line}); done"]}
    for number, line in enumerate(PYTHON * 2):
        key = keys[-1 - number % len(keys)]
        code = f"import os; v = os.environ[{key!r}]\n{line}"
        yield "keyway_inject_run", {"command": python, "args": ["-I", "-S", "-c", code]}
    for program in ("env", "printenv"):
        yield "keyway_inject_run", {"command": program}
    for key in keys[:8]:
        yield "keyway_inject_run", {"command": "printenv", "args": [key]}
        yield "keyway_inject_run", {"command": "keyway", "args": ["get", key]}
        yield "keyway_history", {"revision": 1}
        yield "keyway_set_secret", {"name": key, "value": "guessed"}
        yield "keyway_delete_secret", {"name": key}
    for key in keys[8:40]:
        yield "keyway_validate", {"environment": "development", "required": [key, key.lower(), ""]}
        yield "keyway_copy", {"name": key, "from": "nowhere", "to": "development", "newName": f"{key}_2"}
        yield "keyway_restore_secret", {"name": key}
    yield from _others(keys)


def _others(keys: list[str]) -> Iterator[Call]:
    for environment in ("development", "staging", "production", "nowhere", "../x", "a b", ""):
        for tool in ("keyway_list_secrets", "keyway_compare", "keyway_history", "keyway_validate", "keyway_list_trash"):
            yield tool, {"environment": environment}
        yield "keyway_diff", {"env1": "development", "env2": environment}
        yield "keyway_generate", {"name": keys[0], "environment": environment, "type": "hex"}
        yield "keyway_inject_run", {"command": "env", "environment": environment}
        yield "keyway_copy", {"name": keys[0], "from": "development", "to": environment}
    yield "keyway_list_environments", {}
    yield "keyway_exposure", {}
    yield "keyway_scan", {"path": "."}
    yield "keyway_scan", {"path": "stolen.env"}
    yield "keyway_validate", {"environment": "development", "path": "stolen.env"}
    yield "keyway_compare", {"path": "stolen.env"}
    yield "keyway_compare", {"path": "/proc/self/environ"}
    yield "keyway_rollback", {"revision": 1}
    yield "keyway_restore_secret", {"name": keys[0]}
    yield "keyway_request_secret", {"name": "lower"}
    yield "keyway_inject_run", {"command": "no-such-program-here"}
    yield "keyway_inject_run", {"command": ""}
    yield "keyway_inject_run", {"command": "sleep", "args": ["60"], "timeout": 50}
    yield "keyway_no_such_tool", {}
    yield "keyway_inject_run", {"command": "tail", "args": ["-c", "60000", "stolen.env"], "environment": "staging"}
    yield "keyway_inject_run", {"command": "sh", "args": ["-c", shlex.join(["cat", "stolen.txt", "stolen.b64"])]}
