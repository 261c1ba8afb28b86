"""`keyway readme`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("readme")
@click.option("--write", is_flag=True, help="Put it below the title of README.md.")
@options.shared()
def command(*, write: bool) -> None:
    """Print a badge for the README that leads to the vault."""
    from keyway_cli.actions.dashboard import badge

    badge(options.context(), write=write)
