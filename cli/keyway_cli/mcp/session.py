"""One assistant's connection: who it is, which person is beside it, and how that person is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from keyway_cli import __version__
from keyway_cli.actions.context import Chosen, Context
from keyway_cli.actions.run_captured import Known, shown_command
from keyway_cli.api import Place
from keyway_cli.errors import UsageProblem
from keyway_cli.files import working_folder
from keyway_cli.mcp.asking import Ask, Question
from keyway_cli.mcp.recording import Recording, refused
from keyway_cli.settings import Settings

UNKNOWN_CLIENT: Final = "unknown"
_LONGEST_CLIENT: Final = 80

ENVIRONMENT: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*", re.ASCII)


class Options(NamedTuple):
    """What the person who set the server up decided."""

    vault: str | None = None
    environment: str | None = None
    run: str = "ask"


def agent_of(name: str, version: str) -> str:
    """Our User-Agent for a client, whatever it calls itself: no name makes it look like another program of ours."""
    told = [re.sub(r"[^A-Za-z0-9 ._-]", "", part)[:_LONGEST_CLIENT].strip() for part in (name, version)]
    client = re.sub("key(?=way)", "k-", "/".join(part for part in told if part), flags=re.IGNORECASE) or UNKNOWN_CLIENT
    return f"keyway-mcp/{__version__} ({client})"


class Session:
    """What the tools share. One per server process."""

    def __init__(self, settings: Callable[[], Settings], options: Options, ask: Ask) -> None:
        self._settings = settings
        self._ask = ask
        self.options = options
        self.agent = agent_of("", "")
        self.known = Known()

    def context(self, environment: str | None = None) -> tuple[Context, Recording]:
        """What an action starts from, and the terminal that keeps what it says."""
        named = environment if environment is not None else self.options.environment
        if named is not None and ENVIRONMENT.fullmatch(named) is None:
            raise UsageProblem("that is no name for an environment", "letters, digits, - and _, a letter first")
        terminal = Recording(self._ask)
        return Context(self._settings(), terminal, Chosen(self.options.vault, named), self.agent), terminal

    def confirm(self, question: str, details: str = "") -> None:
        """Raises UsageProblem unless the person says yes."""
        if not self._ask(Question(question, details)).yes:
            raise refused()

    def approve_run(self, place: Place, command: tuple[str, ...], protected: bool) -> None:  # noqa: FBT001
        """Raises UsageProblem unless the person lets this command have the values of this environment, this once.

        A yes is not remembered: the same words may be another program by then, because the assistant can write files.
        """
        if self.options.run == "off":
            raise UsageProblem("running programs was turned off for this server (--run off)")
        guarded = "\nThis environment is protected." if protected else ""
        question = Question(
            f"May this program run as you, with every value of {place}? The assistant reads what it prints, values "
            "cut out. What it does otherwise, with them and with all that you may read, nobody checks.",
            f"{shown_command(command)}\nin {shown_command((str(working_folder()),))}{guarded}",
            "Run",
        )
        if not self._ask(question).yes:
            raise refused()
