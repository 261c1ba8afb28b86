"""`keyway init`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("init")
@options.shared("yes")
def command() -> None:
    """Make a vault for this repository.

    Waits up to two minutes for the GitHub App to be installed, checks that git ignores your .env files, and offers to
    push one. Safe to run again.
    """
    from keyway_cli.actions.init import init

    init(options.context())
