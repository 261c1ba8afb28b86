"""What the commands share: options that are spelled once, and the context that every action starts from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from keyway_cli.envfiles import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from keyway_cli.actions.context import Context

environment = click.option(
    "-e", "--env", "environment", metavar="NAME", default=DEFAULT_ENVIRONMENT, show_default=True, help="Environment."
)
repository = click.option(
    "-r",
    "--repository",
    metavar="OWNER/NAME",
    help="Repository, instead of KEYWAY_REPOSITORY or the git remote origin.",
)
accept_rollback = click.option(
    "--accept-rollback", is_flag=True, help="Accept a server that shows an older revision than this machine has seen."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")


def context(*, as_json: bool, repository: str | None = None) -> Context:
    """The context of one command, from the environment and from its options."""
    from keyway_cli import settings
    from keyway_cli.actions.context import Context, checked_repository
    from keyway_cli.terminal import Terminal

    read = settings.read(os.environ)
    terminal = Terminal(as_json=as_json, color=read.color, ci=read.ci)
    return Context(read, terminal, repository=checked_repository(repository))
