"""`keyway open`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("open")
@options.shared()
def command() -> None:
    """Open the vault in the dashboard, and print its address."""
    from keyway_cli.actions.dashboard import open_page

    open_page(options.context())
