"""`keyway set`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("set", options_metavar="[OPTIONS]")
@click.option("-l", "--local", is_flag=True, help="Write it into the .env file of this folder too.")
@options.shared("environment", "yes", "accept_rollback")
@click.argument("key", metavar="KEY")
@click.argument("value", required=False, metavar="[VALUE]")
def command(*, key: str, value: str | None, local: bool) -> None:
    """Give one key a value: KEY, KEY VALUE or KEY=VALUE.

    Without a value it is asked for and not shown; with - it is read from stdin. Either keeps it out of your shell's
    history.
    """
    from keyway_cli.actions.set import set_key

    set_key(options.context(), key=key, value=value, local=local)
