"""`keyway push`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("push")
@options.environment_elsewhere("what the file is named after")
@click.option("-f", "--file", metavar="PATH", help="File to read.  [default: the .env file of this folder]")
@click.option("--prune", is_flag=True, help="Also remove the keys that the file has not.")
@options.shared("yes", "accept_rollback")
def command(*, file: str | None, prune: bool) -> None:
    """Send the values of a .env file to the vault.

    Shows the names that would change and asks first. Keys that only the vault has stay, unless --prune. When somebody
    else changed the same keys meanwhile, nothing is sent and the exit code is 5. A file .env.prod goes to production,
    .env to development or to the environment that your settings name.
    """
    from keyway_cli.actions.push import push

    push(options.context(), file=file, prune=prune)
