"""`keyway push`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command()
@click.option(
    "-e", "--env", "environment", metavar="NAME", help="Environment.  [default: what the file is named after]"
)
@click.option("-f", "--file", metavar="PATH", help="File to read.  [default: the .env file of this folder]")
@click.option("-y", "--yes", is_flag=True, help="Overwrite without a question.")
@click.option("--prune", is_flag=True, help="Also remove the keys that the file has not.")
@options.accept_rollback
@options.repository
@options.as_json
def push(
    *,
    environment: str | None,
    file: str | None,
    yes: bool,
    prune: bool,
    accept_rollback: bool,
    repository: str | None,
    as_json: bool,
) -> None:
    """Send the values of a .env file to the vault.

    Shows the names that would change and asks first. Keys that only the vault has stay, unless --prune. When somebody
    else changed the same keys meanwhile, nothing is sent and the exit code is 5. A file .env.prod goes to production,
    .env to development.
    """
    from keyway_cli.actions.push import push as act

    context = options.context(as_json=as_json, repository=repository)
    act(context, environment=environment, file=file, yes=yes, prune=prune, accept_rollback=accept_rollback)
