"""`keyway whoami`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("whoami")
@options.shared(vault=False)
def command() -> None:
    """Show who the server takes you for."""
    from keyway_cli.actions.whoami import whoami

    whoami(options.context())
