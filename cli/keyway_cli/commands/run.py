"""`keyway run`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("run", context_settings={"allow_interspersed_args": False})
@options.shared("environment", "accept_rollback")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARG]...")
@click.pass_context
def command(click_context: click.Context, /, *, program: tuple[str, ...]) -> None:
    """Run a program with the values of an environment.

    They replace variables of the same name and touch no disk. The program takes the place of keyway, so its exit code
    and every signal are its own. 127 means that it was not found, 126 that it cannot be started. --json only shapes
    errors.
    """
    from keyway_cli.actions.run import run

    click_context.exit(run(options.context(), program))
