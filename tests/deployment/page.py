"""docs/self-hosting.md, taken apart: its blocks, and every command in them with the way in which it is tried."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from deployment_facts import ROOT

TEXT: Final = (ROOT / "docs" / "self-hosting.md").read_text(encoding="utf-8")
LANGUAGES: Final = {"console", "dotenv", "text", "yaml"}
_BLOCK: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Way(Enum):
    """How a command is tried."""

    SHELL = auto()
    """In a clone of this tree, without an engine."""
    ENGINE = auto()
    """In a clone of this tree, against the containers."""
    PERSON = auto()
    """In a person's clone, with the deployment as a server."""
    OUTSIDE = auto()
    """It reaches what this machine may not have: its words are compared with what is known of there."""


WAYS: Final = (
    (Way.OUTSIDE, r"brew install keywaysh/tap/keyway"),
    (Way.OUTSIDE, r"KEYWAY_API_URL=https://api\.example\.com npx @keywaysh/mcp"),
    (Way.SHELL, r"git clone https://git\.example\.com/keyway\.git|git pull|cd keyway"),
    (Way.SHELL, r'"\$\{EDITOR:-vi\}" \.env|base64 < your-app\.private-key\.pem \| tr -d .*'),
    (Way.SHELL, r"make [a-z-]+|(sudo )?scripts/setup-env( --[a-z-]+)?"),
    (Way.ENGINE, r"python3 -m venv ~/\.keyway-cli|~/\.keyway-cli/bin/pip install \./cli"),
    (Way.ENGINE, r"(CADDYFILE=\./Caddyfile )?docker compose .+"),
    (Way.PERSON, r"export( [A-Z_]+=[^ ;|&]+)+"),
    (Way.PERSON, r"keyway (login|init|push|pull)"),
    (Way.PERSON, r"curl (https://api\.example\.com|\$KEYWAY_API_URL)/[a-z0-9/-]+( -[Hd] .+)?"),
    (Way.PERSON, r"TOKEN=\$\(python3 -c .+\)"),
)


class UnknownCommandError(Exception):
    """The page has a command that nothing here knows how to try."""


@dataclass(frozen=True)
class Block:
    """One fenced block and the heading that it stands under."""

    section: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines without the comments behind them, if it is a block of commands."""
        if self.language != "console":
            return []
        lines = [re.sub(r"(^|\s+)# .*$", "", line).strip() for line in self.text.splitlines()]
        return [line for line in lines if line]


def blocks(text: str = TEXT) -> list[Block]:
    """Every fenced block, from top to bottom."""
    headings = [(match.start(), match[1]) for match in re.finditer(r"^#{1,3} (.*)$", text, re.MULTILINE)]
    return [
        Block([title for start, title in headings if start < match.start()][-1], match[1], match[2])
        for match in _BLOCK.finditer(text)
    ]


def commands(text: str = TEXT) -> list[str]:
    """Every command, from top to bottom."""
    return [command for block in blocks(text) for command in block.commands]


def way(command: str) -> Way:
    """How a command is tried. Raises UnknownCommandError."""
    found = [kind for kind, pattern in WAYS if re.fullmatch(pattern, command)]
    if len(found) != 1:
        raise UnknownCommandError(command)
    return found[0]
