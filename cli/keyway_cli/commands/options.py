"""What the commands share: options that are spelled once, and the context that every action starts from.

`shared()` gives a command `--json` and `--quiet`, and by argument `--environment`, `--vault`, `--yes` and
`--accept-rollback`. They are not parameters of the command: `context()` takes them from click's context.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from keyway_cli.actions.context import Chosen, Context

Function = TypeVar("Function", bound=Callable[..., Any])
_PREFIX: Final = "keyway_cli."
_COMMON: Final = ("vault", "json", "quiet")


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    context.meta[_PREFIX + str(parameter.name)] = value


def _option(*names: str, **attributes: Any) -> Callable[[Function], Function]:
    return click.option(*names, expose_value=False, callback=_keep, **attributes)


_OPTIONS: Final = {
    "environment": _option(
        "-e",
        "--env",
        "--environment",
        "environment",
        metavar="NAME",
        help="Environment.  [default: KEYWAY_ENVIRONMENT, keyway.toml, else development]",
    ),
    "yes": _option("-y", "--yes", "yes", is_flag=True, help="Answer every question with yes."),
    "accept_rollback": _option(
        "--accept-rollback",
        "accept_rollback",
        is_flag=True,
        help="Accept a server that shows an older revision than this machine has seen.",
    ),
    "vault": _option(
        "-r",
        "--vault",
        "--repository",
        "vault",
        metavar="OWNER/NAME",
        help="Vault, instead of KEYWAY_REPOSITORY, keyway.toml or the git remote origin.",
    ),
    "json": _option("--json", "json", is_flag=True, help="Print the result as one JSON object."),
    "quiet": _option("-q", "--quiet", "quiet", is_flag=True, help="Say nothing but results, warnings and errors."),
}


def shared(*names: str, vault: bool = True) -> Callable[[Function], Function]:
    """The options of these names, and those of every command. They stand behind the command's own."""
    wanted = [*names, *(name for name in _COMMON if vault or name != "vault")]

    def add(function: Function) -> Function:
        for name in reversed(wanted):
            function = _OPTIONS[name](function)
        return function

    return add


def environment_elsewhere(words: str) -> Callable[[Function], Function]:
    """The option --environment of a command that finds its environment in its own way, which the words tell."""
    return _option(
        "-e", "--env", "--environment", "environment", metavar="NAME", help=f"Environment.  [default: {words}]"
    )


def asked(name: str) -> Any:
    """What the person said with a shared option; None without it."""
    return click.get_current_context().meta.get(_PREFIX + name)


def context() -> Context:
    """The context of the command that runs, from the settings and from its options."""
    from keyway_cli.actions.context import Chosen

    chosen = Chosen(asked("vault"), asked("environment"), bool(asked("yes")), bool(asked("accept_rollback")))
    return plain_context(chosen, as_json=bool(asked("json")), quiet=bool(asked("quiet")))


def plain_context(chosen: Chosen | None = None, *, as_json: bool = False, quiet: bool = False) -> Context:
    """A context from the settings, and from what was said elsewhere."""
    import os

    from keyway_cli import settings
    from keyway_cli.actions.context import Chosen, Context
    from keyway_cli.files import working_folder
    from keyway_cli.terminal import Terminal

    read = settings.read(os.environ, working_folder())
    terminal = Terminal(as_json=as_json, color=read.color, ci=read.ci, quiet=quiet)
    return Context(read, terminal, chosen or Chosen())
