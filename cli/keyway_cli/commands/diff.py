"""`keyway diff`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("diff")
@click.option("--keys-only", is_flag=True, help="Compare which keys there are, not their values.")
@options.shared("environment", "accept_rollback")
@click.argument("sides", metavar="[SIDE] [SIDE]", nargs=-1)
@click.pass_context
def command(click_context: click.Context, /, *, sides: tuple[str, ...], keys_only: bool) -> None:
    """Compare two environments, or a .env file and an environment.

    Shows names, never values: - only on the left, + only on the right, ~ different. Two environments are compared on
    the server by digests, so no value is read; for a file the environment is read. With no side: the .env file of this
    folder and its environment; with one: that and the environment that is meant. A file is what has a / or begins with
    a dot.

    Exits with 0 when both are the same, 1 when they differ, 2 when something went wrong.
    """
    from keyway_cli.actions.diff import diff
    from keyway_cli.errors import UsageProblem

    if len(sides) > 2:
        raise UsageProblem("diff compares two sides")
    click_context.exit(diff(options.context(), sides=sides, keys_only=keys_only))
