"""`keyway get`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("get")
@options.shared("environment")
@click.argument("key", metavar="KEY")
def command(*, key: str) -> None:
    """Print one value.

    It goes to stdout and nothing else does, so that it can be piped. Reading it is recorded. With an assistant at the
    keyboard a person has to confirm.
    """
    from keyway_cli.actions.get import get

    get(options.context(), key=key)
