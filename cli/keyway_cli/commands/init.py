"""`keyway init`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Push the .env file of this folder without a question.")
@options.repository
@options.as_json
def init(*, yes: bool, repository: str | None, as_json: bool) -> None:
    """Make a vault for this repository.

    Waits up to two minutes for the GitHub App to be installed, checks that git ignores your .env files, and offers to
    push one. Safe to run again.
    """
    from keyway_cli.actions.init import init as act

    act(options.context(as_json=as_json, repository=repository), yes=yes)
