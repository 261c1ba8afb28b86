"""Whether a program, not a person, is at the keyboard: coding assistants say so in the environment of what they start.

This guards against accidents. An assistant that means to can take the variable away; what a program is given, it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NAMES: Final = ("CLAUDECODE", "CURSOR_AGENT", "OPENCODE", "AGENT")
_PREFIX: Final = "CODEX_"
# What `keyway mcp` says to every program that it starts.
STARTED: Final = ("AGENT", "keyway-mcp")
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})


def detected(environ: Mapping[str, str]) -> str:
    """The variable by which an assistant is known, or nothing."""
    for name in (*_NAMES, *sorted(name for name in environ if name.startswith(_PREFIX))):
        if environ.get(name, "").strip().lower() not in _FALSE:
            return name
    return ""


def started_us(environ: Mapping[str, str]) -> bool:
    """Whether we are, or are part of, a program that an assistant had `keyway mcp` start."""
    name, value = STARTED
    return environ.get(name) == value
