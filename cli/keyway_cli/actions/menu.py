"""`keyway` alone, at a terminal: where one stands, and what one probably wants next."""

from __future__ import annotations

from typing import Final, NamedTuple

from keyway_cli.actions.context import Context
from keyway_cli.errors import KeywayError, NotFound, NotSignedIn

_QUIT: Final = "nothing, thank you (q)"
_LEAVE: Final = ("q", "quit", "exit")


class Situation(NamedTuple):
    """Where somebody stands, in a sentence, and the commands that fit."""

    words: str
    choices: list[tuple[str, tuple[str, ...]]]


_ALWAYS: Final[list[tuple[str, tuple[str, ...]]]] = [
    ("check what is set up (keyway doctor)", ("doctor",)),
    ("show every command (keyway --help)", ("--help",)),
]
_SIGN_IN: Final[list[tuple[str, tuple[str, ...]]]] = [("sign in (keyway login)", ("login",))]
_ADOPT: Final[list[tuple[str, tuple[str, ...]]]] = [
    ("take over the login of the earlier command line (keyway login --adopt)", ("login", "--adopt"))
]
_BEGIN: Final[list[tuple[str, tuple[str, ...]]]] = [("make a vault for it (keyway init)", ("init",))]
_WORK: Final[list[tuple[str, tuple[str, ...]]]] = [
    ("write the values into .env (keyway pull)", ("pull",)),
    ("send .env to the vault (keyway push)", ("push",)),
    ("list the names (keyway list)", ("list",)),
    ("compare .env with the vault (keyway diff)", ("diff",)),
]


def choose(context: Context) -> tuple[str, ...]:
    """The command that a person picked; empty for none."""
    situation = _situation(context)
    context.terminal.say(situation.words)
    choices = [*situation.choices, *_ALWAYS]
    labels = [label for label, _ in choices]
    picked = context.terminal.choose("what next", [*labels, _QUIT], _LEAVE)
    return dict(choices).get(picked, ())


def _ways_in(context: Context) -> list[tuple[str, tuple[str, ...]]]:
    """Whoever comes from the earlier command line need not sign in again."""
    import os

    from keyway_cli import earlier

    return [*_ADOPT, *_SIGN_IN] if earlier.is_there(context.settings.home, os.environ) else _SIGN_IN


def _situation(context: Context) -> Situation:
    try:
        repository = context.repository()
        vault = context.api().vault(repository)
    except NotSignedIn as error:
        return Situation(f"{error.message}.", _ways_in(context))
    except NotFound:
        return Situation(f"{context.repository()} has no vault that you may see.", _BEGIN)
    except KeywayError as error:
        return Situation(f"{error.message}.\n{error.hint}", _SIGN_IN)
    count = vault.get("secretCount")
    return Situation(f"{repository}: {count} secret{'' if count == 1 else 's'} in its vault.", _WORK)
