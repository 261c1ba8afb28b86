"""`keyway pull`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command()
@options.environment
@click.option("-f", "--file", metavar="PATH", default=".env", show_default=True, help="File to write.")
@click.option("-y", "--yes", is_flag=True, help="Overwrite without a question.")
@click.option("--force", is_flag=True, help="Replace the whole file instead of the lines that differ.")
@options.accept_rollback
@options.repository
@options.as_json
def pull(
    *,
    environment: str,
    file: str,
    yes: bool,
    force: bool,
    accept_rollback: bool,
    repository: str | None,
    as_json: bool,
) -> None:
    """Write the values of an environment into a .env file.

    Comments, order and your own keys stay as they are, unless --force. Before a value is overwritten its name is shown
    and you are asked. The file is readable by you alone, and is replaced whole or not at all.
    """
    from keyway_cli.actions.pull import pull as act

    context = options.context(as_json=as_json, repository=repository)
    act(context, environment=environment, file=file, yes=yes, force=force, accept_rollback=accept_rollback)
