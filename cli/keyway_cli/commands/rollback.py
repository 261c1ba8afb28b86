"""`keyway rollback`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("rollback")
@click.option("-m", "--message", metavar="TEXT", help="Why; kept in the history.")
@click.option("--skip-purged", is_flag=True, help="Leave out what was purged for good, instead of stopping.")
@options.shared("environment", "yes")
@click.argument("revision")
def command(*, revision: str, message: str | None, skip_purged: bool) -> None:
    """Make an environment hold what it held at a revision.

    Shows the names that would change and asks. It becomes a new revision, so it can be undone the same way.
    """
    from keyway_cli.actions.history import rollback

    rollback(options.context(), named=revision, message=message, skip_purged=skip_purged)
