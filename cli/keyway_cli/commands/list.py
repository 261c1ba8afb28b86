"""`keyway list`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("list")
@options.environment_elsewhere("all that you may read")
@options.shared()
def command() -> None:
    """List the names of secrets, and who changed each.

    Names only; no value is read.
    """
    from keyway_cli.actions.names import list_secrets

    list_secrets(options.context())
