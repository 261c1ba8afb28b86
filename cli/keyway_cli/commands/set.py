"""`keyway set`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command(name="set", options_metavar="[OPTIONS]")
@options.environment
@click.option("-l", "--local", is_flag=True, help="Write it into the .env file of this folder too.")
@click.option("-y", "--yes", is_flag=True, help="Overwrite without a question.")
@options.accept_rollback
@options.repository
@options.as_json
@click.argument("key", metavar="KEY")
@click.argument("value", required=False, metavar="[VALUE]")
def set_key(
    *,
    key: str,
    value: str | None,
    environment: str,
    local: bool,
    yes: bool,
    accept_rollback: bool,
    repository: str | None,
    as_json: bool,
) -> None:
    """Give one key a value: KEY, KEY VALUE or KEY=VALUE.

    Without a value it is asked for and not shown; with - it is read from stdin. Either keeps it out of your shell's
    history.
    """
    from keyway_cli.actions.set import set_key as act

    context = options.context(as_json=as_json, repository=repository)
    act(context, key=key, value=value, environment=environment, local=local, yes=yes, accept_rollback=accept_rollback)
