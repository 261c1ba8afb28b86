"""`keyway run`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.option("--only", metavar="KEY,...", multiple=True, help="Hand over these keys alone; * and ? are understood.")
@click.option("--except", "excluded", metavar="KEY,...", multiple=True, help="Hand over all keys but these.")
@click.option("--prefix", metavar="TEXT", default="", help="Put this before the name of each key.")
@click.option(
    "--no-inherit-env", is_flag=True, help="Hand over none of your variables but PATH, HOME, TERM and their like."
)
@click.option("--watch", is_flag=True, help="Start the program again when its values change on the server.")
@click.option(
    "--env-file",
    metavar="PATH",
    help="Hand the values over in a new .env file instead of variables; it is removed when the program ends.",
)
@click.option(
    "--cache-max-age",
    metavar="TIME",
    help="Keep the values here, encrypted, for so long (30m, 12h, 7d), for when the server cannot be reached.",
)
@click.option("--offline", is_flag=True, help="Use the values that are kept here, and ask no server.")
@click.option(
    "--mask/--no-mask", default=None, help="Replace values in what the program prints.  [default: for assistants]"
)
@options.shared("environment", "accept_rollback")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARG]...")
@click.pass_context
def command(  # noqa: PLR0913 - one parameter per option
    click_context: click.Context,
    /,
    *,
    program: tuple[str, ...],
    only: tuple[str, ...],
    excluded: tuple[str, ...],
    prefix: str,
    no_inherit_env: bool,
    watch: bool,
    env_file: str | None,
    cache_max_age: str | None,
    offline: bool,
    mask: bool | None,
) -> None:
    """Run a program with the values of an environment.

    They replace variables of the same name and touch no disk. The program takes the place of keyway, so its exit code
    and every signal are its own; with --watch, --env-file and --mask keyway stays, passes signals on, and exits as the
    program does, or with 128+n when signal n ended it. 127 means that it was not found, 126 that it cannot be started.
    --json only shapes errors.
    """
    from keyway_cli.actions.run import Wishes, run

    wishes = Wishes(only, excluded, prefix, not no_inherit_env, watch, env_file, offline, cache_max_age, mask)
    click_context.exit(run(options.context(), program, wishes))
