"""`keyway doctor`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("doctor")
@click.option("--strict", is_flag=True, help="Let a warning count as a failure.")
@options.shared("environment")
@click.pass_context
def command(click_context: click.Context, /, *, strict: bool) -> None:
    """Check server, sign-in, repository, vault and files.

    Each thing that is missing comes with what to do. Exits with 1 when something fails.
    """
    from keyway_cli.actions.doctor import doctor

    click_context.exit(doctor(options.context(), strict=strict))
