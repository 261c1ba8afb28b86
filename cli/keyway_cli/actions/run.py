"""A program with the values of an environment around it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import NamedTuple

from keyway_core.names import is_key, unstorable
from keyway_core.sensitive import Sensitive

from keyway_cli import system
from keyway_cli.actions.consent import may_show
from keyway_cli.actions.context import Context
from keyway_cli.actions.obtain import Caching, obtain
from keyway_cli.errors import UsageProblem
from keyway_cli.refused import is_refused
from keyway_cli.running.choosing import chosen, inherited
from keyway_cli.running.starting import become, refuse_too_long
from keyway_cli.terminal import Terminal, one_line


class Wishes(NamedTuple):
    """What was said on the command line."""

    only: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    prefix: str = ""
    inherit: bool = True
    watch: bool = False
    env_file: str | None = None
    offline: bool = False
    cache_max_age: str | None = None
    mask: bool | None = None


def run(context: Context, command: tuple[str, ...], wishes: Wishes) -> int:
    """Becomes the program (so that its exit code and every signal are its own), or keeps it where that is needed.

    Raises before anything is started: for a missing environment, an unknown program, or more than the system can hand
    over.
    """
    masked = _is_masked(context, wishes)
    if wishes.watch and system.WINDOWS:
        raise UsageProblem("--watch is not there on Windows, which has no signals to end a program with")
    if wishes.watch and wishes.offline:
        raise UsageProblem("--watch asks the server, which --offline does not")
    place, caching = context.place(), _caching(wishes)
    pulled = obtain(context, place, caching)
    values = handed_over(context.terminal, pulled.values, wishes)
    if not (masked or wishes.watch or wishes.env_file or os.getpid() == 1 or system.WINDOWS):
        become(command, environment_for(values, wishes))
    from keyway_cli.running.session import Session

    with contextlib.ExitStack() as stack:
        return Session(context, place, command, wishes, masked=masked).run(pulled, values, stack)


def handed_over(terminal: Terminal, values: Mapping[str, Sensitive], wishes: Wishes) -> dict[str, Sensitive]:
    """The values that were chosen and may stand in a process's environment; the others are named and left out."""
    wanted = chosen(values, only=wishes.only, excluded=wishes.excluded, prefix=wishes.prefix)
    refused = sorted(
        key
        for key, value in wanted.items()
        if not is_key(key) or is_refused(key) or unstorable(value.reveal()) is not None
    )
    if refused:
        terminal.warn(f"not handed to the program: {one_line(', '.join(refused))}")
    return {key: value for key, value in wanted.items() if key not in refused}


def environment_for(values: Mapping[str, Sensitive], wishes: Wishes) -> dict[str, str]:
    """The variables of the program: ours, and over them the values, unless these go into a file."""
    ours = inherited(os.environ, everything=wishes.inherit)
    if wishes.env_file:
        return ours
    secrets = {key: value.reveal() for key, value in values.items()}
    refuse_too_long(secrets)
    # In UTF-8, whatever the locale says.
    return ours | {key: os.fsdecode(value.encode()) for key, value in secrets.items()}


def _is_masked(context: Context, wishes: Wishes) -> bool:
    """As was said; else where an assistant reads along. Not to mask for it takes a person."""
    assistant = bool(context.settings.assistant)
    if wishes.mask is False and assistant:
        may_show(context, "what the program prints, unmasked", "unmasked")
    return assistant if wishes.mask is None else wishes.mask


def _caching(wishes: Wishes) -> Caching:
    if wishes.cache_max_age is None:
        return Caching(offline=wishes.offline)
    from keyway_cli.cache import seconds_of

    return Caching(seconds_of(wishes.cache_max_age), wishes.offline)
