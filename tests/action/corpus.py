"""Values that nobody should ever see in a log: hostile texts of all tests around canaries, and those for runners."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from tests.backend.secrets.desk import HARD
from tests.core.hostile_env import CASES
from tests.invariants.test_values_survive import generated
from tests.oracle import canaries

GENERATED: Final = 60
LONGEST: Final = 5_000
# What GitHub's runner reads as an order, an escape, an expression or the end of a value. No `add-mask`: a program that
# prints it would hide what the Action forgot.
RUNNERS: Final = (
    "::notice::x", "::stop-commands::y\n::set-env name=PATH::/evil", "##[error]x", "::error::wrong%0A::debug::z",
    "%0A", "%25", "%0D%0A%250A", "50%", "EOF", "A<<EOF\nb\nEOF", "keyway_0123\nPATH=/evil\n", "\nPATH=/evil\n",
    "PATH<<x", "${{ secrets.GITHUB_TOKEN }}", "${{ '{{' }}", "***", "$GITHUB_ENV", "]]>", "\u001b[8mhidden\u001b[0m",
)  # fmt: skip


@dataclass
class Corpus:
    """Values by name, and the canaries in them."""

    values: dict[str, str] = field(default_factory=dict)
    canaries: list[str] = field(default_factory=list)

    def add(self, name: str, template: str) -> None:
        """A value; each NUL in the template becomes a canary of its own, since no value can hold one."""
        parts = template.split("\0")
        made = [canaries.new() for _ in parts[1:]]
        self.canaries += made
        self.values[name] = parts[0] + "".join(one + part for one, part in zip(made, parts[1:], strict=True))


def hostile_texts() -> list[str]:
    """Every short enough hostile value of the other tests, and those for runners."""
    files = [value for wanted in CASES.values() if isinstance(wanted, tuple) for value in _assigned(wanted)]
    texts = [*HARD.values(), *files, *RUNNERS, *generated(4711, GENERATED)]
    return [text for text in dict.fromkeys(texts) if 0 < len(text.encode()) <= LONGEST]


def _assigned(case: tuple[bytes, object]) -> list[str]:
    assigned = case[1]
    return list(assigned.values())[:20] if isinstance(assigned, dict) else []


def corpus() -> Corpus:
    """All of it."""
    made = Corpus()
    for number, text in enumerate(hostile_texts()):
        made.add(f"HOSTILE_{number}", f"{text}\0{text}")
        made.add(f"LINES_{number}", f"\0\n{text}\n\0\r\n  \0{text}")
    made.add("TOKEN", "\0")
    made.add("URL", "postgres://user:\0@db.example.com/app?x=a b&y=ü")
    made.add("PEM", "-----BEGIN PRIVATE KEY-----\n\0\n\0==\n-----END PRIVATE KEY-----\n")
    made.add("ACCOUNT", json.dumps({"type": "service", "key": "\0"}, indent=2).replace("\\u0000", "\0"))
    made.add("YAML", "users:\n  - name: a\n    token: \0\n    note: |\n      \0/+\n")
    return made
