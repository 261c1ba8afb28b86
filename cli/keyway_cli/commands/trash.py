"""`keyway trash`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.group("trash")
def command() -> None:
    """See, restore and forget what was deleted."""


@command.command("list")
@options.environment_elsewhere("all that you may read")
@options.shared()
def list_() -> None:
    """List what was deleted in the last 30 days."""
    from keyway_cli.actions.trash import list_trash

    list_trash(options.context())


@command.command("restore")
@options.environment_elsewhere("where it was deleted")
@options.shared()
@click.argument("key", metavar="KEY")
def restore(*, key: str) -> None:
    """Bring a key back, with the values that it had."""
    from keyway_cli.actions import trash

    trash.restore(options.context(), key=key)


@command.command("delete")
@options.environment_elsewhere("where it was deleted")
@options.shared("yes")
@click.argument("key", metavar="KEY")
def delete(*, key: str) -> None:
    """Forget a key in the trash for good."""
    from keyway_cli.actions import trash

    trash.purge(options.context(), key=key)


@command.command("empty")
@options.shared("yes")
def empty() -> None:
    """Forget everything in the trash for good. For administrators."""
    from keyway_cli.actions import trash

    trash.empty(options.context())
