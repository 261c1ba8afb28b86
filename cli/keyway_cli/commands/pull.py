"""`keyway pull`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("pull")
@click.option("-f", "--file", metavar="PATH", default=".env", show_default=True, help="File to write.")
@click.option("--force", is_flag=True, help="Replace the whole file instead of the lines that differ.")
@options.shared("environment", "yes", "accept_rollback")
def command(*, file: str, force: bool) -> None:
    """Write the values of an environment into a .env file.

    Comments, order and your own keys stay as they are, unless --force. Before a value is overwritten its name is shown
    and you are asked. The file is readable by you alone, and is replaced whole or not at all.
    """
    from keyway_cli.actions.pull import pull

    pull(options.context(), file=file, force=force)
