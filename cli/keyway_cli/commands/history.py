"""`keyway history`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("history")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Show at most so many."
)
@options.shared("environment")
@click.argument("revision", required=False)
def command(*, revision: str | None, limit: int) -> None:
    """Show who changed an environment, and when.

    With a REVISION: which names it changed (+ created, ~ updated, - removed).
    """
    from keyway_cli.actions import history

    if revision is None:
        history.history(options.context(), limit=limit)
    else:
        history.show_revision(options.context(), named=revision)
