"""The tool that runs a program with values around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from keyway_cli.actions.run_captured import LONGEST_SECONDS, run_captured
from keyway_cli.mcp import inputs
from keyway_cli.mcp.session import Session
from keyway_cli.mcp.tool import Outcome, Tool


def _inject_run(session: Session, given: Mapping[str, Any]) -> Outcome:
    context, terminal = session.context(given.get("environment"))
    command = (given["command"], *given.get("args", ()))
    seconds = given.get("timeout", LONGEST_SECONDS * 1_000) / 1_000
    code = run_captured(context, command, seconds, session.known, session.approve_run)
    return Outcome(terminal.data, failed=code != 0)


TOOLS: Final = (
    Tool(
        "keyway_inject_run",
        "Run a program with secrets",
        "DESTRUCTIVE: may change whatever the program changes. Run one program, without a shell, with the secrets of "
        "an environment as variables. The person has to agree to the exact command. You get its exit code and its "
        "output, in which values and whatever looks like one are hidden.",
        _inject_run,
        "See [Running programs](#running-programs).",
        {
            "command": inputs.text("The program; no shell, no pipes."),
            "args": inputs.texts("Its arguments, one by one.", 1_000),
            "environment": inputs.environment(),
            "timeout": inputs.number("Milliseconds until it is ended; 300000 without it.", 1, 300_000),
        },
        ("command",),
        destructive=True,
        open_world=True,
    ),
)
