"""`keyway unset`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("unset")
@options.shared("environment", "yes")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
def command(*, keys: tuple[str, ...]) -> None:
    """Remove keys from an environment.

    All of them or none. They stay in the trash for 30 days: keyway trash restore KEY.
    """
    from keyway_cli.actions.unset import unset

    unset(options.context(), keys=keys)
