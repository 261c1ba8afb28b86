"""Every tool, and the one way in which each is called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from keyway_cli.errors import KeywayError, UsageProblem
from keyway_cli.mcp import changing, reading, running
from keyway_cli.mcp.session import Session
from keyway_cli.mcp.tool import Outcome, Tool
from keyway_cli.terminal import one_line, printable

TOOLS: Final[dict[str, Tool]] = {tool.name: tool for tool in (*reading.TOOLS, *changing.TOOLS, *running.TOOLS)}
_OUTPUTS: Final = frozenset({"stdout", "stderr"})


class Answered(NamedTuple):
    """What goes back to the assistant."""

    text: str
    failed: bool


def call(session: Session, name: str, arguments: Mapping[str, Any]) -> Answered:
    """Calls a tool. Whatever goes wrong is an answer: kind and place of what nobody foresaw, never its text."""
    try:
        tool = _named(name)
        outcome = tool.run(session, tool.checked(arguments))
    except KeywayError as error:
        told = {"error": error.message} | ({"hint": error.hint} if error.hint else {})
        outcome = Outcome(told | {"exitCode": int(error.exit_code)}, failed=True)
    except Exception as error:  # noqa: BLE001  # house: broad-except a message may quote the value that it fell over
        outcome = Outcome({"error": f"{type(error).__name__}: this is a bug in keyway"}, failed=True)
    return Answered(json.dumps(_clean(outcome.data), indent=2, ensure_ascii=False), outcome.failed)


def _named(name: str) -> Tool:
    if name not in TOOLS:
        raise UsageProblem("there is no such tool")
    return TOOLS[name]


def _clean(told: Any, name: str = "") -> Any:
    """The same with no control character in any text: names and messages come from other people."""
    if isinstance(told, str):
        return printable(told) if name in _OUTPUTS else one_line(told)
    if isinstance(told, dict):
        return {one_line(str(key)): _clean(value, str(key)) for key, value in told.items()}
    return [_clean(entry) for entry in told] if isinstance(told, list | tuple) else told
