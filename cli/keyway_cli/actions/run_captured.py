"""A program with values around it, whose output comes back without them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from typing import Any, Final

from keyway_core.sensitive import Sensitive

from keyway_cli import assistants, envfiles, vaults
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch
from keyway_cli.actions.run import Wishes, handed_over
from keyway_cli.api import Api, Place
from keyway_cli.errors import KeywayError, NotFound, UsageProblem
from keyway_cli.files import working_folder
from keyway_cli.masking.strict import Strict
from keyway_cli.running.captured import Ended, Printed, capture
from keyway_cli.running.choosing import inherited
from keyway_cli.running.starting import refuse_too_long

LONGEST_SECONDS: Final = 300.0
SHOWN: Final = 65_536
_ESCAPES: Final = {"\n": r"\n", "\t": r"\t", "\\": r"\\", "'": r"\'"}
_UNPROTECTED: Final = frozenset({"development", "standard"})

Approve = Callable[[Place, tuple[str, ...], bool], None]


class Known:
    """Every value that this process has handed to a program, so that no later program can show it either.

    A program may write values to a file and the next one, run with another environment, print that file.
    """

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._strict = Strict(())

    def add(self, texts: Iterable[str]) -> None:
        """More that must not be shown."""
        new = [text for text in texts if text not in self._texts]
        if new:
            self._texts.update(dict.fromkeys(new))
            self._strict.add(new)

    def redact(self, output: bytes) -> str:
        """An output without any of it."""
        return self._strict.redact(output)


def run_captured(context: Context, command: tuple[str, ...], seconds: float, known: Known, approve: Approve) -> int:
    """Runs a program to its end and prints what came out, redacted before it is cut. Answers its exit code.

    `approve` raises unless a person allows this command; it is asked before any value is read.
    """
    if not command or not command[0] or any("\0" in part for part in command):
        raise UsageProblem("that is no command")
    place, api = context.place(), context.api()
    approve(place, command, is_protected(api, place))
    pulled = fetch(context, api, place)
    known.add([*_texts(pulled.values.values()), context.credential().token.reveal(), *_in_files()])
    values = handed_over(context.terminal, pulled.values, Wishes())
    ended = capture(command, _environment(values), seconds)
    context.terminal.result(_told(place, ended, known, len(values)), "")
    return ended.code


def is_protected(api: Api, place: Place) -> bool:
    """Whether an environment is guarded. One whose type is not known counts as guarded."""
    types = {str(one.get("name")): one.get("type") for one in vaults.environments(api, place.repository)}
    if place.environment not in types:
        raise NotFound(f"{place.repository} has no environment {place.environment}", f"it has {', '.join(types)}")
    return types[place.environment] not in _UNPROTECTED


def shown_command(command: tuple[str, ...]) -> str:
    """A command as a person reads it and a shell would take it: on one line, and nothing looks like something else."""
    return " ".join(shlex.quote(part) if part.isprintable() else _escaped(part) for part in command)


def _escaped(part: str) -> str:
    shown = "".join(_ESCAPES.get(char, char) if char.isprintable() else _code(char) for char in part)
    return f"$'{shown}'"


def _code(char: str) -> str:
    number = ord(char)
    return _ESCAPES.get(char) or (f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}")


def _environment(values: dict[str, Sensitive]) -> dict[str, str]:
    """Little of ours, nothing of Keyway's, and a note for tools (our own too) that an assistant reads along."""
    secrets = {key: value.reveal() for key, value in values.items()}
    refuse_too_long(secrets)
    ours = inherited(os.environ, everything=False) | dict([assistants.STARTED])
    return ours | {key: os.fsdecode(text.encode()) for key, text in secrets.items()}


def _in_files() -> list[str]:
    """Values of `.env` files here, which any program can read."""
    found: list[str] = []
    for path in envfiles.candidates(working_folder()):
        try:
            found += _texts(envfiles.read(path).values())
        except KeywayError:
            continue  # what no parser of ours reads is not from us
    return found


def _texts(values: Iterable[Sensitive]) -> list[str]:
    return [value.reveal() for value in values]


def _told(place: Place, ended: Ended, known: Known, count: int) -> dict[str, Any]:
    warnings = []
    output, errors = _shown(ended.output, known), _shown(ended.errors, known)
    for name, printed, text in (("stdout", ended.output, output), ("stderr", ended.errors, errors)):
        if printed.total > len(printed.kept) or len(text) == SHOWN:
            warnings.append(f"{name}: only the end is shown, of {printed.total} bytes")
    if ended.timed_out:
        warnings.append("it took too long and was ended")
    return {
        "exitCode": ended.code,
        "stdout": output,
        "stderr": errors,
        "secretsInjected": count,
        "environment": place.environment,
        "repository": place.repository,
    } | ({"warnings": warnings} if warnings else {})


def _shown(printed: Printed, known: Known) -> str:
    return known.redact(printed.kept)[-SHOWN:]
