"""How a step speaks to GitHub's runner: commands on stdout, and files that it reads when the step is over.

Everything goes to stdout, because the runner reads stdout and stderr apart: a word on stderr could overtake a mask.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from keyway_cli.errors import KeywayError, Misconfigured
from keyway_cli.files import reason
from keyway_cli.terminal import one_line

ENVIRONMENT: Final = "GITHUB_ENV"
OUTPUTS: Final = "GITHUB_OUTPUT"
_OLD_COMMAND: Final = "##["  # which the runner obeys anywhere in a line
_NOT_THE_RUNNER: Final = "run this as an Action, on a runner of GitHub or one that does as it does"


class Runner:
    """The runner that started this process."""

    def __init__(self, environ: Mapping[str, str], stdout: BinaryIO) -> None:
        self._environ = environ
        self._stdout = stdout

    def mask(self, texts: Iterable[str]) -> None:
        """From now on the log shows *** for each of these texts, of one line each."""
        self._write("".join(f"::add-mask::{escaped(text)}\n" for text in texts))

    def say(self, text: str) -> None:
        """A line in the log. It begins with our name, so that no word of a server is taken for a command."""
        self._write(f"keyway: {one_line(text).replace(_OLD_COMMAND, '# #[')}\n")

    def warn(self, text: str) -> None:
        """The same, shown with the run's results as well."""
        self._write(f"::warning title=Keyway::{escaped(one_line(text))}\n")

    def fail(self, error: KeywayError) -> None:
        """Why the step fails, and what to do about it."""
        words = one_line(error.message) + (f"\nWhat to do: {one_line(error.hint)}" if error.hint else "")
        self._write(f"::error title=Keyway::{escaped(words)}\n")

    def export(self, values: Mapping[str, str]) -> None:
        """Variables for every step that follows."""
        self._append(ENVIRONMENT, values)

    def output(self, values: Mapping[str, str]) -> None:
        """Outputs of this step."""
        self._append(OUTPUTS, values)

    def _write(self, text: str) -> None:
        self._stdout.write(text.encode())
        self._stdout.flush()

    def _append(self, variable: str, values: Mapping[str, str]) -> None:
        path = self._environ.get(variable, "")
        if not path:
            raise Misconfigured(f"the runner gives no {variable}", _NOT_THE_RUNNER)
        append(Path(path), "".join(assignment(name, value) for name, value in values.items()))


def assignment(name: str, value: str) -> str:
    """A name and its value as the runner's files take them, between delimiters that nobody can know before."""
    delimiter = f"keyway_{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def append(path: Path, text: str) -> None:
    """Adds a text to a file of the runner's: all of it or nothing."""
    try:
        with path.open("ab") as file:
            before = file.tell()
            try:
                file.write(text.encode())
                file.flush()
            except OSError:
                os.truncate(path, before)
                raise
    except OSError as error:
        raise KeywayError(f"cannot write the runner's file: {reason(error)}", "nothing was handed over") from None


def escaped(text: str) -> str:
    """A text as the data of a command: what would end the line, and the sign that announces an escape."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def unescaped(data: str) -> str:
    """What the runner takes the data of a command for."""
    return data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
