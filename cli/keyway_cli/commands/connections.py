"""`keyway connections`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("connections")
@options.shared(vault=False)
def command() -> None:
    """List your accounts at providers."""
    from keyway_cli.actions.connections import list_connections

    list_connections(options.context())
