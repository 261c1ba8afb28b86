"""`keyway disconnect`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("disconnect")
@options.shared("yes", vault=False)
@click.argument("connection", metavar="PROVIDER|ID")
def command(*, connection: str) -> None:
    """Forget an account at a provider, and the syncs that use it."""
    from keyway_cli.actions.connections import disconnect

    disconnect(options.context(), named=connection)
