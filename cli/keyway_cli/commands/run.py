"""`keyway run`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command(context_settings={"allow_interspersed_args": False})
@options.environment
@options.accept_rollback
@options.repository
@options.as_json
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARG]...")
@click.pass_context
def run(
    click_context: click.Context,
    /,
    *,
    environment: str,
    accept_rollback: bool,
    repository: str | None,
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Run a program with the values of an environment.

    They replace variables of the same name and touch no disk. The program takes the place of keyway, so its exit code
    and every signal are its own. 127 means that it was not found, 126 that it cannot be started. --json only shapes
    errors.
    """
    from keyway_cli.actions.run import run as act

    context = options.context(as_json=as_json, repository=repository)
    click_context.exit(act(context, command, environment=environment, accept_rollback=accept_rollback))
